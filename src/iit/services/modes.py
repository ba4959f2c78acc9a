"""How the service stands as a whole: open, read-only, or shut for maintenance."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from iit.domain.access import Principal
from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import Conflict, Unavailable
from iit.store import audit as audit_trail
from iit.store import maintenance as maintenance_store
from iit.store import modes as mode_store
from iit.store.database import Database, Transaction
from iit.store.maintenance import Task
from iit.store.modes import ModesRow
from iit.telemetry import service_mode

_OPEN: Final = ModesRow(is_read_only=False, maintenance=None)


@dataclass
class Modes:
    """Tells how the service stands; each worker looks every two seconds.

    Attributes:
        database: where it stands.
    """

    database: Database
    _held: ModesRow = field(default=_OPEN, repr=False)

    def current(self) -> ModesRow:
        """Return how the service stands, as known last: memory only."""
        return self._held

    def refresh(self) -> None:
        """Look anew; while the database is away, what was known last holds."""
        try:
            with self.database.transaction() as tx:
                self._held = mode_store.read(tx)
        except Unavailable:
            return
        service_mode.labels("read_only").set(self._held.is_read_only)
        service_mode.labels("maintenance").set(self._held.maintenance is not None)


def shut(database: Database, message: str, *, who: Principal, now: datetime) -> None:
    """Shut the doors: all but health is answered with 503 and this message, within two seconds in every worker."""
    with database.transaction() as tx:
        mode_store.write_nevertheless(tx)
        mode_store.shut(tx, message, audit=_event(who, "maintenance:on"))
        _log(tx, "maintenance on", who, now)


def open_again(database: Database, *, who: Principal, now: datetime) -> None:
    """Open the doors.

    Raises:
        Conflict: they are open.
    """
    with database.transaction() as tx:
        mode_store.write_nevertheless(tx)
        if not mode_store.open_again(tx, audit=_event(who, "maintenance:off")):
            raise Conflict("the service is not in maintenance", place="maintenance")
        _log(tx, "maintenance off", who, now)


def set_read_only(database: Database, owner_url: str, *, to: bool, who: Principal, now: datetime) -> int:
    """Stop every writer, sessions of pools too, or let them write again; return how many sessions were ended.

    Written down before writes stop, and after they may begin again.
    """
    if not to:
        ended = mode_store.refuse_writes(owner_url, to=False)
    with database.transaction() as tx:
        mode_store.write_nevertheless(tx)
        task = f"read-only {'on' if to else 'off'}"
        maintenance_store.log(tx, Task(task, who.name, now, now, "ok", {}))
        audit_trail.write(tx, _event(who, task.replace(" ", ":")))
    return mode_store.refuse_writes(owner_url, to=True) if to else ended


def _log(tx: Transaction, task: str, who: Principal, now: datetime) -> None:
    maintenance_store.log(tx, Task(task, who.name, now, now, "ok", {}))


def _event(who: Principal, target: str) -> AuditEvent:
    return AuditEvent(event_type=EventType.MAINTENANCE, actor=who.name, action="update", target=target)
