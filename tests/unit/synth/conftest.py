from datetime import date
from typing import Any

import msgspec
import numpy as np
import pytest

from iit.domain.record import day_number
from iit.synth import cohort_documents
from iit.synth.course import Cycles, follow
from iit.synth.facilities import Facility, make_facilities
from iit.synth.people import People, make_people

UNTIL = date(2025, 6, 30)


@pytest.fixture(scope="session")
def raw_documents() -> list[tuple[str, str, bytes]]:
    return list(cohort_documents(patients=300, seed=1, until=UNTIL))


@pytest.fixture(scope="session")
def documents(raw_documents: list[tuple[str, str, bytes]]) -> list[dict[str, Any]]:
    return [msgspec.json.decode(data) for _, _, data in raw_documents]


@pytest.fixture(scope="session")
def world() -> tuple[tuple[Facility, ...], People, Cycles]:
    facilities = make_facilities(1, UNTIL)
    rng = np.random.default_rng(11)
    people = make_people(9_000, facilities, UNTIL, rng)
    return facilities, people, follow(people, facilities, rng)


@pytest.fixture(scope="session")
def resolved(world: tuple[tuple[Facility, ...], People, Cycles]) -> tuple[np.ndarray, np.ndarray, Cycles]:
    """Which cycles have a label, what it is, and the cycles."""
    _, _, cycles = world
    last = cycles.expected + 28
    is_resolved = (last <= day_number(UNTIL) - 150) & (cycles.exit_day > np.minimum(cycles.back, last))
    return is_resolved, cycles.back > last, cycles
