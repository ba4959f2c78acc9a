"""The registry: which models there are, which one serves, and which served before."""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from iit.domain.errors import Conflict, InvalidInput, NotFound
from iit.model.bundle import EXPORT, Bundle, Numbers, load_bundle, load_numbers, read_file, sync_folder
from iit.model.scorer import Scorer

_EMPTY: dict[str, Any] = {"champion": None, "previous": None, "models": []}
_KEYS = ("version", "status", "bundle_sha256")


class Registry:
    """`registry.json` in the folder of models; written whole, under a lock, by rename."""

    def __init__(self, models: Path) -> None:
        self._models = models
        self._path = models / "registry.json"

    def read(self) -> dict[str, Any]:
        """Return the whole registry.

        Raises:
            InvalidInput: the file is damaged.
        """
        try:
            told = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return json.loads(json.dumps(_EMPTY))  # type: ignore[no-any-return]
        except (ValueError, RecursionError) as cause:
            raise InvalidInput("registry.json is damaged", place="model registry") from cause
        if not _is_whole(told):
            raise InvalidInput("registry.json is damaged", place="model registry")
        return told  # type: ignore[no-any-return]

    def champion(self) -> str | None:
        """Return the version that serves."""
        return self.read()["champion"]  # type: ignore[no-any-return]

    def previous(self) -> str | None:
        """Return the version that served before."""
        return self.read()["previous"]  # type: ignore[no-any-return]

    def shadow(self) -> str | None:
        """Return the version that is tried beside the champion, unseen by those who treat patients."""
        told = self.read()
        version: str | None = told.get("shadow")
        return None if version == told["champion"] else version

    def set_shadow(self, version: str | None) -> None:
        """Try a model beside the champion, or none. Idempotent.

        Raises:
            NotFound: it is not registered. InvalidInput: it was altered, or fails its self-test.
            Conflict: it is the champion.
        """
        if version is not None:
            Scorer(self.load(version))
        with self._changing() as told:
            if version is not None and version == told["champion"]:
                raise Conflict(f"{version} is the champion", place="model")
            told["shadow"] = version

    def entry(self, version: str) -> dict[str, Any]:
        """Return what is registered of a model.

        Raises:
            NotFound: nothing is.
        """
        for one in self.read()["models"]:
            if one["version"] == version:
                return dict(one)
        raise NotFound(f"there is no model {version}", place="model")

    def load(self, version: str) -> Bundle:
        """Return a registered bundle, checked against the hash registered.

        Raises:
            NotFound: it is not registered. InvalidInput: it was altered.
        """
        return load_bundle(self._models, version, expected_hash=self.entry(version)["bundle_sha256"])

    def load_numbers(self, version: str) -> Numbers:
        """Return what a registered bundle's `bundle.json` says, although its trees may be damaged.

        Raises:
            NotFound: it is not registered. InvalidInput: it was altered.
        """
        return load_numbers(self._models, version, expected_hash=self.entry(version)["bundle_sha256"])

    def verify_all(self) -> None:
        """Load and check every registered bundle.

        Raises:
            InvalidInput: the registry or a bundle is damaged. NotFound: a bundle is gone.
        """
        for entry in self.read()["models"]:
            self.load(entry["version"])

    def add(self, entry: Mapping[str, Any]) -> None:
        """Register a model, as `candidate` or `rejected`."""
        with self._changing() as told:
            if any(one["version"] == entry["version"] for one in told["models"]):
                raise Conflict(f"{entry['version']} is registered already", place="model")
            told["models"].append(dict(entry))

    def promote(self, version: str) -> None:
        """Make a model the champion; the one before stays at hand. Idempotent.

        It is loaded and tested first: what does not give the risks it gave at training never serves.

        Raises:
            NotFound: it is not registered. InvalidInput: it was altered, or fails its self-test.
        """
        Scorer(self.load(version))
        with self._changing() as told:
            if told["champion"] != version:
                told["previous"], told["champion"] = told["champion"], version
                _set_standing(told)
        self._publish_export(version)

    def roll_back(self) -> str:
        """Return to the previous champion and return its version.

        Raises:
            Conflict: there is none.
        """
        previous = self.previous()
        if previous is None:
            raise Conflict("there is no previous model to return to", place="model")
        self.promote(previous)
        return previous

    def _publish_export(self, version: str) -> None:
        """Put the champion's export at the top of the folder, for other tools; the service never reads it."""
        target, source = self._models / EXPORT, self._models / version / EXPORT
        if source.exists():
            _write_whole(target, read_file(source))
        else:
            target.unlink(missing_ok=True)

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        self._models.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._models / ".registry.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            told = self.read()
            yield told
            _write_whole(self._path, json.dumps(told, indent=2).encode())
        finally:
            os.close(lock)


def _write_whole(path: Path, data: bytes) -> None:
    """Replace a file whole or not at all."""
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)  # mkstemp keeps others out: a service under another account is to read it
        Path(draft).rename(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def entry_of(manifest: Mapping[str, Any], objections: list[str], digest: str) -> dict[str, Any]:
    """Return what the registry says of a new bundle.

    Args:
        manifest: its `bundle.json`.
        objections: the gate's reasons against it.
        digest: what `write_bundle` returned.

    Raises:
        InvalidInput: the manifest does not tell when it was made or how good it is.
    """
    try:
        figures = {name: float(manifest["evaluation"]["metrics"][name]) for name in ("auroc", "ece")}
        version, created_at = str(manifest["version"]), datetime.fromisoformat(manifest["created_at"]).isoformat()
    except (KeyError, TypeError, ValueError) as cause:
        raise InvalidInput("does not tell when it was made or how good it is", place="bundle.json") from cause
    status = "rejected" if objections else "candidate"
    return {"version": version, "status": status, "created_at": created_at, "bundle_sha256": digest, **figures,
            "objections": objections}  # fmt: skip


def _is_whole(told: Any) -> bool:
    """Return whether this is a registry: its serving models are among its models, and each has a hash to check."""
    if not isinstance(told, dict) or not isinstance(told.get("models"), list) or not set(_EMPTY) <= set(told):
        return False
    entries = told["models"]
    if not all(isinstance(one, dict) and all(isinstance(one.get(key), str) for key in _KEYS) for one in entries):
        return False
    known = {None, *(one["version"] for one in entries)}
    return all(isinstance(one, str | None) and one in known for one in _named(told))


def _named(told: dict[str, Any]) -> tuple[Any, ...]:
    return told["champion"], told["previous"], told.get("shadow")


def _set_standing(told: dict[str, Any]) -> None:
    for one in told["models"]:
        if one["version"] == told["champion"]:
            one["status"] = "champion"
        elif one["version"] == told["previous"]:
            one["status"] = "previous"
        elif one["status"] in ("champion", "previous"):
            one["status"] = "candidate"
