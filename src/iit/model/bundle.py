"""A model bundle: the folder that holds all a model needs, checked whole before anything of it is believed.

`model.txt` (LightGBM's text), `bundle.json` (numbers), `card.md`, and `SHA256SUMS` of them and of the exported
`iit_lightgbm_model.pkl`. The export is for other tools; it is never read here, since unpickling runs code.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from iit.domain.errors import Conflict, InvalidInput, NotFound
from iit.features.registry import FEATURE_NAMES, FEATURE_SET_VERSION
from iit.model.calibrate import Calibrator
from iit.model.scorecard import Scorecard

EXPORT: Final = "iit_lightgbm_model.pkl"
SUMS: Final = "SHA256SUMS"
_NEEDED: Final = ("model.txt", "bundle.json", "card.md")
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LARGEST: Final = 200_000_000  # bytes of one file


@dataclass(frozen=True, repr=False)
class Bundle:
    """A model as loaded.

    Attributes:
        version: its name.
        model_text: the booster in LightGBM's text form.
        calibrator: raw score to risk.
        scorecard: last resort.
        bands: lowest risk of `medium` and of `high`.
        manifest: all numbers of `bundle.json`.
    """

    version: str
    model_text: str
    calibrator: Calibrator
    scorecard: Scorecard
    bands: Mapping[str, float]
    manifest: Mapping[str, Any]


def check_version(version: str) -> str:
    """Return a version's name if it is fit to be a folder's.

    Raises:
        InvalidInput: it is not.
    """
    if not _VERSION.fullmatch(version):
        raise InvalidInput("use up to 64 letters, digits, dots, dashes and underscores", place="model version")
    return version


def write_bundle(models: Path, version: str, files: Mapping[str, bytes]) -> str:
    """Publish a bundle whole or not at all, and return the hash of its sums.

    Raises:
        Conflict: the version exists.
    """
    target = models / check_version(version)
    if target.exists():
        raise Conflict(f"{version} exists already: choose another version", place="model version")
    models.mkdir(parents=True, exist_ok=True)
    draft = models / f".{version}.{os.getpid()}"
    draft.mkdir()
    try:
        sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items()))
        for name, data in {**files, SUMS: sums.encode()}.items():
            with (draft / name).open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        draft.rename(target)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    _sync_folder(models)
    return hashlib.sha256(sums.encode()).hexdigest()


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
    folder = models / check_version(version)
    if not folder.is_dir() or folder.is_symlink():
        raise NotFound(f"there is no model {version}", place="model")
    contents = _read_checked(folder, expected_hash)
    try:
        manifest = json.loads(contents["bundle.json"])
        bundle = Bundle(
            version=version,
            model_text=contents["model.txt"].decode("ascii"),
            calibrator=Calibrator.of(manifest["calibrator"]),
            scorecard=Scorecard.of(manifest["scorecard"]),
            bands={name: float(manifest["bands"][name]) for name in ("medium", "high")},
            manifest=manifest,
        )
    except (ValueError, KeyError, TypeError, RecursionError) as cause:
        raise InvalidInput(f"model {version}: bundle.json is not whole", place="model") from cause
    if manifest.get("version") != version:
        raise InvalidInput(f"model {version}: the bundle is of another version", place="model")
    if manifest.get("feature_set_version") != FEATURE_SET_VERSION or manifest.get("features") != list(FEATURE_NAMES):
        raise InvalidInput(f"model {version}: made for another feature set; train it anew", place="model")
    return bundle


def _read_checked(folder: Path, expected_hash: str | None) -> dict[str, bytes]:
    sums = _read(folder / SUMS)
    if expected_hash is not None and hashlib.sha256(sums).hexdigest() != expected_hash:
        raise InvalidInput(f"model {folder.name}: {SUMS} is not the one registered", place="model")
    wanted = {}
    for line in sums.decode("ascii", "replace").splitlines():
        digest, _, name = line.partition("  ")
        wanted[name] = digest
    if not set(_NEEDED) <= set(wanted):
        raise InvalidInput(f"model {folder.name}: {SUMS} names not all files", place="model")
    contents = {name: _read(folder / name) for name in _NEEDED}
    for name, data in contents.items():
        if hashlib.sha256(data).hexdigest() != wanted[name]:
            raise InvalidInput(f"model {folder.name}: {name} was altered", place="model")
    return contents


def _read(path: Path) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as cause:
        raise InvalidInput(f"model {path.parent.name}: {path.name} is missing", place="model") from cause
    with os.fdopen(handle, "rb") as file:
        if os.fstat(handle).st_size > _LARGEST:
            raise InvalidInput(f"model {path.parent.name}: {path.name} is too large", place="model")
        return file.read()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
