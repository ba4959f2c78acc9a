"""The quality of a facility's data falls with what is missing, odd, guessed or late."""

import numpy as np
import pytest

from iit.domain.interruption import DaysSource
from iit.features.context import FacilityContext
from iit.features.registry import FEATURE_NAMES, INDEX
from iit.model.quality import QUALITY_LOSS, bounds_of, quality_of

NONE = np.empty(0, np.int32)
GOOD = np.random.default_rng(1).normal(size=(40, len(FEATURE_NAMES))).astype(np.float32)
GOOD[:, INDEX["days_supply_source"]] = DaysSource.RECORDED
BOUNDS = bounds_of(GOOD)


def facility(*, last: int = 100, lag: int = 0) -> FacilityContext:
    return FacilityContext(
        0, np.empty((0, 3), np.float32), np.array([50, last], np.int32), NONE, NONE, -1, float("nan"), lag
    )


def test_data_like_those_of_the_reference_are_good() -> None:
    assert quality_of(GOOD, BOUNDS, facility(), 100).score == 1


def test_missing_values_count_against_what_others_know() -> None:
    worse = GOOD.copy()
    worse[:, : len(FEATURE_NAMES) // 2] = np.nan
    assert quality_of(worse, BOUNDS, facility(), 100).completeness == pytest.approx(0.5)


def test_a_feature_that_nobody_had_is_not_missed() -> None:
    bare = GOOD.copy()
    bare[:, 10] = np.nan
    assert quality_of(bare, bounds_of(bare), facility(), 100).completeness == 1


def test_values_far_beyond_all_seen_are_not_plausible() -> None:
    odd = GOOD.copy()
    odd[:20, INDEX["age"]] = 1_000
    assert quality_of(odd, BOUNDS, facility(), 100).plausibility == pytest.approx(1 - 20 / GOOD.size)


def test_guessed_days_supplied_are_told() -> None:
    guessed = GOOD.copy()
    guessed[:10, INDEX["days_supply_source"]] = DaysSource.APPOINTMENT
    assert quality_of(guessed, BOUNDS, facility(), 100).recorded == 0.75


@pytest.mark.parametrize(
    ("as_of", "lag", "timeliness"), [(100, 0, 1), (107, 0, 0.75), (100, 7, 0.75), (128, 0, 0), (400, 0, 0)]
)
def test_reports_are_worth_less_the_later_they_come(as_of: int, lag: int, timeliness: float) -> None:
    assert quality_of(GOOD, BOUNDS, facility(lag=lag), as_of).timeliness == timeliness


def test_a_facility_that_fell_silent_loses_more_than_the_limit() -> None:
    silent = quality_of(GOOD[:0], BOUNDS, facility(), 128)
    assert silent.score < 1 - QUALITY_LOSS
    assert quality_of(GOOD, BOUNDS, facility(), 128).score < 1 - QUALITY_LOSS
