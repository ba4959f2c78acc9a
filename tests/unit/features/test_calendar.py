"""Days, months and feasts against calendars that others computed."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iit.domain.record import day_date, day_number
from iit.features.calendar import EIDS, civil, easter, is_holiday_window, month_index


@given(st.dates(date(1900, 1, 1), date(2199, 12, 31)))
def test_civil_agrees_with_the_calendar(on: date) -> None:
    assert civil(day_number(on)) == (on.year, on.month, on.day)
    assert month_index(day_number(on)) == 12 * on.year + on.month - 1


@pytest.mark.parametrize(
    "sunday",
    [date(2010, 4, 4), date(2011, 4, 24), date(2018, 4, 1), date(2024, 3, 31), date(2025, 4, 20), date(2035, 3, 25)],
    ids=str,
)
def test_easter_sunday(sunday: date) -> None:
    assert easter(sunday.year) == (sunday.month, sunday.day)


@given(st.integers(1900, 2199))
def test_easter_is_a_sunday_from_22_march_to_25_april(year: int) -> None:
    on = date(year, *easter(year))
    assert on.weekday() == 6
    assert date(year, 3, 22) <= on <= date(year, 4, 25)


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param(date(2015, 7, 17), id="Eid al-Fitr 2015"),
        pytest.param(date(2019, 8, 11), id="Eid al-Adha 2019"),
        pytest.param(date(2023, 4, 21), id="Eid al-Fitr 2023"),
        pytest.param(date(2024, 4, 10), id="Eid al-Fitr 2024"),
        pytest.param(date(2024, 6, 16), id="Eid al-Adha 2024"),
        pytest.param(date(2025, 3, 30), id="Eid al-Fitr 2025"),
        pytest.param(date(2025, 6, 6), id="Eid al-Adha 2025"),
    ],
)
def test_an_eid_lies_within_a_day_of_the_day_it_was_kept(kept: date) -> None:
    assert min(abs(int(day) - day_number(kept)) for day in EIDS) <= 1


def test_each_eid_returns_after_a_lunar_year() -> None:
    assert set((EIDS[2:] - EIDS[:-2]).tolist()) == {354, 355}
    assert set((EIDS[1:] - EIDS[:-1]).tolist()[::2]) <= {68, 69}  # from al-Fitr to al-Adha
    assert day_date(int(EIDS[0])) < date(2010, 1, 1)
    assert day_date(int(EIDS[-1])) > date(2035, 12, 31)


@pytest.mark.parametrize("year", range(2010, 2036))
def test_a_holiday_window_is_christmas_to_january_or_three_days_about_a_feast(year: int) -> None:
    feasts = [date(year, *easter(year)), *(day_date(int(day)) for day in EIDS)]
    near = {feast + timedelta(days=off) for feast in feasts for off in range(-3, 4)}
    for number in range(day_number(date(year, 1, 1)), day_number(date(year + 1, 1, 1))):
        on = day_date(number)
        is_christmas = (on.month, on.day) >= (12, 15) or (on.month, on.day) <= (1, 10)
        assert is_holiday_window(number, EIDS) == (is_christmas or on in near), on
