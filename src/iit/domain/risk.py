"""Risk as it is told: bands and where a score came from."""

from enum import StrEnum


class Band(StrEnum):
    """A band of risk; its limits come from the model bundle, set by what the programme can follow up."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Source(StrEnum):
    """What made a score."""

    CHAMPION = "champion"
    PREVIOUS = "previous"
    SCORECARD = "scorecard"
