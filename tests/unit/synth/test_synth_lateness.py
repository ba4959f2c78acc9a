import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iit.domain.landmarks import LANDMARK_OFFSETS
from iit.synth import lateness

centres = st.floats(0.5, 4.5)


def s(late: float, centre: float) -> float:
    """The law once more, in plain Python."""
    if late <= -8:
        return 1.0
    return 1.0 / (1.0 + math.exp((math.log(late + 8) - centre) / lateness.SPREAD))


def enumerated(history: list[tuple[float, int, bool]], centre: float, still_out: int | None) -> float:
    """P(L > 28) by summing over every frailty, one at a time."""
    above = below = 0.0
    for frailty, weight in zip(lateness.FRAILTIES, lateness.FRAILTY_WEIGHTS, strict=True):
        for past, late, is_known in history:
            mass = s(late - 1, past + frailty) - s(late, past + frailty)
            weight *= mass if is_known else s(late, past + frailty)
        above += weight * s(28, centre + frailty)
        below += weight * (1.0 if still_out is None else s(still_out, centre + frailty))
    return above / below


def reachable(history: list[tuple[float, int, bool]], centre: float) -> np.ndarray:
    weights = lateness.prior(1)
    for past, late, is_known in history:
        weights = lateness.updated(weights, np.array([past]), np.array([late]), is_known=np.array([is_known]))
    return lateness.reachable_risks(weights, np.array([centre]))[0]


@given(centre=centres, late=st.integers(-30, 400))
def test_survival_is_the_stated_law_and_falls_with_time(centre: float, late: int) -> None:
    found = lateness.survival(late, np.array([centre]))[0]

    assert found == pytest.approx(s(late, centre), rel=1e-12)
    assert found >= lateness.survival(late + 1, np.array([centre]))[0]


@given(centre=centres, last=st.integers(-7, 300))
def test_masses_of_the_days_and_the_survival_of_the_last_sum_to_one(centre: float, last: int) -> None:
    days = np.arange(1 - lateness.EARLY_DAYS, last + 1)

    total = lateness.mass(days, np.array([centre])).sum() + lateness.survival(last, np.array([centre]))[0]

    assert total == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("late", [-7, -3, 0, 7, 28, 90])
def test_drawn_lateness_follows_the_law(late: int) -> None:
    n = 200_000
    drawn = lateness.draw_late_days(np.full(n, 2.4), np.random.default_rng(late + 100))

    expected = s(late, 2.4)
    assert drawn.min() >= -7
    assert (drawn > late).mean() == pytest.approx(expected, abs=5 * math.sqrt(expected * (1 - expected) / n))


def test_frailty_is_symmetric_and_has_the_stated_spread() -> None:
    weights, values = lateness.FRAILTY_WEIGHTS, lateness.FRAILTIES

    assert weights.sum() == pytest.approx(1.0)
    assert (weights * values).sum() == pytest.approx(0.0, abs=1e-12)
    assert math.sqrt((weights * values**2).sum()) == pytest.approx(lateness.FRAILTY_SD, rel=0.06)


@given(
    history=st.lists(st.tuples(centres, st.integers(-7, 200), st.booleans()), max_size=5),
    centre=centres,
)
def test_reachable_risk_is_the_sum_over_every_frailty(history: list[tuple[float, int, bool]], centre: float) -> None:
    found = reachable(history, centre)

    for column, still_out in enumerate((None, *LANDMARK_OFFSETS)):
        assert found[column] == pytest.approx(enumerated(history, centre, still_out), rel=1e-9)


@pytest.mark.parametrize(
    ("first_late", "landmark"),
    [
        pytest.param(-4, None, id="came early before, asked at the pick-up"),
        pytest.param(20, None, id="came late before, asked at the pick-up"),
        pytest.param(2, 7, id="a week overdue"),
        pytest.param(20, 21, id="three weeks overdue"),
    ],
)
def test_reachable_risk_is_what_chance_brings_about(first_late: int, landmark: int | None) -> None:
    rng = np.random.default_rng(5)
    n = 1_500_000
    frailty = lateness.draw_frailties(n, rng)
    alike = frailty[lateness.draw_late_days(2.3 + frailty, rng) == first_late]
    second = lateness.draw_late_days(2.5 + alike, rng)
    if landmark is not None:
        second = second[second > landmark]

    share = (second > 28).mean()

    expected = reachable([(2.3, first_late, True)], 2.5)[1 + LANDMARK_OFFSETS.index(landmark) if landmark else 0]
    assert len(second) > 2_000
    assert share == pytest.approx(expected, abs=4.5 * math.sqrt(expected * (1 - expected) / len(second)))


def test_a_cycle_cut_off_by_a_transfer_tells_only_that_the_patient_was_still_out() -> None:
    rng = np.random.default_rng(6)
    frailty = lateness.draw_frailties(600_000, rng)
    alike = frailty[lateness.draw_late_days(2.3 + frailty, rng) > 6]

    share = (lateness.draw_late_days(2.5 + alike, rng) > 28).mean()

    expected = reachable([(2.3, 6, False)], 2.5)[0]
    assert share == pytest.approx(expected, abs=4.5 * math.sqrt(expected * (1 - expected) / len(alike)))


def test_a_long_history_reveals_the_frailty() -> None:
    rng = np.random.default_rng(7)
    frailty = lateness.FRAILTIES[16]
    history = [(2.3, int(late), True) for late in lateness.draw_late_days(np.full(400, 2.3 + frailty), rng)]

    assert reachable(history, 2.3)[0] == pytest.approx(s(28, 2.3 + frailty), rel=0.15)
