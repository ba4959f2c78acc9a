"""Whether what is stored is whole and agrees with itself; every kind of damage has a name."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from iit.domain.errors import ServiceError
from iit.domain.record import record_order
from iit.features.columns import pack_events
from iit.model.registry import Registry
from iit.ops.tools import Tools
from iit.store import integrity as integrity_store
from iit.store import server
from iit.store.database import Database

VOLATILE: Final = frozenset({"sessions", "backups", "maintenance_log"})
"""Tables whose rows come and go by themselves: their numbers prove nothing."""

_CODES: Final = (KeyError, ValueError)


@dataclass(frozen=True)
class Finding:
    """Something wrong: which check found it, how many rows or files, and what it is. Never a patient's value."""

    check: str
    n: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What to check besides the tables' agreement.

    Attributes:
        registry: models whose hashes are to fit.
        tools: programs with the way to the server, for `pg_amcheck`; None leaves it out.
        rows: lowest and highest number of rows of each table that a backup's manifest allows.
        audit_chain: raises if the audit trail's chain is broken, where there is one.
    """

    registry: Registry | None = None
    tools: Tools | None = None
    rows: Mapping[str, tuple[int, int]] | None = None
    audit_chain: Callable[[], None] | None = None


def check(database: Database, scope: Scope) -> list[Finding]:
    """Return all that is wrong; nothing if all is well.

    Raises:
        Unavailable: the database does not answer.
    """
    found = list(_agreement(database))
    found += _facts(database)
    if scope.rows is not None:
        found += _counts(database, scope.rows)
    if scope.tools is not None:
        found += _raised("structure", partial(_amcheck, scope.tools))
    if scope.registry is not None:
        found += _models(scope.registry)
    if scope.audit_chain is not None:
        found += _raised("audit chain", scope.audit_chain)
    return found


def _agreement(database: Database) -> Iterator[Finding]:
    with database.transaction() as tx:
        for name, count in integrity_store.problems(tx).items():
            yield Finding("agreement", count, name)


def _facts(database: Database) -> list[Finding]:
    differing = unreadable = 0
    with database.transaction() as tx:
        chunks = integrity_store.facts_twice(tx)
        try:
            for chunk in chunks:
                differing += sum(pack_events(sorted(one.events, key=record_order)) != one.facts for one in chunk)
        except _CODES:
            unreadable = 1
    found = [Finding("facts", differing, "records whose packed facts differ from their events")] if differing else []
    return [*found, *([Finding("facts", 1, "events hold a code of no known kind")] if unreadable else [])]


def _counts(database: Database, rows: Mapping[str, tuple[int, int]]) -> Iterator[Finding]:
    with database.transaction() as tx:
        there = server.row_counts(tx)
    for table, (before, after) in rows.items():
        if table in VOLATILE:
            continue
        count = there.get(table)
        if count is None:
            yield Finding("row counts", 1, f"the table {table} is gone")
        elif not min(before, after) <= count <= max(before, after):
            yield Finding("row counts", abs(count - after), f"{table} holds {count} rows; the manifest says {after}")


def _amcheck(tools: Tools) -> None:
    tools.run("pg_amcheck", "--install-missing", "--heapallindexed", "--no-password", timeout_seconds=3600)


def _models(registry: Registry) -> list[Finding]:
    try:
        entries: Sequence[Mapping[str, str]] = registry.read()["models"]
    except ServiceError as error:
        return [Finding("models", 1, str(error))]
    return [finding for entry in entries for finding in _raised("models", partial(registry.load, entry["version"]))]


def _raised(name: str, action: Callable[[], object]) -> list[Finding]:
    try:
        action()
    except ServiceError as error:
        return [Finding(name, 1, str(error))]
    return []
