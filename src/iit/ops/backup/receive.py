"""Copying the log as it is written: with `is_synchronous` a commit is acknowledged when the copy has it too."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from iit.domain.errors import Unavailable
from iit.ops.tools import Tools
from iit.store import server
from iit.store.database import Database

NAME: Final = "iit_wal_copy"
_START_SECONDS: Final = 30
_STEP_SECONDS: Final = 0.1


def receive(
    database: Database,
    tools: Tools,
    folder: Path,
    *,
    archive: Path | None,
    is_synchronous: bool,
    sleep: Callable[[float], None],
) -> None:
    """Copy the log until the process is told to end. Segments that are archived by now are not kept twice.

    Commits stop waiting when this ends in order; after a kill they wait until it runs again, so that nothing that was
    acknowledged is ever in one place only.

    Raises:
        Unavailable: the copying ended by itself.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if archive is not None:
        forget_archived(folder, archive)
    # A server that was told to wait for the copy accepts no commit before it is there, but any ALTER SYSTEM.
    process = tools.start("pg_receivewal", f"--dbname=application_name={NAME}", f"--directory={folder}",
                          "--no-password", "--no-loop", *(["--synchronous"] if is_synchronous else []))  # fmt: skip
    try:
        if is_synchronous:
            _wait_for_stream(database, lambda: process.poll() is None, sleep)
            server.set_synchronous(database, NAME)
        code = process.wait()
        raise Unavailable(f"ended with exit code {code}", place="pg_receivewal")
    finally:
        if is_synchronous:
            with suppress(Unavailable):
                server.set_synchronous(database, "")
        process.terminate()
        process.wait()


def forget_archived(folder: Path, archive: Path) -> int:
    """Remove copies of segments that the archive holds whole; return how many."""
    n_removed = 0
    for path in folder.iterdir():
        if (archive / f"{path.name.removesuffix('.partial')}.gz").exists():
            path.unlink()
            n_removed += 1
    return n_removed


def _wait_for_stream(database: Database, is_alive: Callable[[], bool], sleep: Callable[[float], None]) -> None:
    for _ in range(int(_START_SECONDS / _STEP_SECONDS)):
        with database.transaction() as tx:
            if server.is_streaming(tx, NAME):
                return
        if not is_alive():
            break
        sleep(_STEP_SECONDS)
    raise Unavailable("does not follow the server", place="pg_receivewal")
