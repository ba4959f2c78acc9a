"""Times as HL7 writes them: `YYYYMMDD[HHMM[SS[.ffff]]][+ZZZZ]`; without an offset they are the facility's own."""

import re
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final

from iit.ingest.nmrs.moments import EARLIEST_YEAR, LATEST_YEAR

_FORM: Final = re.compile(
    r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})\d*)?)?)?)?)?(?:\.\d*)?(?:([+-])(\d{2})(\d{2}))?",
    re.ASCII,
)
_REMEMBERED: Final = 50_000


class Moments(dict[str, datetime | None]):
    """The moment behind each written time; None where nothing usable is written.

    A birthdate may be a year or a month only and then counts from its first day, so `moments["1991"]` is one too; what
    happened on a day needs eight digits: use `exact`. Digits behind the seconds are taken for fractions.
    """

    def __init__(self, zone: tzinfo) -> None:
        super().__init__()
        self.zone = zone

    def __missing__(self, written: str) -> datetime | None:
        if len(self) >= _REMEMBERED:
            self.clear()
        moment = _parse(written, self.zone)
        if moment is not None:  # what is no time may be anything, a name too: it is not remembered
            self[written] = moment
        return moment

    def __repr__(self) -> str:
        return f"Moments({len(self)} times)"

    def exact(self, written: str) -> datetime | None:
        """Return the moment if at least its day is written."""
        return self[written] if len(written) >= 8 else None


@lru_cache(maxsize=8)
def moments_in(zone: tzinfo) -> Moments:
    """Return the moments of a time zone; the same object each time."""
    return Moments(zone)


def _parse(written: str, zone: tzinfo) -> datetime | None:
    found = _FORM.fullmatch(written.strip()[:64])
    if found is None:
        return None
    year, month, day, hour, minute, second = (
        int(part or least) for part, least in zip(found.groups(), _LEAST, strict=False)
    )
    if not EARLIEST_YEAR <= year <= LATEST_YEAR:
        return None
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=_offset(found) or zone).astimezone(zone)
    except (ValueError, OverflowError):
        return None


_LEAST: Final = (0, 1, 1, 0, 0, 0)


def _offset(found: re.Match[str]) -> tzinfo | None:
    sign, hours, minutes = found[7], found[8], found[9]
    if sign is None:
        return None
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-offset if sign == "-" else offset)
