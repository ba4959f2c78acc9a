"""The registry: which models there are, which one serves, and which served before."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from iit.domain.errors import Conflict, InvalidInput, NotFound
from iit.model.bundle import Bundle, load_bundle, sync_folder
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
            if told["champion"] == version:
                return
            told["previous"], told["champion"] = told["champion"], version
            _set_standing(told)

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

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        self._models.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._models / ".registry.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            told = self.read()
            yield told
            draft = self._path.with_name(f".registry.{os.getpid()}")
            with draft.open("w", encoding="utf-8") as file:
                json.dump(told, file, indent=2)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(self._path)
            sync_folder(self._models)
        finally:
            os.close(lock)


def _is_whole(told: Any) -> bool:
    """Return whether this is a registry: its serving models are among its models, and each has a hash to check."""
    if not isinstance(told, dict) or not isinstance(told.get("models"), list) or not set(_EMPTY) <= set(told):
        return False
    entries = told["models"]
    if not all(isinstance(one, dict) and all(isinstance(one.get(key), str) for key in _KEYS) for one in entries):
        return False
    known = {None, *(one["version"] for one in entries)}
    return all(isinstance(one, str | None) and one in known for one in (told["champion"], told["previous"]))


def _set_standing(told: dict[str, Any]) -> None:
    for one in told["models"]:
        if one["version"] == told["champion"]:
            one["status"] = "champion"
        elif one["version"] == told["previous"]:
            one["status"] = "previous"
        elif one["status"] in ("champion", "previous"):
            one["status"] = "candidate"
