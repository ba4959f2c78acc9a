"""What a clinician measures and judges at a visit."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from iit.synth import concepts
from iit.synth.people import Floats, Ints
from iit.synth.scene import Scene, rows_of

_YEAR: Final = 365.25
_TPT_DAYS: Final = 180
_SHARE_PRESSURE: Final = 0.5
_GROWN_UP_YEARS: Final = 15.0


class Vitals(NamedTuple):
    """Measurements and judgements of one visit; days count from 1970-01-01, 0 where there is none."""

    weight_kg: float
    height_cm: float
    systolic_mmhg: float
    diastolic_mmhg: float
    has_pressure: bool
    who_stage: int
    functional_status: int
    tb_status: int
    tpt_start: int
    tpt_stop: int
    expected_delivery: int

    def __repr__(self) -> str:
        return "Vitals()"


def vitals(scene: Scene) -> Iterator[Vitals]:
    """Yield what would be found at each pick-up."""
    cycles, people, rng = scene.cycles, scene.people, scene.rng
    who, day, n = cycles.patient, cycles.pickup, len(cycles)
    on_art = day - people.art_start[who]
    start, stop = _prevention(scene)
    systolic = np.rint(rng.normal(118.0, 12.0, n) + np.minimum((day - people.birth[who]) / _YEAR, 80) * 0.2)
    return rows_of(
        Vitals,
        weight_kg=_weights(scene),
        height_cm=_heights(scene),
        systolic_mmhg=np.clip(systolic, 80, 210),
        diastolic_mmhg=np.clip(np.rint(systolic * 0.64 + rng.normal(0.0, 5.0, n)), 45, 130),
        has_pressure=scene.chance(_SHARE_PRESSURE),
        who_stage=np.where((on_art > 180) & scene.chance(0.85), 1204, people.who_stage[who]),
        functional_status=np.where((on_art < 90) & (people.who_stage[who] == 1207), 160026, 162750),
        tb_status=_tb_status(scene),
        tpt_start=start,
        tpt_stop=stop,
        expected_delivery=_expected_delivery(scene),
    )


def _ages(scene: Scene) -> Floats:
    years: Floats = (scene.cycles.pickup - scene.people.birth[scene.cycles.patient]) / _YEAR
    return years


def _weights(scene: Scene) -> Floats:
    """Return kg: a child grows, an adult gains some in the first years of treatment."""
    who, age = scene.cycles.patient, _ages(scene)
    years = (scene.cycles.pickup - scene.people.enrolled[who]) / _YEAR
    gained = 4.0 * (1.0 - np.exp(-years)) + 0.3 * years
    expected = np.where(age < _GROWN_UP_YEARS, 2.2 * (age + 4.0), scene.people.weight_kg[who] + gained)
    return np.clip(np.rint(2.0 * (expected + scene.rng.normal(0.0, 0.9, len(who)))) / 2.0, 3.0, 150.0)


def _heights(scene: Scene) -> Floats:
    age = _ages(scene)
    grown = scene.people.height_cm[scene.cycles.patient]
    return np.rint(np.where(age < _GROWN_UP_YEARS, 75.0 + 6.0 * age, np.maximum(grown, 145.0)))


def _tb_status(scene: Scene) -> Ints:
    who, day = scene.cycles.patient, scene.cycles.pickup
    on_inh = (day >= scene.people.tpt_from[who]) & (day <= scene.people.tpt_from[who] + _TPT_DAYS)
    suspected = scene.chance(0.015)
    return np.select([day <= scene.people.tb_until[who], on_inh, suspected], [1662, 166042, 142177], 1660).astype(
        np.int64
    )


def _prevention(scene: Scene) -> tuple[Ints, Ints]:
    """Return the start of TB preventive treatment as told within it, and its end as told in the half year after."""
    since = scene.cycles.pickup - scene.people.tpt_from[scene.cycles.patient]
    start = scene.cycles.pickup - since
    is_on = (since >= 0) & (since <= _TPT_DAYS)
    is_after = (since > _TPT_DAYS) & (since <= 2 * _TPT_DAYS)
    return np.where(is_on, start, 0), np.where(is_after, start + _TPT_DAYS, 0)


def _expected_delivery(scene: Scene) -> Ints:
    conceived = scene.people.conceived[scene.cycles.patient]
    since = scene.cycles.pickup[:, None] - conceived
    due = np.where((since >= 0) & (since <= 280), conceived + 280, 0).max(axis=1)
    return np.where(scene.cycles.pregnancy == concepts.PREGNANT, due, 0)
