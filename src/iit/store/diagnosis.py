"""What can be wrong with a database, asked without changing anything: questions whose right answer is no row."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg

from iit.store import migrate
from iit.store.schema import metadata

_CONNECT_SECONDS: Final = 3
_REFUSALS: Final = (
    ("password authentication failed", "database_password", "refuses the password or the role"),
    ("no password supplied", "database_password", "asks for a password and none is set"),
    ("no pg_hba.conf entry", "database_password", "lets nobody in from this address (pg_hba.conf)"),
    ("does not exist", "database_missing", "has no such database or role"),
    ("too many clients", "database_full", "has no connection left"),
    ("too many connections for", "database_full", "lets the database or the role have no more connections"),
    ("remaining connection slots", "database_full", "has no connection left"),
    ("starting up", "database_starting", "is starting up or recovering"),
    ("shutting down", "database_starting", "is shutting down"),
)

QUESTIONS: Final = {
    "database_read_only": """
        SELECT 'new sessions are read-only' WHERE current_setting('default_transaction_read_only') = 'on'
        UNION ALL SELECT 'the server is a standby' WHERE pg_is_in_recovery()""",
    "database_version": """
        SELECT 'PostgreSQL ' || current_setting('server_version')
        WHERE current_setting('server_version_num')::int / 10000 NOT BETWEEN 15 AND 18""",
    "database_encoding": """
        SELECT pg_encoding_to_char(encoding)::text FROM pg_database
        WHERE datname = current_database() AND pg_encoding_to_char(encoding) <> 'UTF8'""",
    "rights_missing": """
        SELECT 'may not read ' || string_agg(relname, ', ') FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relname = ANY(%(tables)s)
          AND NOT has_table_privilege(oid, 'SELECT') HAVING count(*) > 0
        UNION ALL
        SELECT 'may not add to ' || string_agg(relname, ', ') FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relname IN ('audit_logs', 'predictions', 'inbox')
          AND NOT has_table_privilege(oid, 'INSERT') HAVING count(*) > 0""",
    "rights_too_wide": """
        SELECT 'the application''s role is a superuser' WHERE current_setting('is_superuser') = 'on'
        UNION ALL SELECT 'the application''s role may alter the audit trail'
        WHERE has_table_privilege('audit_logs', 'UPDATE, DELETE, TRUNCATE')
          AND current_setting('is_superuser') = 'off'""",
    "index_invalid": """
        SELECT string_agg(indexrelid::regclass::text, ', ') FROM pg_index WHERE NOT indisvalid HAVING count(*) > 0""",
    "index_missing": """
        SELECT string_agg(wanted, ', ') FROM unnest(%(indexes)s::text[]) wanted
        WHERE NOT EXISTS (SELECT FROM pg_indexes WHERE schemaname = 'public' AND indexname = wanted)
        HAVING count(*) > 0""",
    "extension_missing": """
        SELECT 'pg_stat_statements' WHERE NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_stat_statements')""",
    "pool_too_large": """
        SELECT format('the workers may ask for %%s connections, the server gives %%s', %(wanted)s::int, room) FROM (
          SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        ) AS told(room) WHERE %(wanted)s::int > room""",
    "connections_short": """
        SELECT format('%%s of %%s are in use', sum(numbackends), current_setting('max_connections'))
        FROM pg_stat_database  -- pg_stat_activity hides what kind other roles' sessions are of
        HAVING sum(numbackends) > 0.9 * current_setting('max_connections')::int""",
    "lock_held": """
        SELECT format('%%s sessions wait, the longest for %%s s', count(*),
                      max(extract(epoch FROM now() - waitstart))::int)
        FROM pg_locks WHERE NOT granted AND waitstart < now() - interval '5 seconds' HAVING count(*) > 0""",
    "transaction_long": """
        SELECT format('%%s are open, the longest for %%s min', count(*),
                      max(extract(epoch FROM now() - xact_start) / 60)::int)
        FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%%'
          AND xact_start < now() - interval '5 minutes' HAVING count(*) > 0""",
    "archive_failing": """
        SELECT format('%%s times, last at %%s', failed_count, last_failed_time::timestamp(0)) FROM pg_stat_archiver
        WHERE failed_count > 0 AND last_failed_time > coalesce(last_archived_time, '-infinity')""",
    "backup_missing": """
        SELECT 'there is none of the database' WHERE NOT EXISTS
          (SELECT FROM backups WHERE state = 'good' AND kind <> 'models')""",
    "backup_old": """
        SELECT format('the newest is %%s h old', (extract(epoch FROM now() - max(finished_at)) / 3600)::int)
        FROM backups WHERE state = 'good' AND kind <> 'models' HAVING max(finished_at) < now() - interval '26 hours'""",
    "backup_failed": """
        SELECT kind || ': ' || coalesce(reason, 'no reason is noted') FROM backups
        WHERE state = 'failed' AND started_at > coalesce(
          (SELECT max(started_at) FROM backups WHERE state = 'good'), '-infinity') ORDER BY started_at DESC LIMIT 1""",
    "inbox_stuck": """
        SELECT format('%%s wait, the oldest for %%s min', count(*),
                      (extract(epoch FROM now() - min(received_at)) / 60)::int)
        FROM inbox WHERE state = 'waiting' HAVING min(received_at) < now() - interval '5 minutes'""",
    "message_key_missing": """
        SELECT string_agg(DISTINCT key_id, ', ') FROM inbox
        WHERE state IN ('waiting', 'dead') AND key_id IS NOT NULL AND key_id <> ALL(%(message_keys)s::text[])
        HAVING count(*) > 0""",
    "dead_messages": "SELECT count(*)::text FROM inbox WHERE state = 'dead' HAVING count(*) > 0",
    "jobs_stuck": """
        SELECT string_agg(kind || ' ' || job_id::text, ', ') FROM jobs
        WHERE state = 'running' AND coalesce(heartbeat_at, started_at) < now() - interval '60 seconds'
           OR state = 'queued' AND created_at < now() - interval '10 minutes' HAVING count(*) > 0""",
    "locked_down": "SELECT 'since ' || created_at::timestamp(0) FROM lockdown",
}
"""By the code of the finding. Each row is a reason; none names a patient."""

