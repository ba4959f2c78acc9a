"""What is told of a facility from elsewhere."""

from datetime import date
from typing import NamedTuple


class FacilityTold(NamedTuple):
    """Code of a facility and what is told of it: its name, its level (1 to 3) and the last day that exports cover."""

    facility: str
    name: str | None
    level: int | None
    data_until: date | None

    def __repr__(self) -> str:
        return "FacilityTold()"
