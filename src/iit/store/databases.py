"""Making, exchanging and removing whole databases of a server, with the owner's rights."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from iit.domain.errors import Conflict, Unavailable


def with_database(url: str, name: str) -> str:
    """Return a URL that leads to another database of the same server."""
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def name_of(url: str) -> str:
    """Return the name of the database that a URL leads to."""
    return make_url(url).database or ""


def create(url: str, name: str) -> None:
    """Make an empty database beside that of a URL.

    Raises:
        Conflict: there is one of that name. Unavailable: it cannot be made.
    """
    with _server(url) as connection:
        try:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        except psycopg.errors.DuplicateDatabase as cause:
            raise Conflict(f"the database {name} exists", place="restore") from cause


def drop(url: str, name: str) -> None:
    """Remove a database beside that of a URL, whoever uses it. Idempotent."""
    with _server(url) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def exchange(url: str, fresh: str, *, keep_as: str) -> None:
    """Put the database `fresh` in the place of the one a URL leads to, and keep that one under another name.

    Both renames happen together or not at all; sessions of the old one are ended and come back to the new one.
    """
    current = name_of(url)
    with _server(url) as connection, connection.transaction():
        for name in (current, fresh):
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        for name, to in ((current, keep_as), (fresh, current)):
            connection.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(to))
            )


@contextmanager
def _server(url: str) -> Iterator["psycopg.Connection[Any]"]:
    address = with_database(url, "postgres").replace("postgresql+psycopg://", "postgresql://")
    try:
        with psycopg.connect(address, autocommit=True) as connection:
            yield connection
    except psycopg.Error as cause:
        raise Unavailable(f"refused: {type(cause).__name__}", place="database") from cause
