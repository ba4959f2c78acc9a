"""The registry's use cases: models that come from elsewhere and go there, and those that serve."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iit.domain.access import Principal
from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import Conflict, InvalidInput, NotFound, Unavailable
from iit.model import gate
from iit.model.archive import archive_of, is_archive, read_archive
from iit.model.booster import exported
from iit.model.bundle import EXPORT, bundle_of, read_file, write_bundle
from iit.model.foreign import foreign_text
from iit.model.registry import Registry, entry_of
from iit.model.scorer import Scorer
from iit.model.train import Progress
from iit.services.audit import recorded
from iit.services.training import Training
from iit.store.database import Database


@dataclass(frozen=True)
class Models:
    """Changes and checks the registry.

    Attributes:
        database: where the audit trail is.
        models: folder of bundles.
        training: judges models from elsewhere.
    """

    database: Database
    models: Path
    training: Training

    def listing(self) -> dict[str, Any]:
        """Return the registry."""
        return Registry(self.models).read()

    def show(self, version: str) -> dict[str, Any]:
        """Return what a model was made from and its main figures.

        Raises:
            NotFound: no such model. InvalidInput: its bundle was altered.
        """
        entry, manifest = self._told_of(version)
        kept = ("created_at", "label_policy", "window", "participants", "bands", "n_trees", "feature_set_version")
        told = manifest["evaluation"]
        figures = {name: told[name] for name in ("metrics", "intervals", "rivals")}
        return {**entry, **{name: manifest[name] for name in (*kept, "libraries", "limits")}, **figures}

    def figures(self, version: str) -> dict[str, Any]:
        """Return all figures of a model on its test: segments, facilities and curves too, some 100 kB.

        Raises:
            NotFound: no such model. InvalidInput: its bundle was altered.
        """
        _, manifest = self._told_of(version)
        learning = manifest.get("learning_curve")
        told = {"model_version": version, **manifest["evaluation"], "limits": manifest["limits"]}
        return told if learning is None else {**told, "learning_curve": learning}

    def promote(self, version: str, *, although_rejected: bool = False, who: Principal) -> None:
        """Make a model the champion.

        Raises:
            NotFound: no such model. Conflict: the gate objects. InvalidInput: it was altered, or fails its self-test.
        """
        registry = Registry(self.models)
        objections = registry.entry(version).get("objections", [])
        if objections and not although_rejected:
            raise Conflict("; ".join(objections), place=version)
        with recorded(self.database, _event(EventType.MODEL_PROMOTED, who, version, n=len(objections))):
            registry.promote(version)

    def roll_back(self, *, who: Principal) -> str:
        """Return to the champion before, and return its version.

        Raises:
            Conflict: there is none.
        """
        registry = Registry(self.models)
        with recorded(self.database, _event(EventType.MODEL_ROLLED_BACK, who, registry.champion() or "none")):
            return registry.roll_back()

    def set_shadow(self, version: str | None, *, who: Principal) -> None:
        """Let a model score beside the champion, or none.

        Raises:
            NotFound: no such model. Conflict: it is the champion.
        """
        with recorded(self.database, _event(EventType.MODEL_SHADOWED, who, version or "none")):
            Registry(self.models).set_shadow(version)

    def verify(self, version: str | None = None) -> list[str]:
        """Check files, hashes, feature set, library versions and self-test of one model or all; return their versions.

        Raises:
            NotFound: no such model. InvalidInput: what is wrong with the first that is not sound.
        """
        registry = Registry(self.models)
        versions = [version] if version else [one["version"] for one in registry.read()["models"]]
        for one in versions:
            Scorer(registry.load(one))
        return versions

    def export_to(self, folder: Path, version: str | None = None, *, who: Principal) -> list[Path]:
        """Write a model's archive, and its pickle for other tools, into a folder and return both paths.

        Args:
            folder: made if absent.
            version: which; by default the champion.
            who: asks.

        Raises:
            NotFound: no such model. InvalidInput: it was altered. Conflict: a file of that name is there.
        """
        registry = Registry(self.models)
        version = version or registry.champion()
        if version is None:
            raise NotFound("no model is in service: name one", place="model")
        entry = registry.entry(version)
        archive = archive_of(self.models, version, expected_hash=entry["bundle_sha256"])
        files = {f"{version}.tar": archive}
        pickle = self.models / version / EXPORT
        if pickle.exists():
            files[EXPORT] = read_file(pickle)
        with recorded(self.database, _event(EventType.MODEL_EXPORTED, who, version, action="read")):
            _write_new(folder, files)
        return [folder / name for name in files]

    def import_from(
        self,
        path: Path,
        *,
        who: Principal,
        version: str | None = None,
        unpickle: bool = False,
        progress: Progress | None = None,
    ) -> tuple[str, list[str]]:
        """Register a model from elsewhere as a candidate, and return its version and the gate's objections.

        An archive comes with all it needs and keeps its version; a LightGBM text or pickle is calibrated and judged on
        the records here.

        Args:
            path: of the file.
            who: asks.
            version: name of a text's or pickle's model.
            unpickle: leave to open a pickle, in a child process that is shut off.
            progress: is told (stage, done, of).

        Raises:
            NotFound: no such file. InvalidInput: not a model that this service can use. Conflict: the version exists.
            Unavailable: the child process cannot be shut off here, or LightGBM is not installed.
        """
        if not path.is_file():
            raise NotFound("there is no such file", place=str(path))
        if is_archive(path):
            return self._import_archive(path, who)
        if version is None:
            raise InvalidInput("a text or pickle has no name of its own: give one", place="--model-version")
        with recorded(self.database, _event(EventType.MODEL_IMPORTED, who, version)):
            told = self.training.adopt(version, foreign_text(path, unpickle=unpickle), who=who, progress=progress)
        return version, told.objections

    def _import_archive(self, path: Path, who: Principal) -> tuple[str, list[str]]:
        version, files = read_archive(path)
        bundle = bundle_of(version, files)
        try:
            objections = gate.objections(bundle.manifest["evaluation"])
        except (KeyError, TypeError, ValueError, AttributeError) as cause:
            raise InvalidInput("does not tell how good it is", place="bundle.json") from cause
        entry_of(bundle.manifest, objections, "")  # refuses what it cannot read, before anything is written
        made_here = {}
        with suppress(Unavailable):  # without LightGBM there is no pickle for other tools
            made_here[EXPORT] = exported(bundle.model_text)
        with recorded(self.database, _event(EventType.MODEL_IMPORTED, who, version, n=len(objections))):
            digest = write_bundle(self.models, version, {**files, **made_here})
            Registry(self.models).add(entry_of(bundle.manifest, objections, digest))
        return version, objections

    def _told_of(self, version: str) -> tuple[dict[str, Any], Mapping[str, Any]]:
        registry = Registry(self.models)
        return registry.entry(version), registry.load(version).manifest


def _write_new(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        try:
            with (folder / name).open("xb") as file:
                file.write(data)
        except FileExistsError as cause:
            raise Conflict("exists already", place=str(folder / name)) from cause


def _event(event_type: EventType, who: Principal, version: str, *, action: str = "update", n: int = 0) -> AuditEvent:
    target = f"model:{version}"
    return AuditEvent(event_type=event_type, actor=who.name, action=action, target=target, detail={"objections": n})
