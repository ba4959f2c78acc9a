"""A view of the database that stays the same while it is read, and in which nothing can be changed."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pymysql
from pymysql.constants import FIELD_TYPE
from pymysql.converters import conversions
from pymysql.cursors import SSCursor

from iit.domain.errors import InvalidInput, NotAllowed, NotFound, ServiceError, Unavailable
from iit.ingest.openmrs.address import Address

CONNECT_SECONDS: Final = 10
_CHUNK: Final = 2_000  # rows fetched at once
_PLACE: Final = "the database of OpenMRS"
_REFUSED: Final = frozenset({1044, 1045, 1142, 1143, 1227, 1698, 3118, 4151})
_NO_DATABASE: Final = 1049
_NOT_OURS: Final = frozenset({1054, 1146})
_DATES: Final = frozenset({FIELD_TYPE.DATE, FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP})
# Dates stay as they are written: `0000-00-00` is none in Python, and the reader of documents reads text.
_CONVERSIONS: Final = {kind: how for kind, how in conversions.items() if kind not in _DATES}

Cells = tuple[Any, ...]


class Snapshot:
    """Reads rows of one moment. Made by `snapshot`."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def rows(self, statement: str, **lists: Iterable[int]) -> Iterator[Cells]:
        """Yield the rows of a statement as they arrive.

        Args:
            statement: SQL with `(:name)` in the place of each list of numbers.
            lists: those; an empty one finds nothing.

        Raises:
            Unavailable, NotAllowed, InvalidInput: as `snapshot`.
        """
        for name, numbers in lists.items():
            told = ",".join(str(int(one)) for one in numbers) or "NULL"
            statement = statement.replace(f"(:{name})", f"({told})")
        with _translating(), self._connection.cursor() as cursor:
            cursor.execute(statement)
            while chunk := cursor.fetchmany(_CHUNK):
                yield from chunk


@contextmanager
def snapshot(address: Address, *, limit_seconds: float) -> Iterator[Snapshot]:
    """Open a consistent snapshot for reading only.

    Args:
        address: of the database.
        limit_seconds: how long one statement, and any silence of the server, may take.

    Raises:
        Unavailable: the server is away, busy or too slow. NotAllowed: it does not let this user read.
        NotFound: it has no such database. InvalidInput: the database is not of OpenMRS 2.
    """
    with _translating():
        connection = pymysql.connect(
            **address.connection(), charset="utf8mb4", cursorclass=SSCursor, conv=_CONVERSIONS, autocommit=True,
            connect_timeout=CONNECT_SECONDS, read_timeout=limit_seconds + CONNECT_SECONDS,
            write_timeout=CONNECT_SECONDS, program_name="iit-ml-service",
        )  # fmt: skip
    try:
        with _translating():
            _begin(connection, limit_seconds)
        yield Snapshot(connection)
    finally:
        connection.close()


def _begin(connection: Any, limit_seconds: float) -> None:
    is_mariadb = "mariadb" in str(connection.get_server_info()).lower()
    limit = (
        f"max_statement_time = {limit_seconds:.3f}" if is_mariadb else f"max_execution_time = {limit_seconds:.0f}000"
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SET SESSION {limit}")
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")


@contextmanager
def _translating() -> Iterator[None]:
    """Turn what the driver says into our kinds of error; its own words may hold a user's name, so they are left out."""
    try:
        yield
    except pymysql.MySQLError as cause:
        raise _translated(cause) from None
    except OSError as cause:
        raise Unavailable(f"cannot be reached: {cause.strerror or 'no answer'}", place=_PLACE) from None


def _translated(cause: pymysql.MySQLError) -> ServiceError:
    number = cause.args[0] if cause.args and isinstance(cause.args[0], int) else 0
    if number in _REFUSED:
        return NotAllowed(f"does not let the user in or read (error {number})", place=_PLACE)
    if number == _NO_DATABASE:
        return NotFound("there is no database of this name", place=_PLACE)
    if number in _NOT_OURS:
        return InvalidInput(f"a table or column of OpenMRS 2 is missing (error {number})", place=_PLACE)
    return Unavailable(f"does not answer as it should (error {number})", place=_PLACE)
