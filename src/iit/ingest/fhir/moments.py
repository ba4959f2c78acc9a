"""Dates and times as FHIR writes them: `2024`, `2024-03`, `2024-03-07`, `2024-03-07T09:14:55+01:00`."""

import re
from datetime import datetime, tzinfo
from typing import Final

from iit.ingest.nmrs.moments import Fault, moments_in

_PARTIAL: Final = re.compile(r"\d{4}(-\d{2})?", re.ASCII)


def moment_of(written: str | None, zone: tzinfo) -> datetime | None:
    """Return the moment in the facility's zone if at least its day is written; None where nothing usable is."""
    if not written:
        return None
    found = moments_in(zone)[written[:40]]
    return None if isinstance(found, Fault) else found


def birth_of(written: str | None, zone: tzinfo) -> datetime | None:
    """Return a birthdate; a year or a month only counts from its first day."""
    if written and _PARTIAL.fullmatch(written):
        written = f"{written}-01" if len(written) == 7 else f"{written}-01-01"
    return moment_of(written, zone)
