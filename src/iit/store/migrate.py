"""Bring a database to the schema of this code; safe to run by many processes at once."""

import time
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

_PAUSE_SECONDS: Final = 0.2


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def _head() -> str:
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def _is_newer(revision: str | None) -> bool:
    return revision is not None and revision > _head()  # revisions are numbers of four digits


def upgrade(owner_url: str, *, feature_names: Sequence[str] = ()) -> bool:
    """Apply all missing migrations and refresh the generated view of features. Idempotent.

    Where a newer version has been at work nothing is applied: its schema serves the version before it too, so that one
    can be started again during an upgrade, and after it.

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
        _wait_for_turn(connection)
        before = _revision(connection)
        if _is_read_only(connection):
            check(connection)
            return False
        try:
            if not _is_newer(before):
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


def _wait_for_turn(connection: Connection) -> None:
    """Take the lock, asking again and again.

    Who waits inside a statement holds up an index that is built concurrently, which waits for all statements before it:
    both would wait for ever.
    """
    while True:
        is_ours = connection.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK}).scalar_one()
        connection.commit()
        if is_ours:
            return
        time.sleep(_PAUSE_SECONDS)


def check(connection: Connection) -> None:
    """Raise `Unavailable` unless the database has the schema of this code, or that of a newer version."""
    found = _revision(connection)
    if found != _head() and not _is_newer(found):
        raise Unavailable(
            f"the schema is at {found}, this version needs {_head()}: run `iit db upgrade`", place="database"
        )


def revisions() -> tuple[str | None, frozenset[str]]:
    """Return the revision that this code needs, and all that it knows."""
    script = ScriptDirectory.from_config(_config())
    return script.get_current_head(), frozenset(one.revision for one in script.walk_revisions())


def _is_read_only(connection: Connection) -> bool:
    return bool(connection.execute(text("SHOW transaction_read_only")).scalar_one() == "on")


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
