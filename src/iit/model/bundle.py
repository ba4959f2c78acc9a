"""A model bundle: the folder that holds all a model needs, checked whole before anything of it is believed.

`model.txt` (LightGBM's text), `bundle.json` (numbers), `card.md`, and `SHA256SUMS` of them, of `card.html` (the card
with plots, where they were drawn) and of the exported `iit_lightgbm_model.pkl`. The export is for other tools; it is
never read here, since unpickling runs code.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from iit.domain.errors import Conflict, InvalidInput, NotFound
from iit.features.registry import FEATURE_NAMES, FEATURE_SET_VERSION
from iit.model.calibrate import Calibrator
from iit.model.lightgbm_text import MAX_CHARACTERS
from iit.model.scorecard import Scorecard

EXPORT: Final = "iit_lightgbm_model.pkl"
PAGE: Final = "card.html"
SUMS: Final = "SHA256SUMS"
LIBRARIES: Final = ("python", "lightgbm", "numpy", "numba")  # whose versions a bundle tells
_NUMBERS: Final = "bundle.json"
NEEDED: Final = ("model.txt", "bundle.json", "card.md")
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NOT_VERSIONS: Final = ("registry.json", SUMS, EXPORT)  # names that mean something else in the folder of models
LARGEST: Final[Mapping[str, int]] = {  # bytes
    "model.txt": MAX_CHARACTERS, "bundle.json": 20_000_000, "card.md": 5_000_000, PAGE: 20_000_000, EXPORT: 500_000_000,
    SUMS: 4_000,
}  # fmt: skip


@dataclass(frozen=True, repr=False)
class Numbers:
    """What `bundle.json` says of a model.

    Attributes:
        version: its name.
        calibrator: raw score to risk.
        scorecard: last resort.
        bands: lowest risk of `medium` and of `high`.
        manifest: all numbers of `bundle.json`.
    """

    version: str
    calibrator: Calibrator
    scorecard: Scorecard
    bands: Mapping[str, float]
    manifest: Mapping[str, Any]


@dataclass(frozen=True, repr=False)
class Bundle(Numbers):
    """A model as loaded.

    Attributes:
        model_text: the trees in LightGBM's text form.
    """

    model_text: str


def check_version(version: str) -> str:
    """Return a version's name if it is fit to be a folder's.

    Raises:
        InvalidInput: it is not.
    """
    if not _VERSION.fullmatch(version) or version in _NOT_VERSIONS:
        raise InvalidInput("use up to 64 letters, digits, dots, dashes and underscores", place="model version")
    return version


def write_bundle(models: Path, version: str, files: Mapping[str, bytes]) -> str:
    """Publish a bundle whole or not at all, and return the hash of its sums.

    Raises:
        Conflict: the version exists.
    """
    target = models / check_version(version)
    if target.exists() or target.is_symlink():
        raise Conflict(f"{version} exists already: choose another version", place="model version")
    models.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{version}.", dir=models))
    try:
        sums = sums_of({name: hashlib.sha256(data).hexdigest() for name, data in files.items()})
        for name, data in {**files, SUMS: sums}.items():
            with (draft / name).open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        draft.chmod(0o755)  # mkdtemp keeps others out: a service under another account is to read it
        sync_folder(draft)
        _rename(draft, target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    sync_folder(models)
    return hashlib.sha256(sums).hexdigest()


def _rename(draft: Path, target: Path) -> None:
    """Give the draft its name, unless another training has taken it meanwhile."""
    try:
        draft.rename(target)
    except OSError as cause:
        if cause.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise
        raise Conflict(f"{target.name} exists already: choose another version", place="model version") from cause


def sums_of(digests: Mapping[str, str]) -> bytes:
    """Return the one way to write SHA256SUMS, as `sha256sum --check` reads it: sorted by name."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items())).encode()


def load_bundle(models: Path, version: str, *, expected_hash: str | None = None) -> Bundle:
    """Return a bundle after checking every file against its sum.

    Args:
        models: folder of all bundles.
        version: which one.
        expected_hash: what `write_bundle` returned, from the registry.

    Raises:
        NotFound: there is no such bundle.
        InvalidInput: something in it is missing, altered, too large, or of another feature set.
    """
    folder = _folder_of(models, version)
    contents = _read_checked(folder, _sums_of_folder(folder, expected_hash))
    _check_names(folder, set(contents))
    return bundle_of(version, contents)


def load_numbers(models: Path, version: str, *, expected_hash: str) -> Numbers:
    """Return what `bundle.json` says, if that file is whole, whatever became of the others.

    Raises:
        NotFound: there is no such bundle.
        InvalidInput: it or the sums are missing, altered, too large, or of another feature set.
    """
    folder = _folder_of(models, version)
    digests = _sums_of_folder(folder, expected_hash)
    return _numbers_of(version, _read_checked(folder, {_NUMBERS: digests[_NUMBERS]})[_NUMBERS])


