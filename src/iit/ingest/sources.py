"""Where documents come from: files, folders, archives. Nothing is unpacked to disk.

`.json` (a document, a list of them, or one a line), `.ndjson`, `.jsonl`, each also with `.gz`, and `.zip` of these.
What cannot be read becomes an entry with its place and the reason, and the others go on.
"""

import gzip
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final, NamedTuple, cast

from iit.domain.errors import InvalidInput
from iit.ingest.bounded import Limits, Room, bounded
from iit.ingest.documents import LINES, WHOLE, Piece, pieces

_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError)
_DEFAULT: Final = Limits()


class SourceDocument(NamedTuple):
    """One document as it lies in its file, or why it cannot be had.

    Attributes:
        place: for example `folder/a.zip!b.ndjson:12`.
        data: the document's bytes; empty where there is an error.
        error: what is wrong, or None.
        bytes_done: how much of all files on disk has been read, for a progress bar that ends at `Survey.n_bytes`.
        made_at: when its file was last changed, seconds since 1970; None of a member of an archive.
    """

    place: str
    data: bytes
    error: InvalidInput | None = None
    bytes_done: int = 0
    made_at: float | None = None

    def __repr__(self) -> str:
        return f"SourceDocument({len(self.data)} bytes)"


@dataclass(frozen=True)
class Survey:
    """What lies at the given paths: files to be read, their bytes on disk, and files of other types left alone."""

    n_files: int
    n_bytes: int
    n_ignored: int


def documents(paths: Iterable[Path], *, limits: Limits = _DEFAULT) -> Iterator[SourceDocument]:
    """Yield the documents at the paths, folders in the order of names, and an entry with an error for each failure.

    A file that is named itself must be of a type that can be read; in folders and archives others are left alone.
    """
    done = 0
    for path in paths:
        for file in _files(path, limits):
            size = _size(file)
            yield from _read_file(file, done, size, limits)
            done += size


def survey(paths: Iterable[Path], *, limits: Limits = _DEFAULT) -> Survey:
    """Return what lies at the paths; cheap, for a progress bar and the summary. Opens no file."""
    n_files = n_bytes = n_ignored = 0
    for path in paths:
        readable = list(_files(path, limits))
        n_files += len(readable)
        n_bytes += sum(_size(file) for file in readable)
        n_ignored += sum(1 for _ in _walk(path)) - len(readable) if path.is_dir() else 0
    return Survey(n_files, n_bytes, n_ignored)


def _files(path: Path, limits: Limits) -> Iterator[Path]:
    """Yield the files to read: a named one whatever it is, in a folder those that can be read."""
    if path.is_dir():
        yield from (file for file in _walk(path) if _is_readable(file.name, limits))
    else:
        yield path


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(root, name) for name in sorted(names))


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _types(name: str) -> tuple[str, bool]:
    """Return a file name's type and whether it is compressed: `a.json.gz` is `.json`, compressed."""
    path = PurePosixPath(name.lower())
    if path.suffix == ".gz":
        return PurePosixPath(path.stem).suffix, True
    return path.suffix, False


def _is_readable(name: str, limits: Limits) -> bool:
    path = PurePosixPath(name)
    if path.name.startswith(".") or "__MACOSX" in path.parts:  # what macOS adds to folders and archives
        return False
    suffix, is_compressed = _types(path.name)
    if limits.whole:
        return suffix == ".zip" or suffix in limits.whole
    return suffix == ".zip" or suffix in LINES or (suffix in WHOLE and bool(suffix or is_compressed))


def _shown(name: str) -> str:
    """Return a name fit for a message: an archive may contain names that would forge lines of a log."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def _read_file(file: Path, done: int, size: int, limits: Limits) -> Iterator[SourceDocument]:
    place = _shown(str(file))
    try:
        _refuse_unreadable(file, limits)
        if file.suffix.lower() == ".zip":
            yield from _read_archive(file, place, done, limits)
            return
        with file.open("rb") as raw:
            for where, piece in _pieces(raw, file.name, size, limits, Room(limits.member_bytes)):
                yield _entry(place + where, piece, done + raw.tell())._replace(made_at=os.fstat(raw.fileno()).st_mtime)
    except InvalidInput as problem:
        yield _entry(place, problem, done + size)
    except _BROKEN:
        yield _entry(place, InvalidInput("the file is broken or cannot be opened"), done + size)


def _refuse_unreadable(file: Path, limits: Limits) -> None:
    if not file.exists():
        raise InvalidInput("there is no such file or folder")
    if not _is_readable(file.name, limits):
        expected = ", ".join(sorted(limits.whole)) or ".json, .ndjson, .jsonl"
        raise InvalidInput(f"cannot read files of this type: expected {expected}, .gz or .zip")


def _read_archive(file: Path, place: str, done: int, limits: Limits) -> Iterator[SourceDocument]:
    room = Room(limits.archive_bytes)
    with zipfile.ZipFile(file) as archive:
        members = [one for one in archive.infolist() if not one.is_dir() and _is_readable(one.filename, limits)]
        for member in sorted(members, key=lambda one: one.filename):
            name = f"{place}!{_shown(member.filename)}"
            done += member.compress_size
            try:
                with archive.open(member) as raw:
                    stream = bounded(raw, limits.unpacked(member.compress_size), room)
                    for where, piece in _pieces(stream, member.filename, member.file_size, limits, room):
                        yield _entry(name + where, piece, done)
            except InvalidInput as problem:
                yield _entry(name, problem, done)
            except _BROKEN:
                yield _entry(name, InvalidInput("the archive member is broken or encrypted"), done)


def _pieces(raw: IO[bytes], name: str, size: int, limits: Limits, room: Room) -> Iterator[Piece]:
    """Yield the documents of a stream of so many bytes, which may be compressed."""
    suffix, is_compressed = _types(name)
    if suffix == ".zip":
        raise InvalidInput("an archive within an archive is not read")
    if not is_compressed:
        yield from pieces(raw, suffix, limits)
        return
    with gzip.GzipFile(fileobj=raw) as unpacked:
        yield from pieces(bounded(cast("IO[bytes]", unpacked), limits.unpacked(size), room), suffix, limits)


def _entry(place: str, piece: bytes | InvalidInput, done: int) -> SourceDocument:
    if isinstance(piece, InvalidInput):
        return SourceDocument(place, b"", piece, done)
    return SourceDocument(place, piece, None, done)
