"""Reasons in plain words, for a nurse.

A feature's text (see `iit.features.registry`) is a sentence with places in braces: `{value:…}` for the number in a
format, `{n:day|days}` for a count with its noun, `{yes:…|…}` for a yes or no, `{words}` for a coded answer, and the
phrases of this file.
"""

import re
from collections.abc import Callable
from typing import Final

from iit.domain.vocabulary import NIGERIAN_STATES
from iit.features.registry import FEATURES, INDEX, answer_words

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip

_PLACEHOLDER: Final = re.compile(r"\{(\w+)(?::([^}]*))?\}")


def count(value: float, nouns: str) -> str:
    """Return a count with its noun, told as `singular|plural`: "no pick-ups", "1 pick-up", "2 pick-ups"."""
    one, many = nouns.split("|")
    number = round(value)
    if number == 0:
        return f"no {many}"
    return f"1 {one}" if number == 1 else f"{number:,} {many}"


def days(value: float) -> str:
    """Return "1 day", "2 days"; "0 days"."""
    number = round(value)
    return "1 day" if number == 1 else f"{number:,} days"


def months(value: float) -> str:
    """Return "under a month", "1 month", "2 months"; years are left to the reader."""
    number = int(value)
    if number == 0:
        return "under a month"
    return "1 month" if number == 1 else f"{number} months"


def _choose(*options: str) -> Callable[[float], str]:
    return lambda value: options[min(max(int(value), 0), len(options) - 1)]


def _days_late(value: float) -> str:
    if round(value) == 0:
        return "on the day"
    return f"{days(value)} late" if value > 0 else f"{days(-value)} early"


def _came(value: float) -> str:
    return "on time" if round(value) == 0 else f"{days(value)} late"


def _worst(value: float) -> str:
    return "never late" if round(value) == 0 else f"up to {days(value)} late"


def _streak(value: float) -> str:
    return "the last pick-up was late" if value == 0 else f"{count(value, 'pick-up|pick-ups')} on time in a row"


def _gap(value: float) -> str:
    number = round(value)
    if number == 0:
        return "no day"
    return "1 day" if number == 1 else f"up to {days(value)} in a row"


def _trend(value: float) -> str:
    if round(value) == 0:
        return "stays the same"
    return f"grows by {days(value)}" if value > 0 else f"shrinks by {days(-value)}"


def _ago(value: float) -> str:
    return "on this day" if round(value) == 0 else f"{days(value)} ago"


def _due(value: float) -> str:
    if round(value) == 0:
        return "expected on this day"
    return f"expected in {days(value)}" if value > 0 else f"overdue by {days(-value)}"


def _apart(value: float) -> str:
    if round(value) == 0:
        return "on the day the supply ends"
    return f"{days(value)} after the supply ends" if value > 0 else f"{days(-value)} before the supply ends"


def _after_diagnosis(value: float) -> str:
    if round(value) == 0:
        return "began treatment on the day of diagnosis"
    when = "after" if value > 0 else "before"
    return f"began treatment {days(abs(value))} {when} the recorded diagnosis"


def _years(value: float) -> str:
    number = int(value)
    if number == 0:
        return "under 1 year old"
    return "1 year old" if number == 1 else f"{number} years old"


def _weight(value: float) -> str:
    number = round(value)
    if number == 0:
        return "unchanged"
    return f"up by {number} %" if number > 0 else f"down by {-number} %"


def _delivery(value: float) -> str:
    if round(value) == 0:
        return "this month"
    told = months(abs(round(value)))
    return f"in {told}" if value > 0 else f"{told} ago"


def _state(value: float) -> str:
    name = NIGERIAN_STATES[min(max(int(value), 1), len(NIGERIAN_STATES)) - 1]
    return "the FCT" if name == "FCT" else f"{name} State"


def _copies(value: float) -> str:
    copies = 10**value
    return "under 50" if copies < 50 else f"{copies:,.0f}"


_PHRASES: Final[dict[str, Callable[[float], str]]] = {
    "days_late": _days_late,
    "days": days,
    "came": _came,
    "worst": _worst,
    "streak": _streak,
    "gap": _gap,
    "trend": _trend,
    "ago": _ago,
    "due": _due,
    "apart": _apart,
    "after_diagnosis": _after_diagnosis,
    "span": months,
    "years": _years,
    "weight": _weight,
    "delivery": _delivery,
    "copies": _copies,
    "cascade": _choose(
        "never interrupted before", "interrupted before, for 6 months or less", "interrupted before, for over 6 months"
    ),
    "months": _choose("under 3 months", "3 to 5 months", "6 months or more"),
    "weekday": _choose(*WEEKDAYS),
    "month": lambda value: MONTHS[(int(value) - 1) % 12],
    "age_band": _choose("under 15", "15 to 24", "25 to 49", "50 and over"),
    "sex": lambda value: "male" if value == 1 else "female",
    "state": _state,
    "viral_load": _choose(
        "no viral load yet", "viral load suppressed", "viral load low but not suppressed", "viral load not suppressed",
        "viral load test due",
    ),
    "level": lambda value: ("primary", "secondary", "tertiary")[min(max(int(value), 1), 3) - 1],
}  # fmt: skip


def _of(value: float, window: str) -> str:
    number = round(value)
    if number == 0:
        return f"none of the last {window} pick-ups was"
    return f"{number} of the last {window} pick-ups {'was' if number == 1 else 'were'}"


def reason_text(name: str, value: float, contribution: float = 0.0) -> str:
    """Return a feature's value in plain words.

    Args:
        name: of the feature.
        value: known (not NaN): an unknown value is never a reason.
        contribution: what it adds to the score. Where the fact alone does not tell its direction (an age, a weekday)
            the text does; with 0 it never does.
    """
    feature = FEATURES[INDEX[name]]
    text = feature.text
    if contribution:
        text = feature.text_up if contribution > 0 else feature.text_down

    def filled(match: re.Match[str]) -> str:
        key, how = match[1], match[2] or ""
        if key == "value":
            return format(value + 0.0, how)
        if key == "n":
            return count(value, how)
        if key == "of":
            return _of(value, how)
        if key == "words":
            return answer_words(feature, value)
        if key == "yes":
            yes, no = how.split("|")
            return yes if value > 0 else no
        return _PHRASES[key](value)

    told = _PLACEHOLDER.sub(filled, text)
    return told[:1].upper() + told[1:]
