"""The private cluster: made at first use, shared by all processes that use it, stopped by the last one."""

import atexit
import fcntl
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess
from typing import Final
from urllib.parse import quote

import psycopg
from psycopg import sql

from iit.domain.errors import Conflict, Unavailable
from iit.store.embedded.account import Account
from iit.store.embedded.binaries import Binaries, find_binaries
from iit.store.embedded.places import Places, choose_places, reachable
from iit.store.embedded.wal import archive_settings

DATABASE: Final = "iit_ml_service"
APPLICATION_ROLE: Final = "ml_service"
OWNER_ROLE: Final = "postgres"
_START_SECONDS: Final = 60

SERVER_SETTINGS: Final = {
    "listen_addresses": "''",
    "log_min_duration_statement": "1000",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "max_connections": "200",
    "shared_buffers": "'256MB'",
    "maintenance_work_mem": "'128MB'",
    "max_wal_size": "'2GB'",
    "wal_compression": "on",
    "logging_collector": "off",
}
"""Statements and parameters stay out of the server's log: they hold patients' values."""


@dataclass(frozen=True)
class ClusterUrls:
    """How to reach the cluster; `repr` shows no password."""

    owner_url: str = field(repr=False)
    app_url: str = field(repr=False)


class Cluster:
    """A private PostgreSQL server below a data folder."""

    def __init__(
        self,
        data_dir: Path,
        *,
        postgres_bin: Path | None = None,
        wal_archive: Path | None = None,
        extra_settings: Mapping[str, str] | None = None,
    ) -> None:
        self._data_dir = data_dir
        self._wal_archive = wal_archive
        self._override = postgres_bin
        self._extra = dict(extra_settings or {})
        self._account = Account.current()
        self._users: int | None = None
        self._binaries: Binaries | None = None
        self._places: Places | None = None

    @contextmanager
    def running(self) -> Iterator[ClusterUrls]:
        """Have the server running for a while."""
        urls = self.ensure_running()
        try:
            yield urls
        finally:
            self.release()

    def ensure_running(self) -> ClusterUrls:
        """Start the server unless it runs, and return how to reach it. Idempotent, across processes too.

        Raises:
            Conflict: the data folder is of another version of PostgreSQL; nothing is changed.
            Unavailable: it does not start.
        """
        places = choose_places(self._data_dir, self._account)
        self._places = places
        with locked(places.root / "lock"):
            self._binaries = self._fitting_binaries(places)
            if not (places.data / "PG_VERSION").exists():
                self._create(places)
            urls = self._urls(places)
            self._ensure_answering(places, urls)
            self._prepare(places, urls)
            if self._users is None:
                self._users = os.open(places.root / "users", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                fcntl.flock(self._users, fcntl.LOCK_SH)
                atexit.register(self.release)
        return urls

    def release(self) -> None:
        """Stop using the server; the last user stops it. Idempotent."""
        if self._users is None or self._places is None or self._binaries is None:
            return
        atexit.unregister(self.release)
        with locked(self._places.root / "lock"):
            users, self._users = self._users, None
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # another process goes on using it
            else:
                self._pg_ctl(self._places, "stop", "-m", "fast", "-w", "-t", str(_START_SECONDS))
            finally:
                os.close(users)

    def _fitting_binaries(self, places: Places) -> Binaries:
        version_file = places.data / "PG_VERSION"
        major = int(version_file.read_text(encoding="ascii").strip()) if version_file.exists() else None
        binaries = find_binaries(self._override, major=major)
        if major is not None and binaries.major != major:
            raise Conflict(
                f"the data in {places.data} are of PostgreSQL {major}, the programs of {binaries.major}: set "
                f"IIT_POSTGRES_BIN to programs of version {major}, or move the data with pg_dump",
                place="PostgreSQL",
            )
        return reachable(binaries, self._account)

    def _create(self, places: Places) -> None:
        self._account.own(places.data, 0o700)
        password = secret_of(places.password_file(OWNER_ROLE))
        password_file = places.socket / ".password"
        password_file.write_text(password, encoding="ascii")
        self._account.take(password_file)
        password_file.chmod(0o600)
        try:
            self._checked("initdb", "-D", str(places.data), "-U", OWNER_ROLE, "-E", "UTF8", "--locale=C.UTF-8",
                          "-A", "scram-sha-256", "--data-checksums", f"--pwfile={password_file}",
                          *([] if "fsync" not in self._extra else ["--no-sync"]))  # fmt: skip
        finally:
            password_file.unlink()

    def _start(self, places: Places) -> bool:
        """Write the settings and start the server; return whether it came up."""
        settings = {
            **SERVER_SETTINGS,
            **self._wal_settings(places),
            "unix_socket_directories": f"'{places.socket}'",
            **self._extra,
        }
        text = "# Written anew at each start: change settings by ALTER SYSTEM.\n"
        text += "".join(f"{name} = {value}\n" for name, value in settings.items())
        write_configuration(places.data, text, self._account)
        done = self._pg_ctl(places, "start", "-w", "-t", str(_START_SECONDS), "-l", str(_log(places)))
        return done.returncode == 0

    def _wal_settings(self, places: Places) -> dict[str, str]:
        """Return what backups need of the server: summaries for incremental ones, and an archive where one is set."""
        summaries = {"summarize_wal": "on"} if self._binaries is not None and self._binaries.major >= 17 else {}
        if self._wal_archive is None:
            return summaries
        return {**summaries, **archive_settings(self._wal_archive, places.run, self._account)}

    def _prepare(self, places: Places, urls: ClusterUrls) -> None:
        """Make the application's role and database. Idempotent: an interrupted first start is completed."""
        with psycopg.connect(_libpq(urls.owner_url, "postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [APPLICATION_ROLE]).rowcount:
                password = secret_of(places.password_file(APPLICATION_ROLE))
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                        sql.Identifier(APPLICATION_ROLE), sql.Literal(password)
                    )
                )
            if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).rowcount:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    def _urls(self, places: Places) -> ClusterUrls:
        def url(role: str) -> str:
            password = secret_of(places.password_file(role))
            return f"postgresql+psycopg://{role}:{password}@/{DATABASE}?host={quote(str(places.socket))}"

        return ClusterUrls(url(OWNER_ROLE), url(APPLICATION_ROLE))

    def _ensure_answering(self, places: Places, urls: ClusterUrls) -> None:
        """Start the server unless it answers.

        A server that was killed may look alive for a moment, until the system has buried its processes; one that
        recovers refuses connections at first. Both are waited for.
        """
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(urls):
            is_alive = self._pg_ctl(places, "status").returncode == 0
            if not is_alive and self._start(places):
                return
            if time.monotonic() > deadline:
                raise Unavailable(f"PostgreSQL does not start: its log is {_log(places)}", place="PostgreSQL")
            time.sleep(0.1)

    def _pg_ctl(self, places: Places, *arguments: str) -> CompletedProcess[str]:
        return self._account.run([self._program("pg_ctl"), "-D", str(places.data), *arguments])

    def _checked(self, name: str, *arguments: str) -> None:
        done = self._account.run([self._program(name), *arguments])
        if done.returncode:
            reason = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise Unavailable(f"{name} failed: {' '.join(reason)}", place="PostgreSQL")

    def _program(self, name: str) -> str:
        if self._binaries is None:  # pragma: no cover - set before any program runs
            raise Unavailable("the cluster was not asked to run")
        return self._binaries.program(name)


def write_configuration(data: Path, text: str, account: Account) -> None:
    """Write our settings into a data folder and have its configuration read them."""
    ours = data / "iit.conf"
    ours.write_text(text, encoding="utf-8")
    main = data / "postgresql.conf"
    if "include_if_exists = 'iit.conf'" not in main.read_text(encoding="utf-8"):
        with main.open("a", encoding="utf-8") as file:
            file.write("\ninclude_if_exists = 'iit.conf'\n")
    account.take(ours)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + 2 * _START_SECONDS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Unavailable("another process keeps starting the private server", place="PostgreSQL") from None
                time.sleep(0.05)
        yield
    finally:
        os.close(handle)


def _log(places: Places) -> Path:
    return places.run / "postgresql.log"


def _answers(urls: ClusterUrls) -> bool:
    try:
        psycopg.connect(_libpq(urls.owner_url, "postgres"), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def secret_of(path: Path) -> str:
    """Return a password from a private file, made at first use."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    with os.fdopen(handle, "w", encoding="ascii") as file:
        password = secrets.token_urlsafe(32)
        file.write(password)
    return password


def _libpq(url: str, database: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://").replace(f"/{DATABASE}?", f"/{database}?")
