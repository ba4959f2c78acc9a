"""Dates and times of a document.

Accepted: `2022-03-07`, `2022-03-07 09:14:55`, `2022-03-07T09:14:55.123Z`, `…+01:00`. Other forms are refused, not
guessed: `07/03/2022` may be March or July. A time without an offset is the facility's own.
"""

import re
from datetime import datetime, tzinfo
from enum import Enum
from functools import lru_cache
from typing import Final

from iit.ingest.nmrs.scalars import Scalar

EARLIEST_YEAR: Final = 1900
LATEST_YEAR: Final = 2100

_FORM: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?( ?([Zz]|[+-]\d{2}(:?\d{2})?))?)?", re.ASCII
)
_NULLS: Final = ("0000-00-00", "0000-00-00 00:00:00")  # how MySQL writes a date that is not there
_REMEMBERED: Final = 50_000


class Fault(Enum):
    """Why a date cannot be used. The values are reasons for people."""

    FORM = "a date is not written as YYYY-MM-DD"
    IMPOSSIBLE = "a date does not exist or lies outside the years 1900 to 2100"


Moment = datetime | Fault | None


class Moments(dict[Scalar, Moment]):
    """The moment behind each written date: `moments["2022-03-07"]`; None where nothing is written.

    Documents repeat few dates many times, so each is parsed once.
    """

    def __init__(self, zone: tzinfo) -> None:
        super().__init__()
        self.zone = zone

    def __missing__(self, written: Scalar) -> Moment:
        if len(self) >= _REMEMBERED:
            self.clear()
        moment = _parse(written, self.zone)
        if moment is not Fault.FORM:  # what is no date may be anything, a name too: it is not remembered
            self[written] = moment
        return moment

    def __repr__(self) -> str:
        return f"Moments({len(self)} dates)"


@lru_cache(maxsize=8)
def moments_in(zone: tzinfo) -> Moments:
    """Return the moments of a time zone; the same object each time."""
    return Moments(zone)


def _parse(written: Scalar, zone: tzinfo) -> Moment:
    if not isinstance(written, str):
        return Fault.FORM if written else None
    written = written.strip()
    if not written or written in _NULLS:
        return None
    if not _FORM.fullmatch(written):
        return Fault.FORM
    try:
        moment = datetime.fromisoformat(written.upper().replace(",", "."))
        moment = moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)
    except (ValueError, OverflowError):
        return Fault.IMPOSSIBLE
    return moment if EARLIEST_YEAR <= moment.year <= LATEST_YEAR else Fault.IMPOSSIBLE