DEMO: Final = """
    SELECT 'the API key of the demo is valid' FROM api_keys
    WHERE label = 'demo' AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
    UNION SELECT 'the user of the demo may log in' FROM users WHERE user_name = 'demo' AND disabled_at IS NULL"""
"""What the demo leaves behind."""


@dataclass(frozen=True)
class Refused(Exception):
    """The database lets nobody in: the finding's code, and the reason."""

    code: str
    reason: str


@dataclass(frozen=True)
class Patient:
    """An open session of the doctor."""

    connection: "psycopg.Connection[Any]"

    def reasons(self, question: str, values: Mapping[str, Any]) -> list[str]:
        """Return what is wrong; nothing where the schema lacks what is asked about."""
        try:
            return [str(row[0]) for row in self.connection.execute(question, values)]
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.InsufficientPrivilege):
            return []
        except psycopg.errors.QueryCanceled:
            return ["the question was not answered in time"]

    def schema(self) -> tuple[str, str] | None:
        """Return code and reason where the schema is not that of this version."""
        found = self.reasons("SELECT version_num FROM alembic_version", {})
        wanted, known = migrate.revisions()
        if not found:
            return "schema_behind", "there is none yet"
        if found[0] == wanted:
            return None
        return (
            "schema_behind" if found[0] in known else "schema_ahead"
        ), f"it is at {found[0]}, this version needs {wanted}"

    def clock_difference_seconds(self, now: Callable[[], datetime]) -> float:
        """Return how far the server's clock is ahead of ours."""
        before = now()
        row = self.connection.execute("SELECT clock_timestamp()").fetchone()
        after = now()
        assert row is not None  # noqa: S101 - a SELECT without FROM gives one row
        ahead: float = (row[0] - before).total_seconds() - (after - before).total_seconds() / 2
        return ahead


def values_of(wanted_connections: int, message_keys: Sequence[str]) -> dict[str, Any]:
    """Return what the questions ask with."""
    indexes = [str(index.name) for table in metadata.tables.values() for index in table.indexes]
    return {
        "tables": list(metadata.tables), "indexes": indexes, "wanted": wanted_connections,
        "message_keys": list(message_keys),
    }  # fmt: skip


@contextmanager
def examine(url: str) -> Iterator[Patient]:
    """Yield one session on the database of a `postgresql+psycopg://` URL, which changes nothing.

    Raises:
        Refused: nobody is let in.
    """
    try:
        connection = psycopg.connect(
            url.replace("postgresql+psycopg://", "postgresql://"),
            autocommit=True,
            connect_timeout=_CONNECT_SECONDS,
            options="-c statement_timeout=2000 -c lock_timeout=500",
            application_name="iit-doctor",
        )
    except psycopg.OperationalError as cause:
        raise _refusal(str(cause)) from None
    with closing(connection):
        yield Patient(connection)


def _refusal(told: str) -> Refused:
    for words, code, reason in _REFUSALS:
        if words in told:
            return Refused(code, reason)
    return Refused("database_unreachable", "nobody answers at that address")


_FACTS: Final = {
    "schema": "SELECT version_num FROM alembic_version",
    "server": "SELECT version()",
    "settings": "SELECT name || ' = ' || setting || coalesce(' ' || unit, '') FROM pg_settings"
    " WHERE name = ANY(%(names)s) ORDER BY name",
    "sizes": "SELECT relname || ': ' || pg_total_relation_size(oid) || ' bytes, about ' || reltuples::bigint || ' rows'"
    " FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    " ORDER BY pg_total_relation_size(oid) DESC",
    "maintenance": "SELECT started_at::timestamp(0) || ' ' || task || ': ' || outcome FROM maintenance_log"
    " ORDER BY id DESC LIMIT 100",
    "backups": "SELECT started_at::timestamp(0) || ' ' || kind || ': ' || state FROM backups"
    " ORDER BY started_at DESC LIMIT 50",
}
_SETTINGS_OF_INTEREST: Final = (
    "max_connections shared_buffers work_mem maintenance_work_mem effective_cache_size max_wal_size wal_level"
    " archive_mode synchronous_commit fsync full_page_writes default_transaction_read_only statement_timeout"
    " lock_timeout TimeZone autovacuum shared_preload_libraries server_encoding data_checksums"
)


def facts(url: str) -> dict[str, list[str]]:
    """Return figures of a database for those who help: versions, settings, sizes, upkeep; nothing of patients.

    Raises:
        Refused: nobody is let in.
    """
    with examine(url) as patient:
        values = {"names": _SETTINGS_OF_INTEREST.split()}
        return {name: patient.reasons(question, values) for name, question in _FACTS.items()}
