"""Training and judging models on the records in the database."""

import io
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iit.domain.errors import Conflict, InvalidInput
from iit.domain.interruption import GRACE_DAYS
from iit.domain.record import day_date, day_number
from iit.features.context import Contexts
from iit.features.registry import INDEX
from iit.model import card, gate
from iit.model.bundle import EXPORT, check_version, write_bundle
from iit.model.dataset import Dataset, build_dataset, features_of, thinned
from iit.model.evaluate import TestRows, evaluate
from iit.model.reference import Surroundings, reference_of
from iit.model.registry import Registry
from iit.model.scorer import Scorer
from iit.model.split import Split, held_out, split
from iit.model.train import Progress, Trained, logistic_baseline, manifest_of, single_score, train
from iit.services.contexts import Cohort, contexts_of, keep_contexts, load_cohort
from iit.store import metrics as metric_store
from iit.store import truths as truth_store
from iit.store.database import Database
from iit.store.truths import Truth

LABEL_POLICY = (
    "1 if there is no ARV pick-up within 28 days after the expected day (pick-up + days supplied), 0 if there is; "
    "death, transfer out and documented stop in between give no label; an absence counts only once the facility's "
    "reports are complete to its end."
)


@dataclass(frozen=True)
class TrainingResult:
    """What came of a training."""

    version: str
    promoted: bool
    objections: list[str]
    evaluation: dict[str, Any]


@dataclass(frozen=True, repr=False)
class _Material:
    cohort: Cohort
    contexts: Contexts
    dataset: Dataset
    truths: list[Truth]
    as_of: date


