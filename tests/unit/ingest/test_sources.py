"""Files, folders and archives: every document found, every failure named, the rest goes on."""

import gzip
import io
import zipfile
from pathlib import Path

import pytest
from nmrs_documents import LAGOS, a_document, encoded

from iit.ingest.bounded import Limits
from iit.ingest.nmrs import read_nmrs
from iit.ingest.sources import SourceDocument, documents, survey

ONE = b'{"messageData": 1}'
TWO = b'{"messageData": 2}'


def found(*paths: Path, limits: Limits | None = None) -> list[SourceDocument]:
    """Return what lies at the paths."""
    return list(documents(paths, limits=limits or Limits()))


def entries(folder: Path, *paths: Path, limits: Limits | None = None) -> list[tuple[str, bytes | str]]:
    """Return each entry's place within the folder, and its data or the reason of its error."""
    return [
        (one.place.removeprefix(f"{folder}/"), one.error.reason if one.error else one.data.strip())
        for one in found(*paths, limits=limits)
    ]


def an_archive(path: Path, members: dict[str, bytes]) -> Path:
    """Write an archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        pytest.param("a.json", ONE, [("a.json", ONE)], id="one document"),
        pytest.param("A.JSON", ONE, [("A.JSON", ONE)], id="capitals"),
        pytest.param("a.json", b"\xef\xbb\xbf" + ONE, [("a.json", b"\xef\xbb\xbf" + ONE)], id="byte order mark"),
        pytest.param("a.json", b"[" + ONE + b",\n" + TWO + b"]", [("a.json[0]", ONE), ("a.json[1]", TWO)], id="list"),
        pytest.param("a.json", b"\xef\xbb\xbf [" + ONE + b"]", [("a.json[0]", ONE)], id="list behind a mark"),
        pytest.param("a.json", b"[]", [], id="empty list"),
        pytest.param("a.json", ONE + b"\n" + TWO + b"\n", [("a.json:1", ONE), ("a.json:2", TWO)], id="lines in .json"),
        pytest.param("a.json", ONE + b"\n\n", [("a.json", ONE)], id="one document and blank lines"),
        pytest.param("a.json", b'{\n"a": {}\n}', [("a.json", b'{\n"a": {}\n}')], id="one document in many lines"),
        pytest.param("a.json", b"[" + ONE, [("a.json", "the list of documents is not valid JSON")], id="broken list"),
        pytest.param("a.json", b"", [("a.json", b"")], id="empty: the reader refuses it"),
        pytest.param("a.ndjson", ONE + b"\r\n\n" + TWO, [("a.ndjson:1", ONE), ("a.ndjson:3", TWO)], id="lines"),
        pytest.param("a.jsonl", b"{bad\n" + TWO, [("a.jsonl:1", b"{bad"), ("a.jsonl:2", TWO)], id="bad line goes on"),
        pytest.param("a.ndjson", b"", [], id="no lines"),
        pytest.param("a.json.gz", gzip.compress(ONE), [("a.json.gz", ONE)], id="compressed"),
        pytest.param("a.gz", gzip.compress(ONE), [("a.gz", ONE)], id="compressed without a type"),
        pytest.param("a.ndjson.gz", gzip.compress(ONE + b"\n" + TWO), [("a.ndjson.gz:1", ONE), ("a.ndjson.gz:2", TWO)],
                     id="compressed lines"),
        pytest.param("a.json.gz", b"nothing", [("a.json.gz", "the file is broken or cannot be opened")], id="no gzip"),
        pytest.param("a.json.gz", gzip.compress(ONE)[:-9], [("a.json.gz", "the file is broken or cannot be opened")],
                     id="gzip cut off"),
        pytest.param("a.zip", b"nothing", [("a.zip", "the file is broken or cannot be opened")], id="no archive"),
    ],
)  # fmt: skip
def test_file(tmp_path, name, data, expected):
    path = tmp_path / name
    path.write_bytes(data)
    assert entries(tmp_path, path) == expected


@pytest.mark.parametrize("name", ["a.csv", "README", "a.tar.gz", "a.txt", ".json"])
def test_named_file_of_another_type_is_an_error(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(ONE)
    ((_, reason),) = entries(tmp_path, path)
    assert "cannot read files of this type" in str(reason)


def test_missing_path_is_an_error_and_the_others_go_on(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(ONE)
    assert entries(tmp_path, tmp_path / "b.json", path) == [
        ("b.json", "there is no such file or folder"),
        ("a.json", ONE),
    ]


def test_folder_is_read_in_the_order_of_names_and_other_files_are_left_alone(tmp_path):
    for name in ("b.json", "a.json", "c/a.ndjson", "c/notes.txt", ".hidden.json", "B/z.json", "readme.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(ONE)
    assert [place for place, _ in entries(tmp_path, tmp_path)] == ["a.json", "b.json", "B/z.json", "c/a.ndjson:1"]
    assert survey([tmp_path]).n_ignored == 3
    assert survey([tmp_path]).n_files == 4


def test_archive_members_are_read_in_the_order_of_names(tmp_path):
    path = an_archive(tmp_path / "a.zip", {
        "b.ndjson": ONE + b"\n" + TWO, "a/a.json": ONE, "c.json.gz": gzip.compress(TWO), "notes.txt": b"x",
        "__MACOSX/a/._a.json": b"\x00", "../../up.json": ONE,
    })  # fmt: skip
    assert entries(tmp_path, path) == [
        ("a.zip!../../up.json", ONE), ("a.zip!a/a.json", ONE), ("a.zip!b.ndjson:1", ONE), ("a.zip!b.ndjson:2", TWO),
        ("a.zip!c.json.gz", TWO),
    ]  # fmt: skip


def test_broken_member_is_named_and_the_others_go_on(tmp_path):
    path = an_archive(tmp_path / "a.zip", {"a.json": ONE * 50, "b.json": TWO, "c.zip": b"x", "d.json.gz": b"no gzip"})
    data = bytearray(path.read_bytes())
    data[45:50] = b"\xff" * 5
    path.write_bytes(data)
    assert entries(tmp_path, path) == [
        ("a.zip!a.json", "the archive member is broken or encrypted"),
        ("a.zip!b.json", TWO),
        ("a.zip!c.zip", "an archive within an archive is not read"),
        ("a.zip!d.json.gz", "the archive member is broken or encrypted"),
    ]


def test_encrypted_member_is_an_error(tmp_path):
    path = an_archive(tmp_path / "a.zip", {"a.json": ONE})
    data = bytearray(path.read_bytes())
    data[6] |= 1  # the flag in the member's own header
    data[data.rindex(b"PK\x01\x02") + 8] |= 1  # and in the directory
    path.write_bytes(data)
    assert entries(tmp_path, path) == [("a.zip!a.json", "the archive member is broken or encrypted")]


def test_names_in_an_archive_cannot_forge_a_line(tmp_path):
    path = an_archive(tmp_path / "a.zip", {"a\nERROR.json": ONE})
    assert entries(tmp_path, path) == [("a.zip!a?ERROR.json", ONE)]


SMALL = Limits(document_bytes=100, file_bytes=1000, member_bytes=5000, archive_bytes=2500, ratio=10,
               unsuspicious_bytes=400)  # fmt: skip
TOO_MUCH = "unpacks into more data than is allowed"


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        pytest.param("a.json", b" " * 100, [("a.json", b"")], id="document of the limit"),
        pytest.param("a.json", b" " * 101, [("a.json", "the document is too large")], id="document above the limit"),
        pytest.param("a.json", b" " * 1001, [("a.json", "the file is too large to be read as a whole: "
                                              "write one document a line (.ndjson)")], id="file above the limit"),
        pytest.param("a.ndjson", b"x" * 950 + b"\n" + ONE, [("a.ndjson:1", "the document is too large"),
                                                            ("a.ndjson:2", ONE)], id="long line, the next goes on"),
        pytest.param("a.ndjson", b"x" * 950, [("a.ndjson:1", "the document is too large")], id="long last line"),
        pytest.param("a.json", b'["' + b"x" * 200 + b'",1]', [("a.json[0]", "the document is too large"),
                                                              ("a.json[1]", b"1")], id="long item"),
        pytest.param("a.json.gz", gzip.compress(b" " * 400), [("a.json.gz", "the document is too large")],
                     id="unsuspicious"),
        pytest.param("a.json.gz", gzip.compress(b" " * 900), [("a.json.gz", TOO_MUCH)], id="gzip bomb"),
        pytest.param("a.ndjson.gz", gzip.compress(b"\n" * 900), [("a.ndjson.gz", TOO_MUCH)], id="gzip bomb of lines"),
    ],
)  # fmt: skip
def test_limits(tmp_path, name, data, expected):
    path = tmp_path / name
    path.write_bytes(data)
    assert entries(tmp_path, path, limits=SMALL) == expected


def test_archive_bomb_is_stopped_and_the_next_file_goes_on(tmp_path):
    path = an_archive(tmp_path / "a.zip", {"a.json": b" " * 90, "b.json": b" " * 5000, "c.json": b" "})
    other = tmp_path / "b.json"
    other.write_bytes(ONE)
    assert entries(tmp_path, path, other, limits=SMALL) == [
        ("a.zip!a.json", b""),
        ("a.zip!b.json", TOO_MUCH),
        ("a.zip!c.json", b""),
        ("b.json", ONE),
    ]


def test_archive_of_many_members_is_stopped_at_its_limit(tmp_path):
    path = an_archive(tmp_path / "a.zip", {f"{n:02}.json": b" " * 90 for n in range(40)})
    found_entries = entries(tmp_path, path, limits=SMALL)
    assert [what for _, what in found_entries] == [b""] * 27 + [TOO_MUCH] * 13


def test_compressed_member_shares_the_limit_of_its_archive(tmp_path):
    path = an_archive(tmp_path / "a.zip", {f"{n:02}.json.gz": gzip.compress(b" " * 390) for n in range(9)})
    assert {what for _, what in entries(tmp_path, path, limits=SMALL)} == {"the document is too large", TOO_MUCH}


def test_progress_grows_to_the_bytes_on_disk(tmp_path):
    (tmp_path / "a.ndjson").write_bytes((ONE + b"\n") * 3000)
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(ONE))
    an_archive(tmp_path / "c.zip", {"a.json": ONE, "b.json": TWO})
    (tmp_path / "d.json").write_bytes(ONE)
    done = [one.bytes_done for one in found(tmp_path)]
    assert done == sorted(done)
    assert done[-1] == survey([tmp_path]).n_bytes


def test_survey_of_a_missing_path_is_empty_but_counts_it(tmp_path):
    assert (survey([tmp_path / "a.json"]).n_files, survey([tmp_path / "a.json"]).n_bytes) == (1, 0)


@pytest.mark.parametrize("name", ["a.json", "a.ndjson", "a.json.gz", "a.zip"])
def test_every_way_leads_to_the_same_record(tmp_path, name):
    data = encoded(a_document())
    path = tmp_path / name
    if name.endswith(".zip"):
        an_archive(path, {"a.json": data})
    else:
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    (document,) = found(path)
    assert read_nmrs(document.data, zone=LAGOS).record.patient.sex == "F"


def test_entry_shows_no_data():
    assert repr(SourceDocument("a.json", ONE)) == "SourceDocument(18 bytes)"


def test_archive_is_read_without_writing_beside_it(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.json", ONE)
    (tmp_path / "a.zip").write_bytes(buffer.getvalue())
    found(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]
