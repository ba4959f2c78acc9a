"""Following the records of another system: what changed there since the last time, taken in batch by batch.

How far it came is committed together with the facts, so that after any interruption it goes on where it stood.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from iit.domain.access import Principal
from iit.domain.audit import AuditEvent, EventType
from iit.ingest.openmrs.told import Batch
from iit.services.intake import Intake, IntakeSummary
from iit.store import deltas as delta_store
from iit.store import privacy as privacy_store
from iit.store import sync as sync_store
from iit.store.database import Database, Transaction
from iit.store.deltas import Delta

BATCH: Final = 200  # patients a transaction, unless told otherwise
_MESSAGES: Final = ("hl7", "fhir")  # sources of single facts, which a merge of two patients joins


class Source(Protocol):
    """A system whose records can be followed."""

    @property
    def name(self) -> str:
        """What it is called; no user, no password."""

    def present(self) -> datetime:
        """Return the present time by the clock that stamps its changes."""

    def changed(self, since: datetime | None) -> Sequence[str]:
        """Return the keys of patients who changed since a moment, or of all, in an order that stays the same."""

    def after(self, keys: Sequence[str], position: str) -> Sequence[str]:
        """Return those of the keys that come after a position."""

    def read(self, keys: Sequence[str]) -> Batch:
        """Return all that is told of these patients."""


@dataclass
class SyncSummary:
    """What became of a reading.

    Attributes:
        since: changes since then were read; None is everything.
        until: the source's present when the reading began: from here the next one goes on.
        n_resumed: patients left out because a reading that broke off had kept them.
        n_merged: patients whose source joined them with others.
    """

    source: str
    since: datetime | None
    until: datetime
    n_resumed: int = 0
    n_merged: int = 0
    intake: IntakeSummary = field(default_factory=IntakeSummary)

    def as_dict(self) -> dict[str, object]:
        """Return the figures for a machine, and what was rejected."""
        return {**self.intake.as_dict(), **self.figures()}

    def figures(self) -> dict[str, object]:
        """Return the figures, for the log of maintenance."""
        told = {name: value for name, value in self.intake.as_dict().items() if isinstance(value, int)}
        since = None if self.since is None else self.since.isoformat()
        return {
            "source": self.source, "since": since, "until": self.until.isoformat(), "resumed": self.n_resumed,
            "merged": self.n_merged, **told,
        }  # fmt: skip


@dataclass(frozen=True)
class Sync:
    """Takes in what changed in other systems.

    Attributes:
        database: where records and watermarks are kept.
        intake: takes records in.
        clock: the present time.
        overlap: how far before the watermark changes are asked for again: what was committed late is not missed.
        batch: patients a transaction.
    """

    database: Database
    intake: Intake
    clock: Callable[[], datetime]
    overlap: timedelta
    batch: int = BATCH

    def run(
        self,
        source: Source,
        *,
        who: Principal,
        is_full: bool = False,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> SyncSummary:
        """Take in what changed since the last reading, or go on with one that broke off. Idempotent.

        Args:
            source: what is read.
            who: asks; patients outside their scope are rejected.
            is_full: read everything anew, whatever is known already.
            on_progress: is told how many patients of how many are done.

        Raises:
            Conflict: the source is being read by another process.
            Unavailable: the source or the database went away; a repeat goes on from the last batch.
        """
        with sync_store.alone(self.database, source.name):
            summary, keys = self._begin(source, is_full=is_full)
            done = 0
            for batch in _batches(keys, self.batch):
                self._take(source, batch, summary, who)
                done += len(batch)
                if on_progress is not None:
                    on_progress(done, len(keys))
            with self.database.transaction() as tx:
                sync_store.finish(tx, source.name, at=self.clock())
        return summary

    def _begin(self, source: Source, *, is_full: bool) -> tuple[SyncSummary, Sequence[str]]:
        with self.database.transaction() as tx:
            mark = sync_store.watermark_of(tx, source.name)
        if mark.reading_until is not None and (not is_full or mark.reading_since is None):
            keys = source.changed(mark.reading_since)
            left = keys if mark.position is None else source.after(keys, mark.position)
            return SyncSummary(source.name, mark.reading_since, mark.reading_until, len(keys) - len(left)), left
        until = source.present()
        since = None if is_full or mark.changed_until is None else mark.changed_until - self.overlap
        keys = source.changed(since)
        with self.database.transaction() as tx:
            sync_store.begin(tx, source.name, since=since, until=until)
        return SyncSummary(source.name, since, until), keys

    def _take(self, source: Source, keys: Sequence[str], summary: SyncSummary, who: Principal) -> None:
        batch = source.read(keys)

        def before(tx: Transaction) -> None:
            summary.n_merged += _join(tx, batch.merges, who.name)
            sync_store.advance(tx, source.name, keys[-1])

        self.intake.take_read(batch.told, summary.intake, who=who, before=before)


def _join(tx: Transaction, merges: Iterable[tuple[str, str]], actor: str) -> int:
    """Hand what messages told of patients who were merged away to those whose records go on; return how many."""
    pairs = list(merges)
    facilities = delta_store.facilities_of(tx, sorted({loser for loser, _ in pairs}))
    erased = privacy_store.erased_among(tx, sorted({winner for _, winner in pairs}))
    joined = [(loser, winner) for loser, winner in pairs if loser in facilities and winner not in erased]
    changes = [Delta(winner, facilities[loser], (), (loser,), ()) for loser, winner in joined]
    event = AuditEvent(event_type=EventType.RECORDS_MERGED, actor=actor, action="update", target="patients",
                       detail={"n": len(joined)}, patients=[loser for loser, _ in joined])  # fmt: skip
    for source in _MESSAGES:
        delta_store.merge(tx, changes, source=source, audit=event)
    return len(joined)


def _batches(keys: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(keys), size):
        yield keys[start : start + size]
