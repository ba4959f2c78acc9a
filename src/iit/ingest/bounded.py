"""Reading compressed data within bounds: a small file must not unpack into more than the machine holds."""

import io
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

from iit.domain.errors import InvalidInput

if TYPE_CHECKING:
    from typing_extensions import Buffer

_MIB: Final = 2**20


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What and how much one import may read.

    Attributes:
        document_bytes: one document, uncompressed. NMRS documents are 0.1 to 5 MB.
        file_bytes: one `.json` file or archive member that is read as a whole.
        member_bytes: one compressed file or archive member, uncompressed.
        archive_bytes: all members of one archive, uncompressed.
        ratio: uncompressed over compressed size. Repetitive JSON reaches 60; deflate cannot exceed 1,032.
        unsuspicious_bytes: uncompressed size up to which the ratio does not count.
        whole: types of files that are one document each, as `.xml`; none where JSON is read.
    """

    document_bytes: int = 64 * _MIB
    file_bytes: int = 1024 * _MIB
    member_bytes: int = 64 * 1024 * _MIB
    archive_bytes: int = 256 * 1024 * _MIB
    ratio: int = 300
    unsuspicious_bytes: int = 16 * _MIB
    whole: frozenset[str] = frozenset()

    def unpacked(self, compressed_bytes: int) -> int:
        """Return how many bytes may come out of so many compressed ones."""
        return min(self.member_bytes, max(self.unsuspicious_bytes, self.ratio * compressed_bytes))


@dataclass(slots=True)
class Room:
    """How many bytes may still come out of an archive."""

    left_bytes: int


class Bounded(io.RawIOBase):
    """A stream that refuses to give more than an agreed number of bytes.

    Args:
        stream: what is read.
        allowed: how many bytes this stream may give.
        room: how many bytes it and the others that share the room may give.

    Raises:
        InvalidInput: on reading more than that.
    """

    def __init__(self, stream: IO[bytes], allowed: int, room: Room) -> None:
        super().__init__()
        self._stream = stream
        self._left_bytes = allowed
        self._room = room

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: "Buffer", /) -> int:
        """Fill the buffer as far as possible and return the number of bytes."""
        view = memoryview(buffer)
        chunk = self._stream.read(min(len(view), max(0, min(self._left_bytes, self._room.left_bytes)) + 1))
        self._left_bytes -= len(chunk)
        self._room.left_bytes -= len(chunk)
        if self._left_bytes < 0 or self._room.left_bytes < 0:
            raise InvalidInput("unpacks into more data than is allowed")
        view[: len(chunk)] = chunk
        return len(chunk)


def bounded(stream: IO[bytes], allowed: int, room: Room) -> IO[bytes]:
    """Return the stream behind a `Bounded`, with lines and a buffer."""
    return io.BufferedReader(Bounded(stream, allowed, room))
