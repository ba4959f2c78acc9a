"""Bands hold as many patients of a day as a programme can follow up."""

import numpy as np
import pytest
from model_cases import a_dataset

from iit.model.bands import days_in_force, limits_of
from iit.model.dataset import Dataset


def a_row(**changes: int) -> Dataset:
    """Return a landmark of a cycle that began on day 0, due on day 30, changed as told."""
    row = {"patient": 0, "facility": 0, "as_of": 0, "index_day": 0, "expected": 30, "landmark": 0, "label": 1,
           "label_contact": 1, "resolved": 58, "settled": 58, "trainable": 1} | changes  # fmt: skip
    return Dataset(**{name: np.array([value]) for name, value in row.items()})


@pytest.mark.parametrize(
    ("changes", "days"),
    [
        pytest.param({}, 16, id="from the pick-up to 14 days before"),
        pytest.param({"expected": 180}, 166, id="half a year's supply"),
        pytest.param({"as_of": 16}, 7, id="from 14 to 7 days before"),
        pytest.param({"as_of": 51}, 8, id="from day 21 to the interruption on day 29"),
        pytest.param({"label": 0, "resolved": 26, "as_of": 23}, 3, id="until the return is known"),
        pytest.param({"label": 0, "resolved": 0}, 1, id="at least a day"),
        pytest.param({"expected": 10}, 3, id="to 7 days before where 14 are past"),
    ],
)
def test_a_score_stands_until_the_next(changes: dict[str, int], days: int) -> None:
    assert days_in_force(a_row(**changes)).tolist() == [days]


def test_the_bands_hold_their_shares_of_a_day() -> None:
    dataset, _ = a_dataset()
    risk = np.random.default_rng(5).random(len(dataset))
    days = days_in_force(dataset)
    limits = limits_of(risk, days, high=0.1, medium=0.15)
    assert days[risk >= limits["high"]].sum() / days.sum() == pytest.approx(0.1, abs=0.001)
    assert days[risk >= limits["medium"]].sum() / days.sum() == pytest.approx(0.25, abs=0.001)


def test_one_risk_for_all_makes_one_band() -> None:
    assert limits_of(np.full(9, 0.2), np.ones(9, np.int64)) == {"medium": 0.2, "high": 0.2}
