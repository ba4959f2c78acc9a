"""The forecast of the disk: a line through what was measured, with an interval that tells how sure it is."""

from datetime import UTC, datetime, timedelta

import pytest

from iit.ops.growth import LEAST_POINTS, forecast

_AT = datetime(2025, 7, 1, tzinfo=UTC)


def _sizes(*mb: float) -> list[tuple[datetime, int]]:
    return [(_AT - timedelta(days=10 * (len(mb) - place)), int(size * 1e6)) for place, size in enumerate(mb)]


def test_a_straight_line_is_followed_to_the_day() -> None:
    told = forecast(_sizes(100, 110, 120, 130, 140), at=_AT, free_bytes=50_500_000)
    assert "grows by 30.0 MB in 30 days (95 % interval 30.0 to 30.0, from 5 sizes)" in told["text"]
    assert told["full_in_days"] == {"expected": 41, "earliest": 41}  # 190.5 MB are passed at 150 + 41


def test_what_scatters_may_be_full_earlier() -> None:
    told = forecast(_sizes(100, 125, 110, 140, 132), at=_AT, free_bytes=100_000_000)
    assert told["full_in_days"]["earliest"] < told["full_in_days"]["expected"]
    assert all(
        a < b < c for a, b, c in zip(*(told["line"][k] for k in ("low_mb", "expected_mb", "high_mb")), strict=True)
    )


def test_the_interval_is_that_of_the_textbook() -> None:
    told = forecast(_sizes(1, 2, 3, 5), at=_AT, free_bytes=10**12)
    # slope 0.13 a day, residual error sqrt(0.30 / 2), t(0.975, 2) = 4.3027, mean day -25, sum of squares 500
    half = 4.302653 * (0.30 / 2) ** 0.5 * (1 + 1 / 4 + 25**2 / 500) ** 0.5
    assert told["line"]["expected_mb"][0] == pytest.approx(6.0, abs=1e-3)
    assert told["line"]["high_mb"][0] == pytest.approx(6.0 + half, abs=1e-3)
    assert told["full_in_days"] == {"expected": None, "earliest": None}


@pytest.mark.parametrize("n", range(LEAST_POINTS))
def test_too_few_sizes_give_no_forecast(n: int) -> None:
    told = forecast(_sizes(*range(100, 100 + n)), at=_AT, free_bytes=1)
    assert told["line"] is None
    assert f"Too few sizes to tell: {n}" in told["text"]
