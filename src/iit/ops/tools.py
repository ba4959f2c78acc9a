"""Running PostgreSQL's programs: argument lists, no shell, a time limit, and errors that hold no data."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from iit.domain.errors import Unavailable
from iit.store.embedded.binaries import Binaries
from iit.store.server import connection_environment

_ERROR: Final = re.compile(r"^\w+: (?:error|fatal|could not|FATAL)", re.IGNORECASE)
_HOUR: Final = 3600.0


class Tools:
    """PostgreSQL's programs of one folder, with the way to one server where they need one."""

    def __init__(self, folder: Path, major: int, connection: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.major = major
        self._connection = dict(connection or {})

    @classmethod
    def to(cls, url: str, binaries: Binaries) -> "Tools":
        """Return programs with the way to the server of an SQLAlchemy URL."""
        return cls(binaries.folder, binaries.major, connection_environment(url))

    def elsewhere(self, **connection: str) -> "Tools":
        """Return the same programs with another way to a server."""
        return Tools(self.folder, self.major, {**self._connection, **connection})

    def run(self, name: str, *arguments: str, timeout_seconds: float = 6 * _HOUR) -> str:
        """Run a program and return what it said.

        Raises:
            Unavailable: it is missing, failed or took too long; nothing it made is to be trusted.
        """
        try:
            done = subprocess.run(  # noqa: S603 - an argument list of our own
                [str(self.folder / name), *arguments], env=self._environment(), stdin=subprocess.DEVNULL,
                capture_output=True, text=True, errors="replace", check=False, timeout=timeout_seconds,
            )  # fmt: skip
        except FileNotFoundError as cause:
            raise Unavailable(f"{self.folder} lacks it", place=name) from cause
        except subprocess.TimeoutExpired as cause:
            raise Unavailable(f"took longer than {timeout_seconds:.0f} s and was stopped", place=name) from cause
        if done.returncode < 0:
            raise Unavailable(f"was stopped by signal {-done.returncode}", place=name)
        if done.returncode:
            raise Unavailable(f"failed with exit code {done.returncode}: {_reason(done.stderr)}", place=name)
        return done.stdout

    def start(self, name: str, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a program that goes on until it is told to end; what it says goes where we speak.

        Raises:
            Unavailable: it is missing.
        """
        try:
            return subprocess.Popen(  # noqa: S603 - an argument list of our own
                [str(self.folder / name), *arguments], env=self._environment(), stdin=subprocess.DEVNULL
            )
        except FileNotFoundError as cause:
            raise Unavailable(f"{self.folder} lacks it", place=name) from cause

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", **self._connection}


def _reason(said: str) -> str:
    """Return the last error line, cut before the server quotes what it was given."""
    lines = [line for line in said.splitlines() if _ERROR.match(line)]
    chosen = lines[-1] if lines else "no reason given"
    return re.split(r"ERROR:|DETAIL|CONTEXT|Failing row|Key \(", chosen)[0].strip()[:300]
