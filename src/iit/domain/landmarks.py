"""The days of a refill cycle on which the model is trained and asked."""

from typing import Final

LANDMARK_OFFSETS: Final = (-14, -7, 0, 7, 14, 21)
"""Landmarks besides the pick-up day, in days after the expected contact; positive ones only while still out."""


def landmark_days(known: int, expected: int, next_known: int) -> list[int]:
    """Return the prediction days of a cycle, ascending and without repeats.

    The first is the pick-up day, or the day the pick-up became known if that is later. A landmark counts only while,
    as known that day, the cycle is the current one.

    Args:
        known: day the pick-up became known, not before the pick-up.
        expected: day of expected contact.
        next_known: day on which the next pick-up became known, or NEVER.
    """
    days = [known] if known < next_known else []
    for offset in LANDMARK_OFFSETS:
        on = expected + offset
        if known < on < next_known:
            days.append(on)
    return days