def bundle_of(version: str, contents: Mapping[str, bytes]) -> Bundle:
    """Return the bundle that files hold.

    Raises:
        InvalidInput: they do not hold one of this version and feature set.
    """
    numbers = _numbers_of(version, contents[_NUMBERS])
    try:
        text = contents["model.txt"].decode("ascii")
    except ValueError as cause:
        raise InvalidInput(f"model {version}: model.txt is not whole", place="model") from cause
    return Bundle(**vars(numbers), model_text=text)


def _numbers_of(version: str, data: bytes) -> Numbers:
    try:
        manifest = json.loads(data)
        numbers = Numbers(
            version=version,
            calibrator=Calibrator.of(manifest["calibrator"]),
            scorecard=Scorecard.of(manifest["scorecard"]),
            bands=_bands_of(manifest["bands"]),
            manifest=manifest,
        )
    except (ValueError, KeyError, TypeError, RecursionError) as cause:
        raise InvalidInput(f"model {version}: bundle.json is not whole", place="model") from cause
    if manifest.get("version") != version:
        raise InvalidInput(f"model {version}: the bundle is of another version", place="model")
    if manifest.get("feature_set_version") != FEATURE_SET_VERSION or manifest.get("features") != list(FEATURE_NAMES):
        raise InvalidInput(f"model {version}: made for another feature set; train it anew", place="model")
    if not _are_versions(manifest.get("libraries")):
        raise InvalidInput(f"model {version}: the versions of libraries are missing", place="model")
    return numbers


def _are_versions(libraries: Any) -> bool:
    if not isinstance(libraries, dict) or not set(LIBRARIES) <= set(libraries):
        return False
    return all(isinstance(name, str) and isinstance(one, str) for name, one in libraries.items())


def _bands_of(numbers: Mapping[str, Any]) -> Mapping[str, float]:
    medium, high = float(numbers["medium"]), float(numbers["high"])
    if not 0 < medium <= high < 1:
        raise ValueError("bands are not in order")
    return {"medium": medium, "high": high}


def _folder_of(models: Path, version: str) -> Path:
    folder = models / check_version(version)
    if not folder.is_dir() or folder.is_symlink():
        raise NotFound(f"there is no model {version}", place="model")
    return folder


def _sums_of_folder(folder: Path, expected_hash: str | None) -> dict[str, str]:
    sums = read_file(folder / SUMS)
    if expected_hash is not None and hashlib.sha256(sums).hexdigest() != expected_hash:
        raise InvalidInput(f"model {folder.name}: {SUMS} is not the one registered", place="model")
    return digests_of(sums, folder.name)


def digests_of(sums: bytes, version: str) -> dict[str, str]:
    """Return the digest of each file that SHA256SUMS names.

    Raises:
        InvalidInput: it is not written as `sums_of` writes it, or names other files than those of a bundle.
    """
    wanted = {}
    for line in sums.decode("ascii", "replace").splitlines():
        digest, _, name = line.partition("  ")
        wanted[name] = digest
    if not {*NEEDED} <= set(wanted) <= {*NEEDED, PAGE, EXPORT} or sums != sums_of(wanted):
        raise InvalidInput(f"model {version}: {SUMS} does not name just the files of a bundle", place="model")
    return wanted


def _read_checked(folder: Path, digests: Mapping[str, str]) -> dict[str, bytes]:
    contents = {name: read_file(folder / name) for name in digests}
    check_digests(contents, digests, folder.name)
    return contents


def check_digests(contents: Mapping[str, bytes], digests: Mapping[str, str], version: str) -> None:
    """Hold files to their digests.

    Raises:
        InvalidInput: one was altered.
    """
    for name, digest in digests.items():
        if hashlib.sha256(contents[name]).hexdigest() != digest:
            raise InvalidInput(f"model {version}: {name} was altered", place="model")


def _check_names(folder: Path, wanted: set[str]) -> None:
    """Refuse what nobody has summed. Names with a dot in front are the file system's own, and never read."""
    found = {entry.name for entry in os.scandir(folder) if not entry.name.startswith(".")}
    if found - wanted - {SUMS}:
        raise InvalidInput(f"model {folder.name}: holds files that {SUMS} does not name", place="model")


def read_file(path: Path) -> bytes:
    """Return the bytes of a plain file of a bundle; neither follow a link nor wait for a pipe.

    Raises:
        InvalidInput: it is missing, no plain file, or too large for what it is.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as cause:
        raise InvalidInput(f"model {path.parent.name}: {path.name} is missing or a link", place="model") from cause
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise InvalidInput(f"model {path.parent.name}: {path.name} is no plain file", place="model")
        largest = LARGEST[path.name]
        data = b""
        if facts.st_size <= largest:
            with os.fdopen(handle, "rb", closefd=False) as file:
                data = file.read(largest + 1)
        if max(facts.st_size, len(data)) > largest:
            raise InvalidInput(f"model {path.parent.name}: {path.name} is too large", place="model")
        return data
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
