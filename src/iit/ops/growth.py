"""How the database grows and how long the disk lasts: a linear trend through sizes that weekly maintenance noted."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np

from iit.extras import extra_module

LEAST_POINTS: Final = 4  # with fewer an interval tells nothing
_AHEAD_DAYS: Final = 365
_SURE: Final = 0.975  # the upper end of a 95 % interval


def forecast(sizes: Sequence[tuple[datetime, int]], *, at: datetime, free_bytes: int) -> dict[str, Any]:
    """Return the trend of the database's size over the year after a moment.

    Args:
        sizes: when the database took how many bytes, in order.
        at: where the forecast starts.
        free_bytes: what is free on the disk at that moment.

    Returns:
        text: the trend in words; measured: day (from `at`) and mb; line: day, expected_mb, low_mb, high_mb with a 95 %
        prediction interval, None with fewer than four sizes of different moments; full_in_days: expected and earliest
        day on which what is free is used up, None where it lasts the year.
    """
    day = np.array([(when - at).total_seconds() / 86_400 for when, _ in sizes])
    mb = np.array([size / 1e6 for _, size in sizes])
    measured = {"day": day.round(2).tolist(), "mb": mb.round(3).tolist()}
    if len(sizes) < LEAST_POINTS or np.ptp(day) == 0:
        text = f"Too few sizes to tell: {len(sizes)} of weekly maintenance, {LEAST_POINTS} are needed."
        return {"text": text, "measured": measured, "line": None, "full_in_days": None}
    slope, level = np.polyfit(day, mb, 1)
    spare = len(day) - 2
    spread = float(((day - day.mean()) ** 2).sum())
    error = math.sqrt(float(((mb - level - slope * day) ** 2).sum()) / spare)
    wide = float(extra_module("scipy.special", extra="train").stdtrit(spare, _SURE))
    ahead = np.arange(0, _AHEAD_DAYS + 1)
    expected = level + slope * ahead
    margin = wide * error * np.sqrt(1 + 1 / len(day) + (ahead - day.mean()) ** 2 / spread)
    limit = mb[-1] + free_bytes / 1e6
    line = {
        "day": ahead,
        "expected_mb": expected,
        "low_mb": np.maximum(expected - margin, 0),
        "high_mb": expected + margin,
    }
    full = {"expected": _first(expected, limit), "earliest": _first(expected + margin, limit)}
    monthly, uncertain = 30 * slope, 30 * wide * error / math.sqrt(spread)
    text = (
        f"The database grows by {monthly:.1f} MB in 30 days (95 % interval {monthly - uncertain:.1f} to "
        f"{monthly + uncertain:.1f}, from {len(day)} sizes). In a year it takes {expected[-1]:.0f} MB "
        f"({line['low_mb'][-1]:.0f} to {line['high_mb'][-1]:.0f}). {free_bytes / 1e6:.0f} MB are free: {_lasts(full)}."
    )
    shown = {name: values[::5].astype(float).round(3).tolist() for name, values in line.items()}
    return {"text": text, "measured": measured, "line": shown, "full_in_days": full}


def _first(values: Any, limit: float) -> int | None:
    over = np.flatnonzero(values > limit)
    return int(over[0]) if over.size else None


def _lasts(full: dict[str, int | None]) -> str:
    if full["earliest"] is None:
        return "enough for the year"
    expected = "after the year" if full["expected"] is None else f"in {full['expected']} days"
    return f"used up {expected} as expected, in {full['earliest']} days at the earliest"
