"""Entries that wait on disk for the database: appended, on disk before `add` returns, taken out by whoever can.

Each process appends to a segment of its own and holds a lock on it while it does. A segment without a lock, sealed by
its process or left by one that died, is emptied by any process and then removed. An entry is framed with its length and
checksum, so that a tail torn by a power cut is seen and never taken for an entry.
"""

import fcntl
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Final, NamedTuple
from uuid import uuid4

from iit.domain.errors import Unavailable

_HEAD: Final = struct.Struct(">2sBxII")  # mark, whether it was stored, length, CRC-32
_MARK: Final = b"IS"
_STORED_AT: Final = 2
_SEGMENTS: Final = "*.spool"
_ASIDE: Final = "*.aside"


class Depth(NamedTuple):
    """How much lies in the spool.

    Attributes:
        n_waiting: entries in segments that are not emptied yet.
        bytes: size of all segments.
        n_aside: files with what could not be stored or read.
    """

    n_waiting: int
    bytes: int
    n_aside: int


class _Frame(NamedTuple):
    at: int
    payload: bytes
    is_stored: bool

    def __repr__(self) -> str:
        return f"_Frame({len(self.payload)} bytes)"


@dataclass
class Spool:
    """A folder of segments, shared by the processes of a machine; only its owner may read it.

    Attributes:
        folder: where it is; made at the first entry.
        max_bytes: size of all segments together.
    """

    folder: Path
    max_bytes: int
    _segment: int | None = field(default=None, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)
    _counted: dict[str, tuple[int, int]] = field(default_factory=dict, repr=False)

    def add(self, payload: bytes) -> None:
        """Append an entry, which is not empty; it is on disk when this returns.

        Raises:
            Unavailable: the spool or its disk is full, or cannot be written: nothing is kept.
        """
        frame = _HEAD.pack(_MARK, 0, len(payload), zlib.crc32(payload)) + payload
        with self._lock:
            if self._bytes() + len(frame) > self.max_bytes:
                raise Unavailable("is full", place="spool", retry_after_seconds=30)
            try:
                self._append(frame)
            except OSError as cause:
                self._seal()
                reason = f"cannot be written: {cause.strerror}"
                raise Unavailable(reason, place="spool", retry_after_seconds=30) from cause

    def drain(self, store: Callable[[bytes], bool]) -> int:
        """Hand every waiting entry to `store`, in the order of each process, and remove what was stored.

        An entry may be handed over again after a crash: to store it once is the business of `store`.

        Args:
            store: takes an entry; returns False for one that can never be stored, which then lies aside. An error
                ends the draining: everything not stored waits on.

        Returns:
            How many were stored.
        """
        self.seal()
        return sum(self._empty(path, store) for path in sorted(self.folder.glob(_SEGMENTS)))

    def depth(self) -> Depth:
        """Return how much lies in it."""
        counted = {}
        for path in self.folder.glob(_SEGMENTS):
            with suppress(FileNotFoundError), path.open("rb") as file:
                counted[path.name] = _count(file, *self._counted.get(path.name, (0, 0)))
        self._counted = counted
        waiting = sum(n for _, n in counted.values())
        return Depth(waiting, self._bytes(), sum(1 for _ in self.folder.glob(_ASIDE)))

    def is_empty(self) -> bool:
        """Tell whether there is no segment at all."""
        return next(self.folder.glob(_SEGMENTS), None) is None

    def seal(self) -> None:
        """Append no more to the present segment: any process may empty it."""
        with self._lock:
            self._seal()

    def _bytes(self) -> int:
        total = 0
        for path in self.folder.glob(_SEGMENTS):
            with suppress(FileNotFoundError):
                total += path.stat().st_size
        return total

    def _append(self, frame: bytes) -> None:
        if self._segment is None:
            self._segment = self._open()
        end = os.fstat(self._segment).st_size
        try:
            _write(self._segment, frame)
            os.fsync(self._segment)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._segment, end)
            raise

    def _open(self) -> int:
        """Return a new segment that this process has locked; nobody else can have emptied it in between."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            path = self.folder / f"{os.getpid()}-{uuid4().hex}.spool"
            segment = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            if _is_ours(segment):
                _fsync_folder(self.folder)
                return segment
            os.close(segment)  # another process took the empty segment for one that was left

    def _seal(self) -> None:
        if self._segment is not None:
            os.close(self._segment)
            self._segment = None

    def _empty(self, path: Path, store: Callable[[bytes], bool]) -> int:
        stored = 0
        with _taken(path) as file:
            if file is None:
                return 0
            end = 0
            for frame in _frames(file):
                end = frame.at + _HEAD.size + len(frame.payload)
                if frame.is_stored:
                    continue
                if store(frame.payload):
                    stored += 1
                else:
                    self._keep_aside(frame.payload)
                os.pwrite(file.fileno(), b"\x01", frame.at + _STORED_AT)
            self._keep_damaged(file, end)
            path.unlink()
        return stored

    def _keep_damaged(self, file: BinaryIO, end: int) -> None:
        """Keep what follows the last sound entry, unless it is the torn beginning of one that nobody was told of."""
        file.seek(end)
        rest = file.read()
        if len(rest) >= _HEAD.size and rest.strip(b"\x00"):
            _, _, length, _ = _HEAD.unpack_from(rest)
            if len(rest) >= _HEAD.size + length or not rest.startswith(_MARK):
                self._keep_aside(rest)

    def _keep_aside(self, data: bytes) -> None:
        path = self.folder / f"{uuid4().hex}.aside"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def _frames(file: BinaryIO) -> Iterator[_Frame]:
    """Yield the sound frames from the beginning on; ends before one that is torn or damaged."""
    at = 0
    while True:
        file.seek(at)
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return
        mark, is_stored, length, checksum = _HEAD.unpack(head)
        payload = file.read(length)
        if mark != _MARK or not length or len(payload) < length or zlib.crc32(payload) != checksum:
            return
        yield _Frame(at, payload, bool(is_stored))
        at += _HEAD.size + length


def _count(file: BinaryIO, at: int, n: int) -> tuple[int, int]:
    """Return where the whole frames end and how many there are, going on from an earlier count."""
    size = os.fstat(file.fileno()).st_size
    while True:
        file.seek(at)
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size or not head.startswith(_MARK):
            return at, n
        after = at + _HEAD.size + _HEAD.unpack(head)[2]
        if after > size:
            return at, n
        at, n = after, n + 1


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _is_ours(segment: int) -> bool:
    """Lock a segment, if nobody holds it and it was not removed meanwhile; return whether it is locked."""
    try:
        fcntl.flock(segment, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(segment).st_nlink > 0


@contextmanager
def _taken(path: Path) -> Iterator[BinaryIO | None]:
    """Yield a segment that nobody else holds, or None."""
    try:
        file = path.open("r+b")
    except FileNotFoundError:
        yield None
        return
    with file:
        yield file if _is_ours(file.fileno()) else None


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
