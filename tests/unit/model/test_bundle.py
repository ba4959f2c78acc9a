"""A bundle that was touched never loads; a bundle is there whole or not at all."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from model_cases import bundle_files

from iit.domain.errors import Conflict, InvalidInput, NotFound
from iit.model import bundle
from iit.model.bundle import SUMS, bundle_of, check_version, load_bundle, sums_of, write_bundle

FILES = bundle_files("v1")
NAMES = [*FILES, SUMS]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    write_bundle(tmp_path, "v1", FILES)
    return tmp_path


def seal(folder: Path) -> None:
    """Write sums that fit the files as they are: what a forger would do."""
    found = {path.name: path for path in folder.iterdir() if path.name != SUMS}
    digests = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in found.items()}
    (folder / SUMS).write_bytes(sums_of(digests))


def test_what_was_written_is_loaded(models: Path) -> None:
    found = load_bundle(models, "v1")
    assert found.version == "v1"
    assert found.model_text.encode() == FILES["model.txt"]
    assert 0 < found.bands["medium"] <= found.bands["high"] < 1


def test_the_hash_is_that_of_the_sums(tmp_path: Path) -> None:
    digest = write_bundle(tmp_path, "v1", FILES)
    assert digest == hashlib.sha256((tmp_path / "v1" / SUMS).read_bytes()).hexdigest()
    assert load_bundle(tmp_path, "v1", expected_hash=digest)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x20
    path.write_bytes(bytes(data))


def link(path: Path) -> None:
    elsewhere = path.parent.parent / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def huge(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(2_000_000_000)  # sparse: takes no room


DAMAGES: list[Callable[[Path], None]] = [
    lambda path: path.write_bytes(path.read_bytes()[:-1]),
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(path.read_bytes() + b"\n"),
    flip, Path.unlink, link, pipe, folder, huge,
]  # fmt: skip
KINDS = ["cut", "emptied", "longer", "one bit", "missing", "link", "pipe", "folder", "huge"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", DAMAGES, ids=KINDS)
def test_a_damaged_file_never_loads(models: Path, name: str, damage: Callable[[Path], None]) -> None:
    damage(models / "v1" / name)
    with pytest.raises(InvalidInput):
        load_bundle(models, "v1")


def test_every_bit_of_the_sums_counts(models: Path) -> None:
    """Also the case of a digit and the end of the last line."""
    path = models / "v1" / SUMS
    whole = path.read_bytes()
    for place in range(len(whole)):
        for bit in (0x01, 0x20):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
            with pytest.raises(InvalidInput):
                load_bundle(models, "v1")


def test_files_that_changed_places_never_load(models: Path) -> None:
    one, other = models / "v1" / "model.txt", models / "v1" / "card.md"
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    with pytest.raises(InvalidInput, match="altered"):
        load_bundle(models, "v1")


def test_a_file_more_never_loads(models: Path) -> None:
    (models / "v1" / "more.py").write_text("")
    with pytest.raises(InvalidInput, match="does not name"):
        load_bundle(models, "v1")


def test_the_file_systems_own_names_are_passed_over(models: Path) -> None:
    (models / "v1" / ".nfs0001").write_text("")
    assert load_bundle(models, "v1")


def test_a_forged_bundle_with_fitting_sums_is_not_the_registered_one(tmp_path: Path) -> None:
    digest = write_bundle(tmp_path, "v1", FILES)
    (tmp_path / "v1" / "card.md").write_text("# Better than it is\n")
    seal(tmp_path / "v1")
    assert load_bundle(tmp_path, "v1")
    with pytest.raises(InvalidInput, match="not the one registered"):
        load_bundle(tmp_path, "v1", expected_hash=digest)


def test_the_sums_may_not_name_a_path(models: Path) -> None:
    path = models / "v1" / SUMS
    path.write_bytes(path.read_bytes() + b"0" * 64 + b"  ../registry.json\n")
    with pytest.raises(InvalidInput, match="does not name just"):
        load_bundle(models, "v1")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        pytest.param(b'"version": "v1"', b'"version": "v2"', "another version", id="another version"),
        pytest.param(b'"feature_set_version": 1', b'"feature_set_version": 0', "another feature set", id="feature set"),
        pytest.param(b'"late_days_mean_3"', b'"late_days_mean_4"', "not whole|another feature set", id="feature name"),
        pytest.param(b'"calibrator"', b'"calibrater"', "not whole", id="no calibration"),
        pytest.param(b'"high"', b'"hihg"', "not whole", id="no band"),
        pytest.param(b'{"version"', b'[{"version"', "not whole", id="no JSON"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(models: Path, old: bytes, new: bytes, reason: str) -> None:
    path = models / "v1" / "bundle.json"
    changed = path.read_bytes().replace(old, new)
    assert changed != path.read_bytes()
    path.write_bytes(changed)
    seal(path.parent)
    with pytest.raises(InvalidInput, match=reason):
        load_bundle(models, "v1")


@pytest.mark.parametrize("bands", ['{"medium": 0.3, "high": 0.2}', '{"medium": 0, "high": 0.2}', "[]", "null"])
def test_bands_out_of_order_are_refused(models: Path, bands: str) -> None:
    path = models / "v1" / "bundle.json"
    text = path.read_text()
    start = text.index('"bands": ') + len('"bands": ')
    path.write_text(text[:start] + bands + text[text.index("}", start) + 1 :])
    seal(path.parent)
    with pytest.raises(InvalidInput, match="not whole"):
        load_bundle(models, "v1")


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../v1", "/etc", "a/b", "a\\b", "v1\n", "-v1", "x" * 65, "vé", "registry.json", "SHA256SUMS"],
)
def test_a_version_is_never_a_path(tmp_path: Path, name: str) -> None:
    for act in (check_version, lambda told: load_bundle(tmp_path, told), lambda told: write_bundle(tmp_path, told, {})):
        with pytest.raises(InvalidInput):
            act(name)


def test_an_unknown_version_is_not_found(models: Path) -> None:
    with pytest.raises(NotFound):
        load_bundle(models, "v2")


def test_a_folder_that_is_a_link_is_not_followed(models: Path) -> None:
    (models / "v2").symlink_to(models / "v1")
    with pytest.raises(NotFound):
        load_bundle(models, "v2")


def test_a_version_is_written_once(models: Path) -> None:
    before = {path.name: path.read_bytes() for path in (models / "v1").iterdir()}
    with pytest.raises(Conflict):
        write_bundle(models, "v1", {**FILES, "card.md": b"# Another\n"})
    assert {path.name: path.read_bytes() for path in (models / "v1").iterdir()} == before


def test_of_two_trainings_of_one_version_the_first_stays(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one is there when the draft gets its name."""
    monkeypatch.setattr(Path, "exists", lambda _path: False)
    with pytest.raises(Conflict):
        write_bundle(models, "v1", FILES)
    assert [path.name for path in models.iterdir()] == ["v1"]


def test_a_failed_writing_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(bundle.os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        write_bundle(tmp_path, "v1", FILES)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("libraries", [None, {}, {"lightgbm": "4.7"}, dict.fromkeys(bundle.LIBRARIES, 1)])
def test_a_bundle_tells_the_versions_of_its_libraries(libraries: object) -> None:
    manifest = json.loads(FILES["bundle.json"]) | {"libraries": libraries}
    with pytest.raises(InvalidInput, match="libraries"):
        bundle_of("v1", {**FILES, "bundle.json": json.dumps(manifest).encode()})
