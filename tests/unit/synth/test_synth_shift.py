"""Each named shift changes what it names from its date on, and nothing before."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from iit.domain.errors import InvalidInput
from iit.domain.record import day_number
from iit.synth import SHIFTS, Shift, named_shift
from iit.synth.blocks import Plan
from iit.synth.course import Cycles, follow
from iit.synth.facilities import make_facilities, silenced
from iit.synth.people import make_people

UNTIL = date(2025, 6, 30)
ON = date(2024, 1, 1)
FACILITIES = make_facilities(1, UNTIL)


def lived(shift: Shift | None) -> Cycles:
    rng = np.random.default_rng(3)
    return follow(make_people(1_500, FACILITIES, UNTIL, rng), silenced(FACILITIES, shift), rng, shift=shift)


PLAIN = lived(None)


@pytest.mark.parametrize(
    ("text", "shift"),
    [
        ("supply", Shift(on=ON, supply_180_share=0.5)),
        ("lateness:1.5", Shift(on=ON, log_lateness=1.5)),
        ("silence:2", Shift(on=ON, silent_facilities=2)),
        ("coding:0.25", Shift(on=ON, lost_viral_loads=0.25)),
    ],
)
def test_a_shift_is_named_with_its_strength(text: str, shift: Shift) -> None:
    assert named_shift(text, ON) == shift


@pytest.mark.parametrize("text", ["", "weather", "supply:much", "silence:0.5"])
def test_another_shift_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="shift"):
        named_shift(text, ON)


@pytest.mark.parametrize(
    "change",
    [
        {"supply_180_share": 1.1}, {"lost_viral_loads": -0.1}, {"log_lateness": 4.0}, {"silent_facilities": -1},
        {"supply_30_share": 0.6, "supply_180_share": 0.6},
    ],
)  # fmt: skip
def test_a_strength_out_of_range_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match="shift"):
        Plan(patients=1, seed=1, until=UNTIL, shift=replace(Shift(on=ON), **change))


def test_every_shift_has_a_usual_strength_that_is_allowed() -> None:
    for kind in SHIFTS:
        Plan(patients=1, seed=1, until=UNTIL, shift=named_shift(kind, ON))


def test_longer_supplies_come_from_the_day_on() -> None:
    cycles = lived(Shift(on=ON, supply_180_share=0.6))
    later = cycles.pickup >= day_number(ON)
    assert (cycles.supply[later] == 180).mean() > 0.55
    assert (cycles.supply[~later] == 180).mean() == pytest.approx(
        (PLAIN.supply[PLAIN.pickup < day_number(ON)] == 180).mean(), abs=0.03
    )


def test_lost_viral_loads_are_not_in_the_record_but_before() -> None:
    cycles = lived(Shift(on=ON, lost_viral_loads=1.0))
    later = cycles.pickup >= day_number(ON)
    assert np.isnan(cycles.viral_load[later]).all()
    assert (~np.isnan(cycles.viral_load[~later])).mean() > 0.1


def test_the_largest_facilities_fall_silent_first() -> None:
    shifted = silenced(FACILITIES, Shift(on=ON, silent_facilities=2))
    changed = [(before, after) for before, after in zip(FACILITIES, shifted, strict=True) if before != after]
    assert len(changed) == 2
    assert {after.reports_until for _, after in changed} == {day_number(ON) - 1}
    least = min(before.share for before, _ in changed)
    assert all(one.share <= least for one in FACILITIES if one not in [before for before, _ in changed])
