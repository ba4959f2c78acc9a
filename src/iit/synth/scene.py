"""What the parts that put cycles on paper share."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from iit.synth.course import Cycles
from iit.synth.facilities import Facility
from iit.synth.people import Bools, Floats, Ints, People

Row = TypeVar("Row", bound=tuple[object, ...])
Column = NDArray[np.int64] | NDArray[np.float64] | NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, repr=False)
class Scene:
    """The cycles of some patients, where they happened, and where chance comes from."""

    cycles: Cycles
    people: People
    facilities: tuple[Facility, ...]
    rng: np.random.Generator

    def chance(self, share: float | Floats) -> Bools:
        """Return, for each cycle, whether something of this share happens."""
        happens: Bools = self.rng.random(len(self.cycles)) < share
        return happens

    def between(self, low: int, high: int) -> Ints:
        """Return a whole number for each cycle, `low` included, `high` excluded."""
        return self.rng.integers(low, high, len(self.cycles))

    def of_facility(self, name: str) -> Floats:
        """Return an attribute of each cycle's facility, as a number."""
        values = np.array([float(getattr(f, name)) for f in self.facilities])
        return values[self.people.facility[self.cycles.patient]]

    @property
    def last_day(self) -> Ints:
        """The last day on which each cycle's facility typed anything in."""
        return self.of_facility("reports_until").astype(np.int64)

    @property
    def end(self) -> Ints:
        """The day of the next pick-up or of an exit, whichever is first; NEVER if neither."""
        return np.minimum(self.cycles.back, self.cycles.exit_day)


def rows_of(kind: type[Row], **columns: Column) -> Iterator[Row]:
    """Yield one named tuple a cycle, of plain Python values; the columns must be named and ordered as its fields."""
    if list(columns) != list(getattr(kind, "_fields", ())):
        raise TypeError(f"columns do not fit the fields of {kind.__name__}")
    return (kind(*values) for values in zip(*(column.tolist() for column in columns.values()), strict=True))
