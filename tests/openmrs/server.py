"""A private MariaDB: an ordinary process in a folder of its own on a free port."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pymysql
import pytest

MISSING = "there is no MariaDB here (Debian: mariadb-server-core)"
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
SERVER = shutil.which("mariadbd", path=_PATH)
STATEMENTS = Path("/usr/share/mysql")
needs_mariadb = pytest.mark.skipif(SERVER is None or not STATEMENTS.is_dir(), reason=MISSING)
_ACCOUNT = ["--user=root"] if os.geteuid() == 0 else []
_ENVIRONMENT = {"PATH": _PATH, "LC_ALL": "C"}

_SETTINGS = (
    "--bind-address=127.0.0.1", "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M", "--skip-log-bin",
    "--innodb-flush-log-at-trx-commit=0", "--max-connections=20", "--skip-name-resolve", "--performance-schema=OFF",
)  # fmt: skip


@dataclass
class MariaDb:
    """A running server; its administrator has no password, and comes in by the socket."""

    folder: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def socket(self) -> str:
        return str(self.folder / "s")

    def start(self) -> None:
        assert SERVER is not None
        Path(self.socket).unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [SERVER, "--no-defaults", f"--datadir={self.folder / 'data'}", f"--socket={self.socket}",
                 f"--port={self.port}", f"--pid-file={self.folder / 'pid'}", *_SETTINGS, *_ACCOUNT],
                stdout=subprocess.DEVNULL, stderr=log, env=_ENVIRONMENT,
            )  # fmt: skip
        for _ in range(300):
            if Path(self.socket).exists():  # made when it is ready
                return
            assert self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.1)
        raise TimeoutError("MariaDB does not start")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)
        self.process = None

    def admin(self, database: str | None = None) -> "pymysql.Connection":
        return pymysql.connect(
            unix_socket=self.socket, user="root", database=database, autocommit=True, charset="utf8mb4",
            ssl_disabled=True,
        )  # fmt: skip


def _install(data: Path) -> None:
    """Make the server's own tables from the statements that come with it."""
    assert SERVER is not None
    data.mkdir()
    lines = ["CREATE DATABASE mysql;", "USE mysql;", "SET @auth_root_socket = NULL;", "SET @skip_auth_anonymous = 1;"]
    for name in ("mysql_system_tables.sql", "mysql_system_tables_data.sql"):
        statements = (STATEMENTS / name).read_text().splitlines()
        lines += [line for line in statements if "@current_hostname" not in line]
    subprocess.run(
        [SERVER, "--no-defaults", "--bootstrap", f"--datadir={data}", "--innodb-log-file-size=16M", *_ACCOUNT],
        input="\n".join(lines).encode(), check=True, capture_output=True, env=_ENVIRONMENT,
    )  # fmt: skip


@contextmanager
def mariadb() -> Iterator[MariaDb]:
    folder = Path(tempfile.mkdtemp(prefix="iit-mariadb-"))
    try:
        _install(folder / "data")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = MariaDb(folder, port)
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
