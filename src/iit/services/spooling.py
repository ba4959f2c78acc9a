"""Keeping what was said while the database cannot: on disk first, in the database as soon as it is back."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event
from typing import Final

from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import ServiceError, Unavailable
from iit.services.background import working_beside
from iit.store import spooled
from iit.store.database import Database
from iit.store.spool import Depth, Spool
from iit.store.spooled import Act
from iit.telemetry import spool_bytes, spool_depth, spool_set_aside

log = logging.getLogger(__name__)

_PAUSE_SECONDS: Final = 0.5
_CHANGES_NOTHING: Final = frozenset(
    {
        EventType.PREDICTION,
        EventType.UNAUTHORIZED_ACCESS,
        EventType.LOGIN_FAILURE,
        EventType.SERVICE_STARTED,
        EventType.SETTINGS_CHANGED,
    }
)


@dataclass(frozen=True)
class Spooling:
    """Takes acts while the database cannot, and stores them when it can.

    Attributes:
        database: where they belong.
        spool: where they wait.
        now: the present time, aware.
    """

    database: Database
    spool: Spool
    now: Callable[[], datetime] = field(repr=False)

    def keep(self, acts: Sequence[Act]) -> None:
        """Keep acts on disk; they count as written, for they are on disk when this returns.

        Raises:
            Unavailable: the spool or its disk is full.
        """
        self.spool.add(spooled.encode(acts, now=self.now()))

    def keep_events(self, events: Sequence[AuditEvent], refusal: ServiceError) -> None:
        """Keep the events of a transaction that only read, where the database takes no writes.

        Raises:
            ServiceError: `refusal`, if an event tells of a change: nothing may be changed now.
        """
        if any(one.action != "read" and one.event_type not in _CHANGES_NOTHING for one in events):
            raise refusal
        self.keep([Act(one) for one in events])

    def drain(self) -> int:
        """Store everything that waits; return how many entries.

        Raises:
            Unavailable: the database cannot take them now; they wait on.
        """
        return self.spool.drain(self._store)

    def state(self) -> Depth:
        """Return how much lies in the spool, and set its figures for Prometheus."""
        depth = self.spool.depth()
        spool_depth.set(depth.n_waiting)
        spool_bytes.set(depth.bytes)
        spool_set_aside.set(depth.n_aside)
        return depth

    @contextmanager
    def working(self) -> Iterator[None]:
        """Have a thread store what waits for a while; at the end it tries once more, and what is left lies on disk."""
        try:
            with working_beside(self._work_until, "spool"):
                yield
        finally:
            self._try()
            self.spool.seal()

    def _work_until(self, stop: Event) -> None:
        had_some = True
        while not stop.is_set():
            has_some = not self.spool.is_empty()
            if has_some:
                self._try()
            if has_some or had_some:
                self.state()
            had_some = has_some
            stop.wait(_PAUSE_SECONDS)

    def _store(self, data: bytes) -> bool:
        try:
            spooled.store(self.database, spooled.decode(data))
        except Unavailable:
            raise
        except Exception:  # the rim of a job: one that can never be stored must not hold up the others
            log.exception("an entry of the spool cannot be stored and lies aside")
            return False
        return True

    def _try(self) -> None:
        if self.spool.is_empty():
            return
        try:
            self.database.demand_writable()
            stored = self.drain()
        except Unavailable:
            return
        except Exception:  # the rim of a job: the next round may succeed
            log.exception("the spool could not be stored")
            return
        if stored:
            log.info("spooled entries stored", extra={"entries": stored})
