"""What a backup needs to know of the server: who it is, where its log stands, and how many rows it holds."""

from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from iit.domain.errors import Unavailable
from iit.store.database import Database, Transaction
from iit.store.schema import metadata


def connection_environment(url: str) -> dict[str, str]:
    """Return a URL as the environment variables that PostgreSQL's programs read; none of it is seen by `ps`."""
    told = make_url(url)
    host = told.query.get("host", told.host)
    values = {
        "PGHOST": host if isinstance(host, str) else None,
        "PGPORT": str(told.port) if told.port else None,
        "PGUSER": told.username,
        "PGPASSWORD": told.password,
        "PGDATABASE": told.database,
        "PGSSLMODE": told.query.get("sslmode"),
    }
    return {name: value for name, value in values.items() if isinstance(value, str)}


def describe(tx: Transaction) -> dict[str, str]:
    """Return the server's version, identity and place in its log, as text."""
    row = tx.execute(
        text(
            "SELECT current_setting('server_version_num') AS version_num, current_database() AS database,"
            " (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier,"
            " (SELECT timeline_id::text FROM pg_control_checkpoint()) AS timeline,"
            " pg_snapshot_xmax(pg_current_snapshot())::text AS next_xid,"
            " (SELECT rolname FROM pg_roles WHERE oid = 10) AS superuser,"
            " pg_current_wal_lsn()::text AS lsn"
        )
    ).one()
    return dict(row._mapping)


def schema_revision(tx: Transaction) -> str:
    """Return the revision of the schema."""
    return str(tx.execute(text("SELECT version_num FROM alembic_version")).scalar_one())


def major(tx: Transaction) -> int:
    """Return the server's major version."""
    return int(tx.execute(text("SELECT current_setting('server_version_num')::int / 10000")).scalar_one())


def setting(tx: Transaction, name: str) -> str | None:
    """Return a setting of the server, None where it does not know it."""
    found: str | None = tx.execute(text("SELECT current_setting(:name, true)"), {"name": name}).scalar_one()
    return found


def our_tables(tx: Transaction) -> list[str]:
    """Return the names of our tables that the database has, sorted."""
    there = set(tx.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars())
    return sorted(there & set(metadata.tables))


def row_counts(tx: Transaction) -> dict[str, int]:
    """Return the number of rows of each of our tables that the database has."""
    return {name: tx.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one() for name in our_tables(tx)}  # noqa: S608


def export_snapshot(tx: Transaction) -> str:
    """Freeze what this transaction sees and return the name by which another session can see the same."""
    tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    return str(tx.execute(text("SELECT pg_export_snapshot()")).scalar_one())


def is_superuser(tx: Transaction) -> bool:
    """Return whether this session may do everything."""
    return setting(tx, "is_superuser") == "on"


def switch_wal(tx: Transaction) -> str:
    """Close the segment of the log that is being written, so that it is archived; return its name."""
    return str(tx.execute(text("SELECT pg_walfile_name(pg_switch_wal() - 1)")).scalar_one())


def mark_moment(tx: Transaction) -> int:
    """Take a transaction number, so that this commit stands in the log with its time; return the number."""
    return int(tx.execute(text("SELECT pg_current_xact_id()::text")).scalar_one())


def last_archived(tx: Transaction) -> str | None:
    """Return the newest segment that was archived."""
    found: str | None = tx.execute(text("SELECT last_archived_wal FROM pg_stat_archiver")).scalar_one()
    return found


def is_streaming(tx: Transaction, name: str) -> bool:
    """Return whether a receiver of that name follows the log."""
    return bool(
        tx.execute(
            text("SELECT count(*) FROM pg_stat_replication WHERE application_name = :name AND state = 'streaming'"),
            {"name": name},
        ).scalar_one()
    )


def set_synchronous(database: Database, name: str) -> None:
    """Have commits wait for the receiver of that name; for none where it is empty.

    Raises:
        Unavailable: the database does not take it.
    """
    change = f"SET synchronous_standby_names = '{name}'" if name else "RESET synchronous_standby_names"
    try:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"ALTER SYSTEM {change}"))
            connection.execute(text("SELECT pg_reload_conf()"))
    except DBAPIError as cause:
        raise Unavailable("does not take the setting", place="database") from cause
