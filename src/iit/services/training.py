"""Training models on the records in the database, and taking in trees that were grown elsewhere."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from iit.domain.access import Principal
from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import Conflict
from iit.domain.interruption import GRACE_DAYS
from iit.domain.record import day_date, day_number
from iit.model import card, gate
from iit.model.baselines import LogisticBaseline, fit_baseline
from iit.model.booster import exported
from iit.model.bundle import EXPORT, PAGE, check_version, write_bundle
from iit.model.card_process import draw_page
from iit.model.dataset import Dataset, thinned
from iit.model.evaluate import TestRows, evaluate
from iit.model.importance import importance_of
from iit.model.learning import learning_curve, training_of
from iit.model.participants import participants_of
from iit.model.reference import Surroundings, reference_of
from iit.model.registry import Registry, entry_of
from iit.model.split import Split, split
from iit.model.train import Progress, Trained, adopt, manifest_of, train
from iit.services.contexts import keep_contexts
from iit.services.evaluation import keep_figures
from iit.services.material import Material, champion_risk, read_material, rows_to_judge
from iit.store import audit as audit_trail
from iit.store.database import Database

_THREADS: Final = 2
_HERE, _ELSEWHERE = "trained here", "elsewhere"

LABEL_POLICY = (
    "1 if there is no ARV pick-up within 28 days after the expected day (pick-up + days supplied), 0 if there is; "
    "death, transfer out and documented stop in between give no label; an absence counts only once the facility's "
    "reports are complete to its end."
)


@dataclass(frozen=True)
class CardWish:
    """What a model card is to hold besides what it always does.

    Attributes:
        learning: also measure the learning curve, which costs about one more training.
        page: writes the card as HTML too (`iit.model.card_process.draw_page`).
    """

    learning: bool = False
    page: Callable[[str, Mapping[str, Any]], str] | None = None


PLAIN_CARD: Final = CardWish()


@dataclass(frozen=True)
class TrainingResult:
    """What came of a training."""

    version: str
    promoted: bool
    objections: list[str]
    evaluation: dict[str, Any]


@dataclass(frozen=True)
class _Wish:
    version: str = field(repr=False)
    actor: str
    as_of: date | None
    out: Path | None
    seed: int
    card: CardWish
    tell: Progress
    origin: str = _HERE


_Grow = Callable[[Dataset, NDArray[np.float32], Split], Trained]


@dataclass(frozen=True)
class Training:
    """Trains.

    Attributes:
        database: where the records are.
        models: folder of bundles.
        now: the present time, aware.
    """

    database: Database
    models: Path
    now: Callable[[], datetime]

    def train(  # noqa: PLR0913 - all but the version by keyword
        self,
        version: str,
        *,
        who: Principal,
        as_of: date | None = None,
        out: Path | None = None,
        seed: int = 1,
        card_wish: CardWish = PLAIN_CARD,
        progress: Progress | None = None,
    ) -> TrainingResult:
        """Train a model, judge it, write its bundle and register it; it serves at once if nothing speaks against it.

        Args:
            version: name of the new model.
            who: asks.
            as_of: nothing known later is used; by default all that is known.
            out: folder of bundles instead of the service's own; then nothing is registered for service.
            seed: of everything drawn by chance.
            card_wish: what the card holds besides.
            progress: is told (stage, done, of).

        Raises:
            Conflict: the version exists. InvalidInput: too little data.
        """

        def grow(dataset: Dataset, features: NDArray[np.float32], parts: Split) -> Trained:
            return train(dataset, features, parts, seed=seed, threads=_THREADS, progress=progress)

        return self._made(_Wish(version, who.name, as_of, out, seed, card_wish, progress or _silent), grow)

    def adopt(
        self, version: str, model_text: str, *, who: Principal, progress: Progress | None = None
    ) -> TrainingResult:
        """Calibrate, judge and register trees that were grown elsewhere, as `train` does with its own.

        Nobody here knows which rows those trees have seen: judged on rows they were grown on, they look better than
        they are. So they never serve at once.

        Args:
            version: name of the new model.
            model_text: of `foreign_text`.
            who: asks.
            progress: is told (stage, done, of).

        Raises:
            Conflict: the version exists. InvalidInput: too little data.
        """

        def grow(dataset: Dataset, features: NDArray[np.float32], parts: Split) -> Trained:
            return adopt(model_text, dataset, features, parts, threads=_THREADS)

        wish = _Wish(version, who.name, None, None, 0, CardWish(page=draw_page), progress or _silent, origin=_ELSEWHERE)
        return self._made(wish, grow)

    def retrain(self, arguments: Mapping[str, Any], who: Principal, tell: Progress) -> dict[str, Any]:
        """Train as a job: `model_version`, and where given `as_of` (ISO date) and `seed`, as `train`."""
        as_of = arguments.get("as_of")
        result = self.train(
            arguments["model_version"],
            who=who,
            as_of=None if as_of is None else date.fromisoformat(as_of),
            seed=arguments.get("seed", 1),
            card_wish=CardWish(page=draw_page),
            progress=tell,
        )
        figures = {name: result.evaluation["metrics"][name] for name in ("auroc", "auprc", "ece")}
        told = {"model_version": result.version, "promoted": result.promoted, "objections": result.objections}
        return {**told, "metrics": figures}

    def check_free(self, version: str) -> None:
        """Raise unless a new model may have this name.

        Raises:
            InvalidInput: it is no name for a model. Conflict: it exists.
        """
        _check_free(self.models, version)

    def _made(self, wish: _Wish, grow: _Grow) -> TrainingResult:
        version, tell = wish.version, wish.tell
        target = wish.out or self.models
        _check_free(target, version)
        tell("reading records", 0, 1)
        started = _event(EventType.MODEL_TRAINED, wish, outcome="started")
        material = read_material(self.database, wish.as_of, audit=started)
        with self.database.transaction() as tx:
            keep_contexts(tx, material.cohort, material.contexts)
        dataset = thinned(material.dataset.take(material.dataset.trainable))
        parts = split(dataset, material.cohort.patient_uuids, [one.facility for one in material.cohort.facilities])
        tell("computing features", 0, 1)
        features = material.features_of(dataset)
        trained = grow(dataset, features, parts)
        grown = parts.early | parts.late
        baseline = fit_baseline(features[grown], dataset.label[grown])
        manifest = manifest_of(trained, version=version, features=features[grown])
        manifest |= {
            "reference": _reference(material, trained),
            "created_at": self.now().isoformat(timespec="seconds"),
            "label_policy": LABEL_POLICY,
            "seed": wish.seed,
            "origin": wish.origin,
            "window": _window(material, parts, dataset),
            "logistic": baseline.as_dict(),
            "limits": gate.LIMITS.as_dict(),
            "participants": participants_of(material.dataset, dataset, parts),
        }
        tell("judging", 0, 1)
        rows = rows_to_judge(material, dataset, features, parts.test, parts.unseen_patient, parts.unseen_facility)
        risk = trained.risk(rows.features, threads=_THREADS)
        evaluation = evaluate(risk, rows, self._rivals(trained, baseline, rows))
        objections = gate.objections(evaluation)
        manifest |= {"evaluation": evaluation, "importance": importance_of(trained.booster, rows.features)}
        if wish.card.learning:
            tell("measuring the learning curve", 0, 1)
            again = training_of(dataset, features, seed=wish.seed, threads=_THREADS)
            manifest["learning_curve"] = learning_curve(
                dataset, features, parts, grow=again, whole=risk, seed=wish.seed
            )
        digest = write_bundle(target, version, _files(trained, manifest, objections, wish.card))
        promoted = wish.out is None and self._register(manifest, objections, digest)
        told = [EventType.MODEL_TRAINED, *([EventType.MODEL_PROMOTED] if promoted else [])]
        with self.database.transaction() as tx:
            audit_trail.write(tx, *(_event(one, wish) for one in told))
        tell("done", 1, 1)
        return TrainingResult(version, promoted, objections, evaluation)

    def _rivals(self, trained: Trained, baseline: LogisticBaseline, rows: TestRows) -> dict[str, NDArray[np.float64]]:
        return {
            "scorecard": trained.scorecard.risk(rows.features),
            "single feature": trained.single.score(rows.features),
            "logistic regression": baseline.risk(rows.features),
            **champion_risk(self.models, rows.features),
        }

    def _register(self, manifest: Mapping[str, Any], objections: list[str], digest: str) -> bool:
        """Register a new bundle, and let it serve if it is our own and nothing speaks against it."""
        registry = Registry(self.models)
        registry.add(entry_of(manifest, objections, digest))
        may_serve = manifest["origin"] == _HERE and not objections
        if may_serve:
            registry.promote(manifest["version"])
        keep_figures(self.database, manifest["version"], manifest["evaluation"])
        return may_serve


def _reference(material: Material, trained: Trained) -> dict[str, Any]:
    cohort = material.cohort
    world = Surroundings(
        cohort.columns, cohort.facility, material.contexts, [one.facility for one in cohort.facilities]
    )
    high = trained.bands["high"]
    return reference_of(world, partial(trained.risk, threads=_THREADS), as_of=day_number(material.as_of), high=high)


def _event(event_type: EventType, wish: _Wish, outcome: str = "ok") -> AuditEvent:
    target = f"model:{wish.version}"
    return AuditEvent(event_type=event_type, actor=wish.actor, action="execute", target=target, outcome=outcome)


def _check_free(models: Path, version: str) -> None:
    if (models / check_version(version)).exists():
        raise Conflict(f"{version} exists already: choose another version", place="model version")


def _silent(_stage: str, _done: int, _of: int) -> None:
    """Tell nobody."""


def _window(material: Material, parts: Split, dataset: Dataset) -> dict[str, Any]:
    return {
        "as_of": material.as_of.isoformat(),
        "train_until": day_date(parts.train_until).isoformat(),
        "calibrate_until": day_date(parts.calibrate_until).isoformat(),
        "n_patients": len(material.cohort.patient_uuids),
        "n_rows": len(dataset),
        "n_train": int((parts.early | parts.late).sum()),
        "n_calibrate": int(parts.calibrate.sum()),
        "n_test": int(parts.test.sum()),
        "grace_days": GRACE_DAYS,
        "synthetic": bool(material.truths),
    }


def _files(trained: Trained, manifest: Mapping[str, Any], objections: list[str], wish: CardWish) -> dict[str, bytes]:
    trees = trained.booster.model_to_string()
    text = card.as_markdown(manifest, manifest["evaluation"], objections)
    files = {
        "model.txt": trees.encode("ascii"),
        "bundle.json": json.dumps(manifest, default=float).encode(),
        "card.md": text.encode(),
        EXPORT: exported(trees),
    }
    return files if wish.page is None else {**files, PAGE: wish.page(text, manifest).encode()}
