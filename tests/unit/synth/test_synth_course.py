from datetime import date

import numpy as np
import pytest

from iit.domain.interruption import NEVER
from iit.domain.landmarks import LANDMARK_OFFSETS
from iit.domain.record import day_date, day_number
from iit.synth import Shift, covariates, lateness
from iit.synth.course import Cycles, follow
from iit.synth.facilities import Facility, make_facilities
from iit.synth.people import People, make_people

UNTIL = date(2025, 6, 30)

World = tuple[tuple[Facility, ...], People, Cycles]
Resolved = tuple[np.ndarray, np.ndarray, Cycles]


def auroc(risk: np.ndarray, label: np.ndarray) -> float:
    places = np.empty(len(risk))
    places[np.argsort(risk, kind="stable")] = np.arange(1, len(risk) + 1)
    ones, zeros = label.sum(), (~label).sum()
    return float((places[label].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def test_interruptions_are_as_frequent_as_in_programmes(resolved: Resolved) -> None:
    is_resolved, label, _ = resolved

    assert 0.06 <= label[is_resolved].mean() <= 0.10


def test_patients_have_ten_to_twenty_pick_ups_on_average(world: World) -> None:
    _, people, cycles = world

    assert 10 <= len(cycles) / len(people) <= 20


def test_true_risk_agrees_with_what_happens_in_every_tenth(resolved: Resolved) -> None:
    is_resolved, label, cycles = resolved
    risk, happened = cycles.risk[is_resolved], label[is_resolved]

    for tenth in np.array_split(np.argsort(risk), 10):
        expected = risk[tenth].mean()
        error = np.sqrt((risk[tenth] * (1 - risk[tenth])).sum()) / len(tenth)
        assert happened[tenth].mean() == pytest.approx(expected, abs=4.5 * error)


@pytest.mark.parametrize("column", range(7), ids=("pickup", "m14", "m7", "0", "p7", "p14", "p21"))
def test_reachable_risk_agrees_with_what_happens_at_every_landmark(resolved: Resolved, column: int) -> None:
    is_resolved, label, cycles = resolved
    still_out = np.ones(len(cycles), bool) if column == 0 else cycles.late > LANDMARK_OFFSETS[column - 1]
    asked = is_resolved & still_out
    risk, happened = cycles.reachable[asked, column], label[asked]

    for fifth in np.array_split(np.argsort(risk), 5):
        expected = risk[fifth].mean()
        error = np.sqrt((risk[fifth] * (1 - risk[fifth])).sum()) / len(fifth)
        assert happened[fifth].mean() == pytest.approx(expected, abs=4.5 * error)


def test_reachable_risk_of_a_real_history_is_the_sum_over_every_frailty(world: World) -> None:
    _, people, cycles = world
    patient = int(cycles.patient[cycles.number >= 12][0])
    own = np.flatnonzero(cycles.patient == patient)
    weights = np.log(lateness.FRAILTY_WEIGHTS)

    for i in own:
        centres = cycles.centre[i] + lateness.FRAILTIES
        share = np.exp(weights)
        expected = (share * lateness.survival(28, centres)).sum() / share.sum()
        assert cycles.reachable[i, 0] == pytest.approx(expected, rel=1e-9)
        weights = weights + np.log(lateness.mass(int(cycles.late[i]), centres))
    assert people.frailty[patient] in lateness.FRAILTIES


def test_knowing_the_frailty_discriminates_better_than_anything_reachable(resolved: Resolved) -> None:
    is_resolved, label, cycles = resolved

    true = auroc(cycles.risk[is_resolved], label[is_resolved])
    reachable = auroc(cycles.reachable[is_resolved, 0], label[is_resolved])
    covariates_only = auroc(cycles.centre[is_resolved], label[is_resolved])

    assert 0.82 <= true <= 0.87
    assert 0.76 <= reachable <= 0.81
    assert covariates_only < reachable - 0.03 < true - 0.05


def test_nothing_seen_at_the_start_tells_of_the_frailty(world: World) -> None:
    _, people, cycles = world
    first = cycles.number == 0

    for seen in (people.cd4, people.is_male, people.lives_outside, cycles.supply[first], people.facility):
        assert abs(np.corrcoef(people.frailty, seen.astype(float))[0, 1]) < 4.5 / np.sqrt(len(people))


def test_cycles_follow_one_another(world: World) -> None:
    _, _, cycles = world
    goes_on = np.flatnonzero(cycles.patient[1:] == cycles.patient[:-1])

    assert (cycles.pickup[goes_on + 1] == cycles.back[goes_on]).all()
    assert (cycles.pickup[goes_on + 1] > cycles.pickup[goes_on]).all()
    assert (cycles.number[goes_on + 1] == cycles.number[goes_on] + 1).all()


def test_who_leaves_does_not_come_back_unless_after_a_stop(world: World) -> None:
    _, _, cycles = world
    has_left = cycles.exit_day < NEVER
    restarted = has_left & (cycles.back < NEVER)

    assert (cycles.exit_day[has_left] > cycles.pickup[has_left]).all()
    assert restarted.any()
    assert set(cycles.exit_reason[restarted].tolist()) == {165916}
    assert (cycles.exit_day[restarted] <= cycles.expected[restarted] + 28).all()
    assert (cycles.exit_reason[~has_left] == 0).all()


def test_supply_grows_longer_with_the_years_and_never_for_small_children(world: World) -> None:
    _, people, cycles = world
    year = cycles.pickup // 365.25 + 1970
    age = (cycles.pickup - people.birth[cycles.patient]) / 365.25

    assert cycles.supply[year >= 2022].mean() > cycles.supply[year <= 2018].mean() + 30
    assert cycles.supply[age < 10].max() == 90
    assert set(np.unique(cycles.supply).tolist()) == {30, 60, 90, 180}


def test_everybody_on_efavirenz_moves_to_dolutegravir_by_2021_but_a_few(world: World) -> None:
    _, _, cycles = world

    assert (cycles.regimen[cycles.pickup < day_number(UNTIL.replace(year=2019, month=4))] == 165681).sum() == 0
    assert 0.88 < (cycles.regimen[cycles.pickup > day_number(UNTIL.replace(year=2021))] == 165681).mean() < 0.97


@pytest.mark.parametrize(
    ("day", "is_holiday"),
    [
        pytest.param((2024, 12, 14), False, id="14 December"),
        pytest.param((2024, 12, 15), True, id="15 December"),
        pytest.param((2025, 1, 10), True, id="10 January"),
        pytest.param((2025, 1, 11), False, id="11 January"),
    ],
)
def test_holidays_go_from_mid_december_to_10_january(day: tuple[int, int, int], is_holiday: bool) -> None:
    number = day_number(UNTIL.replace(*day))

    assert bool(covariates.is_holiday(np.array([number]))[0]) is is_holiday
    assert day_date(number).timetuple()[:3] == day


def test_shift_makes_later_pick_ups_riskier_and_their_supply_shorter() -> None:
    facilities = make_facilities(1, UNTIL)
    on = UNTIL.replace(year=2024, month=1, day=1)
    found = []
    for shift in (None, Shift(on=on, log_lateness=0.3, supply_30_share=0.5)):
        rng = np.random.default_rng(3)
        found.append(follow(make_people(2_000, facilities, UNTIL, rng), facilities, rng, shift=shift))
    plain, shifted = found
    later = [cycles.pickup >= day_number(on) for cycles in found]

    assert shifted.risk[later[1]].mean() > plain.risk[later[0]].mean() + 0.03
    assert (shifted.supply[later[1]] == 30).mean() > (plain.supply[later[0]] == 30).mean() + 0.25
    assert shifted.risk[~later[1]].mean() == pytest.approx(plain.risk[~later[0]].mean(), abs=0.005)
