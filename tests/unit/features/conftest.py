"""A cohort in which everything happens to somebody."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from iit.domain.record import Event, day_number
from iit.domain.vocabulary import Kind
from iit.features.answers import TABLES
from iit.features.columns import Columns, columns_of
from iit.features.context import Contexts, build_contexts
from iit.testing import a_fact, a_record

FIRST_DAY = date(2021, 1, 4)
DAYS = 3 * 365
N_FACILITIES = 4
DATED = (Kind.EXPECTED_DELIVERY, Kind.TPT_START, Kind.TPT_STOP, Kind.TRANSFER_IN, Kind.APPOINTMENT)
NUMBERS = {
    Kind.VIRAL_LOAD: (20.0, 500.0, 5000.0),
    Kind.CD4: (150.0, 250.0, 700.0),
    Kind.WEIGHT_KG: (50.0, 55.0, 62.0),
    Kind.WHO_STAGE: (1204.0, 1206.0),
    Kind.DSD_MODEL: (166134.0, 166276.0),
    Kind.EAC_SESSION: (1.0, 2.0),
    Kind.TRACKED: (float("nan"),),
    Kind.ARV_DRUG: (165631.0, 75523.0),
    Kind.PICKUP_QUANTITY_DAYS: (30.0, 45.0),
}

ENDS = (5240.0, 159492.0, 165889.0, 165916.0)


@dataclass(frozen=True)
class Cohort:
    """Patients, where they are treated, and one day for each on which they are asked about."""

    columns: Columns
    facility: NDArray[np.int32]
    days: NDArray[np.int32]
    contexts: Contexts


def happenings(random: np.random.Generator) -> list[Event]:
    """Return a patient's facts: pick-ups early, in time, late and after interruptions, and much beside them."""
    on = FIRST_DAY + timedelta(days=int(random.integers(0, 300)))
    start = day_number(on)
    events = [
        a_fact(Kind.BIRTH, on - timedelta(days=int(random.integers(2000, 22000)))),
        a_fact(Kind.SEX, on, float(random.integers(1, 3))),
        a_fact(Kind.STATE, on, float(random.integers(1, 38))),
        a_fact(Kind.CITY, on, float(random.integers(1, 4))),
        a_fact(Kind.PHONE, on, float(random.integers(0, 2))),
        a_fact(Kind.HIV_DIAGNOSIS, on, float(start - random.integers(0, 90))),
    ]
    if random.random() < 0.5:
        events.append(a_fact(Kind.ART_START, on, float(start - random.integers(0, 2000))))
        events.append(a_fact(Kind.ART_START, on, float(start)))
        events.append(a_fact(Kind.ENROLMENT, on, float(start - random.integers(0, 900))))
    for number in range(int(random.integers(1, 20))):
        told = int(random.choice([0, 0, 0, 1, 5, 40]))
        supply = float(random.choice([30, 30, 90, 180, np.nan]))
        events.append(a_fact(Kind.PICKUP, on, supply, known_after_days=told, source_id=f"{number}"))
        for kind in (*TABLES, *NUMBERS, Kind.ARV_DRUG, *DATED):
            if random.random() < 0.15:
                events.append(something(random, kind, on, told))
        if random.random() < 0.02:
            events.append(a_fact(Kind.TERMINATION, on, float(random.choice(ENDS)), known_after_days=told))
        days = 30 if np.isnan(supply) else int(supply)
        on += timedelta(
            days=days + int(random.choice([-5, 0, 0, 0, 1, 8, 16, 29, 60, 300], p=[0.15, *[0.1] * 8, 0.05]))
        )
        if (on - FIRST_DAY).days > DAYS:
            break
    return events


def something(random: np.random.Generator, kind: Kind, on: date, told: int) -> Event:
    """Return a fact of a kind on a day."""
    if kind in NUMBERS:
        value = float(random.choice(NUMBERS[kind]))
    elif kind in TABLES:
        value = float(random.choice([answer for answer, _ in TABLES[kind]] + [7]))
    else:
        value = float(day_number(on) + random.integers(-100, 100))
    return a_fact(kind, on, value, known_after_days=told, source_id=f"{kind.name}:{random.integers(1 << 30)}")


@pytest.fixture(scope="session")
def cohort() -> Cohort:
    """Four hundred patients of four facilities; some are at none."""
    random = np.random.default_rng(20)
    records = [a_record(*happenings(random)) for _ in range(400)]
    columns = columns_of(records)
    facility = random.integers(-1, N_FACILITIES, len(records)).astype(np.int32)
    first = day_number(FIRST_DAY)
    levels = np.array([1, 2, 3, np.nan], np.float32)
    return Cohort(
        columns,
        facility,
        random.integers(first + 200, first + DAYS, len(records)).astype(np.int32),
        build_contexts(columns, facility, N_FACILITIES, levels=levels),
    )