@dataclass(frozen=True)
class Modelling:
    """Trains and judges.

    Attributes:
        database: where the records are.
        models: folder of bundles.
        now: the present time, aware.
    """

    database: Database
    models: Path
    now: Callable[[], datetime]

    def train(
        self,
        version: str,
        *,
        as_of: date | None = None,
        out: Path | None = None,
        seed: int = 1,
        threads: int = 2,
        progress: Progress | None = None,
    ) -> TrainingResult:
        """Train a model, judge it, write its bundle and register it; it serves at once if nothing speaks against it.

        Args:
            version: name of the new model.
            as_of: nothing known later is used; by default all that is known.
            out: folder of bundles instead of the service's own; then nothing is registered for service.
            seed: of everything drawn by chance.
            threads: for growing trees.
            progress: is told (stage, done, of).

        Raises:
            Conflict: the version exists. InvalidInput: too little data.
        """
        target = out or self.models
        if (target / check_version(version)).exists():
            raise Conflict(f"{version} exists already: choose another version", place="model version")
        tell = progress or _silent
        tell("reading records", 0, 1)
        material = self._material(as_of)
        with self.database.transaction() as tx:
            keep_contexts(tx, material.cohort, material.contexts)
        dataset = thinned(material.dataset.take(material.dataset.trainable))
        parts = split(dataset, material.cohort.patient_uuids, [one.facility for one in material.cohort.facilities])
        tell("computing features", 0, 1)
        features = features_of(dataset, material.cohort.columns, material.cohort.facility, material.contexts)
        trained = train(dataset, features, parts, seed=seed, threads=threads, progress=tell)
        grown = parts.early | parts.late
        manifest = manifest_of(trained, version=version, features=features[grown])
        manifest |= {
            "created_at": self.now().isoformat(timespec="seconds"),
            "label_policy": LABEL_POLICY,
            "seed": seed,
            "window": _window(material, parts, dataset),
            "reference": _reference(material, trained, threads),
        }
        tell("judging", 0, 1)
        rows = _test_rows(material, dataset, features, parts.test, parts.unseen_patient, parts.unseen_facility)
        raw = np.asarray(trained.booster.predict(rows.features, raw_score=True, num_threads=threads), np.float64)
        rivals = {
            "scorecard": trained.scorecard.risk(rows.features),
            "single feature": single_score(rows.features, trained.single_feature, trained.single_direction),
            "logistic regression": logistic_baseline(features[grown], dataset.label[grown], rows.features),
            **self._champion_scores(rows.features),
        }
        evaluation = evaluate(trained.calibrator.apply(raw), rows, rivals)
        objections = gate.objections(evaluation)
        manifest["evaluation"] = evaluation
        digest = write_bundle(target, version, _files(trained.booster, manifest, evaluation, objections))
        if out is None:
            self._register(version, manifest, evaluation, objections, digest)
        tell("done", 1, 1)
        return TrainingResult(version, out is None and not objections, objections, evaluation)

    def evaluate(
        self,
        version: str | None = None,
        *,
        since: date | None = None,
        until: date | None = None,
        rows_to: Callable[[list[str], list[tuple[object, ...]]], None] | None = None,
    ) -> dict[str, Any]:
        """Judge a model on cycles that began after its calibration window, or between two days.

        Args:
            version: which; by default the champion.
            since: first pick-up day, included; by default the day after the calibration window.
            until: last pick-up day, included.
            rows_to: is handed the header and one row a labelled landmark.

        Raises:
            NotFound: no such model. InvalidInput: no labelled cycle in that time.
        """
        registry = Registry(self.models)
        chosen = version or registry.champion()
        if chosen is None:
            raise InvalidInput("no model is in service: name one with --model-version")
        scorer = Scorer(registry.load(chosen))
        manifest = scorer.bundle.manifest
        material = self._material(None)
        first = since or date.fromisoformat(manifest["window"]["calibrate_until"])
        index_day = material.dataset.index_day
        mask = material.dataset.trainable & (
            index_day >= day_number(first) if since is not None else index_day > day_number(first)
        )
        if until is not None:
            mask &= index_day <= day_number(until)
        dataset = thinned(material.dataset.take(mask))
        if not len(dataset) or dataset.label.min() == dataset.label.max():
            raise InvalidInput("no cycles of both labels in that time", place="--from, --to")
        features = features_of(dataset, material.cohort.columns, material.cohort.facility, material.contexts)
        everything = np.ones(len(dataset), np.bool_)
        facilities = [one.facility for one in material.cohort.facilities]
        unseen_facility = held_out(facilities, 0.1) if len(facilities) >= 10 else np.zeros(len(facilities), np.bool_)
        rows = _test_rows(
            material,
            dataset,
            features,
            everything,
            held_out(material.cohort.patient_uuids, 0.2)[dataset.patient],
            unseen_facility[dataset.facility],
        )
        risk = scorer.score(features)
        place = INDEX[manifest["single_feature"]]
        rivals = {
            "scorecard": scorer.bundle.scorecard.risk(features),
            "single feature": single_score(features, place, _direction(features[:, place], dataset.label)),
        }
        # The logistic regression of the training is not part of the bundle: its figure is quoted from the card.
        told = evaluate(risk, rows, rivals)
        trained = manifest["evaluation"]["rivals"].get("logistic regression")
        if trained is not None and since is None and until is None:
            told["rivals"]["logistic regression"] = trained
        if rows_to is not None:
            rows_to(*_prediction_rows(material, dataset, risk))
        self._keep_metrics(chosen, told)
        return {"model_version": chosen, **told}

    def listing(self) -> dict[str, Any]:
        """Return the registry."""
        return Registry(self.models).read()

    def show(self, version: str) -> dict[str, Any]:
        """Return what a model's bundle tells of it.

        Raises:
            NotFound: no such model. InvalidInput: its bundle was altered.
        """
        registry = Registry(self.models)
        entry = registry.entry(version)
        manifest = registry.load(version).manifest
        kept = ("created_at", "label_policy", "window", "bands", "n_trees", "feature_set_version", "libraries")
        return {**entry, **{name: manifest[name] for name in kept}, "metrics": manifest["evaluation"]}

    def _material(self, as_of: date | None) -> _Material:
        with self.database.transaction() as tx:
            cohort = load_cohort(tx)
            truths = truth_store.all_truths(tx)
        if not cohort.patient_uuids:
            raise InvalidInput("there are no records: import some with `iit import`", place="training data")
        contexts = contexts_of(cohort)
        last = int(contexts.last_known_day.max())
        day = last if as_of is None else min(day_number(as_of), last)
        dataset = build_dataset(cohort.columns, cohort.facility, contexts, as_of=day)
        return _Material(cohort, contexts, dataset, truths, day_date(day))

    def _champion_scores(self, features: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        registry = Registry(self.models)
        champion = registry.champion()
        return {} if champion is None else {"champion": Scorer(registry.load(champion)).score(features)}

    def _register(
        self, version: str, manifest: dict[str, Any], evaluation: dict[str, Any], objections: list[str], digest: str
    ) -> None:
        registry = Registry(self.models)
        registry.add(
            {
                "version": version,
                "status": "rejected" if objections else "candidate",
                "created_at": manifest["created_at"],
                "bundle_sha256": digest,
                "auroc": evaluation["metrics"]["auroc"],
                "ece": evaluation["metrics"]["ece"],
                "objections": objections,
            }
        )
        if not objections:
            registry.promote(version)
        self._keep_metrics(version, evaluation)

    def _keep_metrics(self, version: str, evaluation: dict[str, Any]) -> None:
        values = {(name, "all"): value for name, value in evaluation["metrics"].items() if np.isfinite(value)}
        for segment, figures in evaluation["segments"].items():
            values[("auroc", segment)] = figures["auroc"]
        with self.database.transaction() as tx:
            metric_store.save(tx, version, values)


def _silent(_stage: str, _done: int, _of: int) -> None:
    """Tell nobody."""


def _direction(values: NDArray[np.float32], label: NDArray[np.int64]) -> int:
    known = ~np.isnan(values)
    return 1 if np.corrcoef(values[known], label[known])[0, 1] >= 0 else -1


def _window(material: _Material, parts: Split, dataset: Dataset) -> dict[str, Any]:
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


def _reference(material: _Material, trained: Trained, threads: int) -> dict[str, Any]:
    cohort = material.cohort
    world = Surroundings(
        cohort.columns, cohort.facility, material.contexts, [one.facility for one in cohort.facilities]
    )

    def risk_of(features: NDArray[np.float32]) -> NDArray[np.float64]:
        raw = trained.booster.predict(features, raw_score=True, num_threads=threads)
        return trained.calibrator.apply(np.asarray(raw, np.float64))

    return reference_of(world, risk_of, as_of=day_number(material.as_of), high=trained.bands["high"])


def _test_rows(
    material: _Material,
    dataset: Dataset,
    features: NDArray[np.float32],
    chosen: NDArray[np.bool_],
    unseen_patient: NDArray[np.bool_],
    unseen_facility: NDArray[np.bool_],
) -> TestRows:
    tested = dataset.take(chosen)
    return TestRows(
        dataset=tested,
        features=features[chosen],
        unseen_patient=unseen_patient[chosen],
        unseen_facility=unseen_facility[chosen],
        truth=_truth_of(material, tested),
    )


def _truth_of(material: _Material, dataset: Dataset) -> NDArray[np.float64] | None:
    """Return (r, 2) true and reachable risk of rows of a synthetic cohort."""
    if not material.truths:
        return None
    by_cycle = {(one.patient_uuid, day_number(one.index_on)): one for one in material.truths}
    uuids = material.cohort.patient_uuids
    told = np.full((len(dataset), 2), np.nan)
    for row, (patient, index_day, landmark) in enumerate(
        zip(dataset.patient.tolist(), dataset.index_day.tolist(), dataset.landmark.tolist(), strict=True)
    ):
        truth = by_cycle.get((uuids[patient], index_day))
        if truth is not None:
            told[row] = truth.risk, truth.reachable[landmark]
    return told


def _files(
    booster: Any,
    manifest: dict[str, Any],
    evaluation: dict[str, Any],
    objections: list[str],
) -> dict[str, bytes]:
    export = io.BytesIO()
    pickle.dump(booster, export)
    return {
        "model.txt": booster.model_to_string().encode("ascii"),
        "bundle.json": json.dumps(manifest, default=float).encode(),
        "card.md": card.as_markdown(manifest, evaluation, objections).encode(),
        EXPORT: export.getvalue(),
    }


def _prediction_rows(
    material: _Material, dataset: Dataset, risk: NDArray[np.float64]
) -> tuple[list[str], list[tuple[object, ...]]]:
    header = ["patient_uuid", "index_date", "as_of", "days_to_expected", "risk", "label"]
    uuids = material.cohort.patient_uuids
    rows: list[tuple[object, ...]] = [
        (uuids[patient], day_date(index_day), day_date(on), to_expected, round(float(told), 6), label)
        for patient, index_day, on, to_expected, told, label in zip(
            dataset.patient.tolist(),
            dataset.index_day.tolist(),
            dataset.as_of.tolist(),
            dataset.days_to_expected.tolist(),
            risk,
            dataset.label.tolist(),
            strict=True,
        )
    ]
    return header, rows
