"""Modes of the whole service: whether the database takes writes, and whether the doors are shut for maintenance."""

from typing import NamedTuple

import psycopg
from psycopg import sql
from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from iit.domain.audit import AuditEvent
from iit.domain.errors import ReadOnly, Unavailable
from iit.store import audit as audit_trail
from iit.store.database import Transaction
from iit.store.schema import maintenance_mode


class ModesRow(NamedTuple):
    """How the service stands.

    Attributes:
        is_read_only: the database takes no writes, whether told to or because it is a standby.
        maintenance: what callers are told while the doors are shut; None while they are open.
    """

    is_read_only: bool
    maintenance: str | None


def read(tx: Transaction) -> ModesRow:
    """Return how the service stands."""
    shut = tx.execute(select(maintenance_mode.c.message)).scalar_one_or_none()
    return ModesRow(tx.execute(text("SHOW transaction_read_only")).scalar_one() == "on", shut)


def write_nevertheless(tx: Transaction) -> None:
    """Let this transaction write although the database is told to take none; to be called first in it.

    Raises:
        ReadOnly: the database is a standby.
    """
    try:
        tx.execute(text("SET TRANSACTION READ WRITE"))
    except DBAPIError as cause:
        raise ReadOnly("the database is a standby: use the primary", place="database") from cause


def shut(tx: Transaction, message: str, *, audit: AuditEvent) -> None:
    """Shut the doors for maintenance, or change what callers are told."""
    statement = insert(maintenance_mode).values(is_on=True, message=message, set_by=audit.actor)
    changed = {"message": statement.excluded.message, "set_by": statement.excluded.set_by}
    tx.execute(statement.on_conflict_do_update(index_elements=["is_on"], set_=changed))
    audit_trail.write(tx, audit)


def open_again(tx: Transaction, *, audit: AuditEvent) -> bool:
    """Open the doors; return whether they were shut."""
    changed = tx.execute(delete(maintenance_mode)).rowcount
    audit_trail.write(tx, audit)
    return bool(changed)


def refuse_writes(owner_url: str, *, to: bool) -> int:
    """Have every session of the database refuse writes, or take them again; return how many sessions ended.

    A setting of the database holds for new sessions only: those that are open, such as a pool's, are ended, and what
    opens next has it. Idempotent.

    Raises:
        Unavailable: the role may not, or the database is away.
    """
    address = owner_url.replace("postgresql+psycopg://", "postgresql://")
    change = "SET default_transaction_read_only = on" if to else "RESET default_transaction_read_only"
    try:
        with psycopg.connect(address, autocommit=True, options="-c default_transaction_read_only=off") as connection:
            name = sql.Identifier(connection.info.dbname)
            connection.execute(sql.SQL("ALTER DATABASE {} " + change).format(name))
            ended = connection.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            ).fetchone()
    except psycopg.Error as cause:
        raise Unavailable(f"refused: {type(cause).__name__}; it takes the owner's rights", place="database") from cause
    return int(ended[0]) if ended is not None else 0
