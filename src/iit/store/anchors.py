"""Anchors of the audit trail: where it ended on which day, kept in a file outside the database.

Rows and head rolled back together, as when yesterday's copy of the database is put back, leave a chain that is whole;
only something outside tells that it once was longer. Each anchor seals itself and the one before it, as rows do.
"""

import fcntl
import hmac
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

from iit.domain.errors import Conflict, Unavailable
from iit.store.chain import NOTHING, AuditKeys

FILE: Final = "anchors.jsonl"


class Anchor(NamedTuple):
    """Where the trail ended on a day.

    Attributes:
        date: the day.
        seq: number of the last row.
        hash: its hash, hexadecimal.
        n_rows: rows since the anchor before; negative where a backup was put back.
        key_id: of the key that sealed the anchor.
        prev: seal of the anchor before, hexadecimal.
    """

    date: str
    seq: int
    hash: str
    n_rows: int
    key_id: str
    prev: str

    @property
    def sealed(self) -> bytes:
        """The bytes that the seal covers."""
        return b"anchor\t" + json.dumps(self._asdict(), separators=(",", ":")).encode()


@dataclass(frozen=True)
class Anchors:
    """The file of anchors, which is only ever added to.

    Attributes:
        folder: where it lies.
        keys: what seals and checks.
    """

    folder: Path
    keys: AuditKeys = field(repr=False)

    def read(self) -> list[Anchor]:
        """Return all anchors, oldest first; none if there is no file.

        Raises:
            Conflict: a line was changed, removed from between others or put in. Unavailable: the file cannot be read.
        """
        if not (self.folder / FILE).exists():
            return []
        with self._opened(os.O_RDONLY) as handle:
            return [one for one, _ in self._parsed(handle)]

    def latest(self) -> Anchor | None:
        """Return the newest anchor."""
        told = self.read()
        return told[-1] if told else None

    def add(self, day: date, seq: int, last: bytes) -> Anchor:
        """Write an anchor and wait until the disk has it; return the newest one if that is as far already.

        Raises:
            Conflict: the file was tampered with. Unavailable: it cannot be written.
        """
        with self._opened(os.O_RDWR | os.O_CREAT | os.O_APPEND) as handle:
            told = self._parsed(handle)
            if told and seq <= told[-1][0].seq:
                return told[-1][0]
            return self._written(handle, told, day, seq, last.hex())

    def turn_back(self, day: date, to: Anchor | None) -> Anchor:
        """Write down that the trail goes on from an earlier anchor, or from nothing, since a backup was put back."""
        with self._opened(os.O_RDWR | os.O_CREAT | os.O_APPEND) as handle:
            seq, last = (0, NOTHING.hex()) if to is None else (to.seq, to.hash)
            return self._written(handle, self._parsed(handle), day, seq, last)

    def _written(self, handle: int, told: list[tuple[Anchor, bytes]], day: date, seq: int, last: str) -> Anchor:
        before, seal = told[-1] if told else (None, NOTHING)
        n_rows = seq - (before.seq if before is not None else 0)
        anchor = Anchor(day.isoformat(), seq, last, n_rows, self.keys.key_id, seal.hex())
        line = json.dumps(anchor._asdict() | {"seal": self.keys.seal(anchor.sealed).hex()}) + "\n"
        os.write(handle, line.encode())
        os.fsync(handle)
        return anchor

    def _parsed(self, handle: int) -> list[tuple[Anchor, bytes]]:
        told: list[tuple[Anchor, bytes]] = []
        seal = NOTHING
        os.lseek(handle, 0, os.SEEK_SET)
        with os.fdopen(os.dup(handle), "rb") as file:
            for number, line in enumerate(file, 1):
                anchor, found = _line(line, number)
                key = self.keys.keys.get(anchor.key_id)
                if key is None:
                    raise _broken(number, f"is sealed with the key {anchor.key_id}, which is not known here")
                if anchor.prev != seal.hex() or not hmac.compare_digest(
                    found, hmac.digest(key, anchor.sealed, "sha256")
                ):
                    raise _broken(number, "was changed, or anchors before it were removed or put in")
                seal = found
                told.append((anchor, found))
        return told

    @contextmanager
    def _opened(self, flags: int) -> Iterator[int]:
        path = self.folder / FILE
        handle = None
        try:
            if flags & os.O_CREAT:
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(path, flags | os.O_CLOEXEC, 0o600)
            fcntl.flock(handle, fcntl.LOCK_EX if flags & os.O_CREAT else fcntl.LOCK_SH)
            yield handle
        except OSError as cause:
            raise Unavailable(f"cannot be used: {cause.strerror}", place=str(path)) from cause
        finally:
            if handle is not None:
                os.close(handle)


def still_binding(anchors: Sequence[Anchor]) -> list[Anchor]:
    """Return the anchors that the trail must fit: those behind which it was never turned back."""
    binding: list[Anchor] = []
    for one in anchors:
        while binding and binding[-1].seq > one.seq:
            binding.pop()
        binding.append(one)
    return binding


def _line(line: bytes, number: int) -> tuple[Anchor, bytes]:
    try:
        told = json.loads(line)
        found = bytes.fromhex(told.pop("seal"))
        return Anchor(**told), found
    except (ValueError, TypeError, KeyError, AttributeError):
        raise _broken(number, "is no anchor") from None


def _broken(number: int, reason: str) -> Conflict:
    return Conflict(f"line {number} {reason}", place=FILE)
