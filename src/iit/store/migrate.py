"""Bring a database to the schema of this code; safe to run by many processes at once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from iit.domain.errors import Unavailable
from iit.store.feature_view import refresh_feature_view

_LOCK: Final = 4_927_001  # any number that no one else takes: serialises migrations


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def upgrade(owner_url: str, *, feature_names: Sequence[str] = ()) -> bool:
    """Apply all missing migrations and refresh the generated view of features. Idempotent.

    Args:
        owner_url: a role that may create tables.
        feature_names: names in vector order for the view `features`; none leaves the view alone.

    Returns:
        Whether there was anything to apply.

    Raises:
        Unavailable: there is something to apply, but the database takes no writes.
    """
    engine = create_engine(owner_url, poolclass=NullPool, hide_parameters=True)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        connection.commit()
        before = _revision(connection)
        if _is_read_only(connection):
            check(connection)
            return False
        try:
            command.upgrade(_config(connection), "head")
            refresh_feature_view(connection, feature_names)
            connection.commit()
            after = _revision(connection)
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
            connection.commit()
    engine.dispose()
    return after != before


def check(connection: Connection) -> None:
    """Raise `Unavailable` unless the database has exactly the schema of this code."""
    wanted = ScriptDirectory.from_config(_config()).get_current_head()
    found = _revision(connection)
    if found != wanted:
        raise Unavailable(
            f"the schema is at {found}, this version needs {wanted}: run `iit db upgrade`", place="database"
        )


def _is_read_only(connection: Connection) -> bool:
    return bool(connection.execute(text("SHOW transaction_read_only")).scalar_one() == "on")


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
