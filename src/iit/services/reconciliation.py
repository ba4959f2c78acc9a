"""Whether we hold what another system holds: patients, pick-ups and last days, theirs beside ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple, Protocol

from iit.ingest.nmrs import SOURCE
from iit.ingest.openmrs.told import Treated
from iit.store import sync as sync_store
from iit.store.database import Database


class Counted(Protocol):
    """A system that counts for itself."""

    @property
    def name(self) -> str:
        """What it is called."""

    def facility_code(self) -> str:
        """Return the code of its facility."""

    def treated(self) -> Sequence[Treated]:
        """Return what it counts of each patient."""


class Side(NamedTuple):
    """What one side holds of a facility."""

    n_patients: int
    n_pickups: int
    last_on: date | None


class Difference(NamedTuple):
    """A patient of whom both sides do not tell the same; `what` is missing, surplus, pickups or last_day."""

    patient_uuid: str
    what: str

    def __repr__(self) -> str:
        return "Difference()"


WHAT: Final = {
    "missing": "patients that we do not hold",
    "surplus": "patients that only we hold",
    "pickups": "patients with another number of pick-ups",
    "last_day": "patients with another day of the last pick-up",
}


@dataclass(frozen=True)
class Reconciliation:
    """Both sides of a facility and where they differ."""

    source: str
    facility: str
    theirs: Side
    ours: Side
    differences: Sequence[Difference]

    def figures(self) -> dict[str, object]:
        """Return the figures without patients, for the log of maintenance."""
        counts = {what: sum(one.what == what for one in self.differences) for what in WHAT}
        sides = {"theirs": _told(self.theirs), "ours": _told(self.ours)}
        return {"source": self.source, "facility": self.facility, **sides, "differences": counts}


def reconcile(database: Database, source: Counted) -> Reconciliation:
    """Return what a system and we hold of its facility. Pick-ups are those of full histories, not of messages.

    Raises:
        Unavailable: either is away.
    """
    facility = source.facility_code()
    theirs = {one.patient_uuid: one for one in source.treated()}
    with database.transaction() as tx:
        ours = {row[0]: Treated(*row) for row in sync_store.treated(tx, facility, SOURCE)}
    differences = [
        Difference(uuid, what)
        for uuid in sorted(theirs.keys() | ours.keys())
        if (what := _difference(theirs.get(uuid), ours.get(uuid))) is not None
    ]
    return Reconciliation(source.name, facility, _side(theirs), _side(ours), differences)


def _difference(theirs: Treated | None, ours: Treated | None) -> str | None:
    if ours is None:
        return "missing"
    if theirs is None:
        return "surplus"
    if theirs.n_pickups != ours.n_pickups:
        return "pickups"
    return "last_day" if theirs.last_on != ours.last_on else None


def _side(held: dict[str, Treated]) -> Side:
    last = max((one.last_on for one in held.values() if one.last_on is not None), default=None)
    return Side(len(held), sum(one.n_pickups for one in held.values()), last)


def _told(side: Side) -> dict[str, object]:
    return {**side._asdict(), "last_on": None if side.last_on is None else side.last_on.isoformat()}
