"""A model travels as one archive, which is checked whole before anything of it is written."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from model_cases import bundle_files

from iit.domain.errors import InvalidInput, NotFound
from iit.model import archive
from iit.model.archive import archive_of, is_archive, read_archive
from iit.model.bundle import EXPORT, NEEDED, PAGE, SUMS, write_bundle

FILES = bundle_files("v1")


@pytest.fixture
def packed(tmp_path: Path) -> bytes:
    digest = write_bundle(tmp_path, "v1", FILES)
    return archive_of(tmp_path, "v1", expected_hash=digest)


def read(folder: Path, data: bytes) -> tuple[str, dict[str, bytes]]:
    path = folder / "received.tar"
    path.write_bytes(data)
    version, files = read_archive(path)
    return version, dict(files)


Members = list[tuple[tarfile.TarInfo, bytes]]


def repacked(data: bytes, change: Callable[[Members], object]) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(data)) as old:
        members = [(member, old.extractfile(member).read()) for member in old]  # type: ignore[union-attr]
    change(members)
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as new:
        for member, content in members:
            new.addfile(member, io.BytesIO(content))
    return written.getvalue()


def a_member(
    name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, to: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = len(content), kind, to
    return member, content


def test_what_was_packed_is_read_without_the_pickle(tmp_path: Path, packed: bytes) -> None:
    version, files = read(tmp_path, packed)
    assert version == "v1"
    assert files == {name: FILES[name] for name in (*NEEDED, PAGE)}
    assert EXPORT not in files


def test_the_same_model_gives_the_same_bytes(tmp_path: Path, packed: bytes) -> None:
    digest = write_bundle(tmp_path / "again", "v1", FILES)
    assert archive_of(tmp_path / "again", "v1", expected_hash=digest) == packed


def test_an_altered_model_is_not_packed(tmp_path: Path) -> None:
    digest = write_bundle(tmp_path, "v1", FILES)
    (tmp_path / "v1" / "card.md").write_text("# Changed\n")
    with pytest.raises(InvalidInput):
        archive_of(tmp_path, "v1", expected_hash=digest)
    with pytest.raises(NotFound):
        archive_of(tmp_path, "v9", expected_hash=digest)


def test_an_archive_is_told_from_other_files(tmp_path: Path, packed: bytes) -> None:
    path = tmp_path / "some"
    for data, told in ((packed, True), (FILES["model.txt"], False), (b"\x80\x04.", False)):
        path.write_bytes(data)
        assert is_archive(path) is told
    assert not is_archive(tmp_path)


def rename(place: int, name: str) -> Callable[[Members], object]:
    return lambda members: setattr(members[place][0], "name", name)


HOSTILE: dict[str, Callable[[Members], object]] = {
    "a way up": rename(0, "../v1/model.txt"),
    "a deeper way up": rename(0, "v1/../../model.txt"),
    "an absolute path": rename(0, "/v1/model.txt"),
    "another version": rename(0, "v2/model.txt"),
    "a version that is a path": lambda members: [setattr(m, "name", m.name.replace("v1/", "../")) for m, _ in members],
    "a file more": lambda members: members.append(a_member("v1/more.py")),
    "a pickle": lambda members: members.append(a_member(f"v1/{EXPORT}", b"\x80\x04.")),
    "a file twice": lambda members: members.append(members[0]),
    "a file less": lambda members: members.pop(0),
    "a link": lambda members: members.append(a_member("v1/link", kind=tarfile.SYMTYPE, to="/etc/passwd")),
    "a link for a file": lambda members: members.__setitem__(
        0, a_member("v1/model.txt", kind=tarfile.SYMTYPE, to="/etc/passwd")
    ),
    "a hard link for a file": lambda members: members.__setitem__(
        0, a_member("v1/model.txt", kind=tarfile.LNKTYPE, to="v1/card.md")
    ),
    "a device": lambda members: members.append(a_member("v1/null", kind=tarfile.CHRTYPE)),
    "a folder": lambda members: members.append(a_member("v1/sub", kind=tarfile.DIRTYPE)),
    "an altered file": lambda members: members.__setitem__(0, a_member("v1/model.txt", FILES["model.txt"] + b"\n")),
    "sums of other files": lambda members: members.__setitem__(-1, a_member(f"v1/{SUMS}", b"")),
    "nothing": lambda members: members.clear(),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
def test_anything_else_in_an_archive_is_refused(
    tmp_path: Path, packed: bytes, change: Callable[[Members], object]
) -> None:
    with pytest.raises(InvalidInput):
        read(tmp_path, repacked(packed, change))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["received.tar", "v1"]


def test_an_archive_that_is_cut_off_is_refused(tmp_path: Path, packed: bytes) -> None:
    whole = len(packed.rstrip(b"\0"))
    for end in [*range(0, whole, 4999), whole - 1]:
        with pytest.raises(InvalidInput):
            read(tmp_path, packed[:end])


def test_a_compressed_archive_is_refused(tmp_path: Path, packed: bytes) -> None:
    """Its size would not bound what comes out of it."""
    path = tmp_path / "received.tar"
    with tarfile.open(path, mode="w:gz") as file:
        member, content = a_member("v1/model.txt", bytes(10_000_000))
        file.addfile(member, io.BytesIO(content))
    with pytest.raises(InvalidInput):
        read_archive(path)


def test_an_archive_too_large_is_refused_unread(tmp_path: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_LARGEST", len(packed) - 1)
    with pytest.raises(InvalidInput, match="larger"):
        read(tmp_path, packed)


def test_a_file_too_large_for_what_it_is_is_refused(
    tmp_path: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "LARGEST", {**archive.LARGEST, "card.md": 3})
    with pytest.raises(InvalidInput, match="too large"):
        read(tmp_path, packed)
