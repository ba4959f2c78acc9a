"""Reasons in plain words, for a nurse."""

import re
from collections.abc import Callable
from typing import Final

from iit.features.registry import FEATURES, INDEX, answer_words

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip

_NOUNS: Final = re.compile(r"(?<![\d.,-])1 (days|pick-ups|months|attempts|tracing attempts|sessions|drugs)\b")


def _choose(*options: str) -> Callable[[float], str]:
    return lambda value: options[min(max(int(value), 0), len(options) - 1)]


def _days_late(value: float) -> str:
    days = round(value)
    if days == 0:
        return "on the day"
    return f"{days} days late" if days > 0 else f"{-days} days early"


def _due(value: float) -> str:
    days = round(value)
    if days == 0:
        return "Expected on this day"
    return f"Expected in {days} days" if days > 0 else f"Overdue by {-days} days"


def _delivery(value: float) -> str:
    months = abs(round(value))
    return f"in {months} months" if value >= 0 else f"{months} months ago"


_SPECIAL: Final[dict[str, Callable[[float], str]]] = {
    "days_late": _days_late,
    "due": _due,
    "delivery": _delivery,
    "months": _choose("under 3 months", "3 to 5 months", "6 months or more"),
    "weekday": _choose(*WEEKDAYS),
    "month": lambda value: MONTHS[(int(value) - 1) % 12],
    "age_band": _choose("under 15", "15 to 24", "25 to 49", "50 and over"),
    "sex": lambda value: "male" if value == 1 else "female",
    "copies": lambda value: f"{10**value:,.0f}",
    "viral_load": _choose(
        "No viral load yet", "Viral load suppressed", "Viral load low but not suppressed", "Viral load not suppressed",
        "Viral load test due",
    ),
    "level": lambda value: ("Primary", "Secondary", "Tertiary")[min(max(int(value), 1), 3) - 1],
}  # fmt: skip

_PLACEHOLDER = re.compile(r"\{(\w+)(?::([^}]*))?\}")


def reason_text(name: str, value: float) -> str:
    """Return a feature's value in plain words.

    Args:
        name: of the feature.
        value: known (not NaN): an unknown value is never a reason.
    """
    feature = FEATURES[INDEX[name]]

    def filled(match: re.Match[str]) -> str:
        key, how = match[1], match[2] or ""
        if key == "value":
            return format(value + 0.0, how)
        if key == "words":
            return answer_words(feature, value)
        if key == "yes":
            yes, no = how.split("|")
            return yes if value > 0 else no
        return _SPECIAL[key](value)

    text = _PLACEHOLDER.sub(filled, feature.text)
    text = _NOUNS.sub(lambda match: f"1 {match[1].removesuffix('s')}", text)
    return text[:1].upper() + text[1:]
