"""Bring a restored data folder to a moment: replay the log, open it, and give it the passwords of its new place."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from iit.domain.errors import InvalidInput, NotFound, Unavailable
from iit.store.embedded.account import Account
from iit.store.embedded.binaries import Binaries
from iit.store.embedded.cluster import (
    APPLICATION_ROLE,
    OWNER_ROLE,
    SERVER_SETTINGS,
    secret_of,
    write_configuration,
)
from iit.store.embedded.places import Places, reachable
from iit.store.embedded.wal import fetch_setting

_TIMEOUT: Final = 6 * 3600
_MOMENT: Final = r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.\d]*[ +\-\w:]*)"
_LAST_COMMIT: Final = re.compile(r"last completed transaction was at log time " + _MOMENT)
_NOT_REACHED: Final = "recovery ended before configured recovery target was reached"


@dataclass(frozen=True)
class Recovered:
    """How far a recovery went.

    Attributes:
        last_commit: time of the last transaction replayed, as the server tells it; None if none was.
        stopped: what the server said of where it stopped; None at the end of the log.
    """

    last_commit: str | None
    stopped: str | None


def recover(
    places: Places,
    binaries: Binaries,
    *,
    log_folders: Sequence[Path],
    target: Mapping[str, str],
    superuser: str = OWNER_ROLE,
) -> Recovered:
    """Replay the log in a restored data folder up to a target, then stop the server.

    The server does not archive while it recovers and answers nobody else.

    Args:
        places: where the data lie.
        binaries: programs of the data's version.
        log_folders: where closed segments of the log are looked for, in this order.
        target: the server's settings for the moment; none for all of the log.
        superuser: a role of the restored data that may do everything.

    Raises:
        NotFound: the log does not reach the moment. InvalidInput: the log is damaged. Unavailable: it does not start.
    """
    account = Account.current()
    binaries = reachable(binaries, account)
    hba = _configure(places, account, log_folders, target)
    log = places.run / "recovery.log"
    log.unlink(missing_ok=True)
    control = [binaries.program("pg_ctl"), "-D", str(places.data), "-w", "-t", str(_TIMEOUT)]
    # With hot_standby off the server opens when the recovery is over, and smaller settings than before do not matter.
    account.run([*control, "start", "-l", str(log), "-o", "-c archive_mode=off -c hot_standby=off"])
    try:
        with _opened(places, superuser, lambda: account.run([*control, "status"]).returncode == 0) as connection:
            _set_passwords(connection, places)
    except psycopg.OperationalError as cause:
        raise _failure(_read(log)) from cause
    finally:
        account.run([*control, "stop", "-m", "fast"])
        hba.unlink()
        (places.data / "iit.conf").write_text("", encoding="ascii")
    return _recovered(_read(log))


def _configure(places: Places, account: Account, log_folders: Sequence[Path], target: Mapping[str, str]) -> Path:
    """Write the settings of a recovery and return the file that lets us in without a password meanwhile."""
    hba = places.socket / "restore_hba.conf"
    hba.write_text("local all all trust\n", encoding="ascii")  # the socket's folder is the account's alone
    account.take(hba)
    settings = {
        **SERVER_SETTINGS,
        "unix_socket_directories": f"'{places.socket}'",
        "hba_file": f"'{hba}'",
        "restore_command": fetch_setting(log_folders, places.run, account),
        "recovery_target_action": "promote",
        **target,
    }
    for folder in log_folders:
        account.take(folder)  # a copy that root received is root's; the server has to read it
    _prepare_files(places.data, account)
    write_configuration(places.data, "".join(f"{name} = {value}\n" for name, value in settings.items()), account)
    return hba


def _read(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""


def _opened(places: Places, superuser: str, is_alive: Callable[[], bool]) -> "psycopg.Connection[tuple[Any, ...]]":
    """Wait until the recovery is over and return a connection; raise when the server has ended instead."""
    deadline = time.monotonic() + _TIMEOUT
    while True:
        try:
            return psycopg.connect(host=str(places.socket), user=superuser, dbname="postgres", autocommit=True)
        except psycopg.OperationalError:
            if time.monotonic() > deadline or not is_alive():
                raise
        time.sleep(0.1)


def _prepare_files(data: Path, account: Account) -> None:
    for name in ("postgresql.conf", "pg_hba.conf"):  # some systems keep these outside the data
        path = data / name
        if not path.exists():
            path.write_text("local all all scram-sha-256\n" if name == "pg_hba.conf" else "", encoding="ascii")
            account.take(path)
    signal = data / "recovery.signal"
    signal.touch()
    account.take(signal)


def _set_passwords(connection: "psycopg.Connection[tuple[Any, ...]]", places: Places) -> None:
    for role, rights in ((OWNER_ROLE, "SUPERUSER LOGIN"), (APPLICATION_ROLE, "LOGIN")):
        known = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).rowcount
        connection.execute(
            sql.SQL("{} ROLE {} {} PASSWORD {}").format(
                sql.SQL("ALTER" if known else "CREATE"),
                sql.Identifier(role),
                sql.SQL(rights),
                sql.Literal(secret_of(places.password_file(role))),
            )
        )


def _recovered(said: str) -> Recovered:
    commits = _LAST_COMMIT.findall(said)
    stops = re.findall(r"recovery stopping (?:before|after) [^\n]*", said)
    return Recovered(commits[-1].strip() if commits else None, stops[-1] if stops else None)


def _failure(said: str) -> Exception:
    fatal = [line.split("FATAL:")[1].strip() for line in said.splitlines() if "FATAL:" in line]
    if any(_NOT_REACHED in line for line in fatal):
        reached = _recovered(said).last_commit
        return NotFound(
            "the moment lies after the newest that can be recovered"
            + (f": the last commit in the log was at {reached}" if reached else ": no commit follows the backup"),
            place="restore target",
        )
    if any("restore" in line or "recovery" in line for line in fatal):
        return InvalidInput(f"the log cannot be replayed: {fatal[-1]}", place="write-ahead log")
    return Unavailable(f"the restored server does not start: {' '.join(fatal[-1:])}", place="PostgreSQL")
