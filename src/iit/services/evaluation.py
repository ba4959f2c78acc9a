"""Judging a model on the records in the database."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from iit.domain.access import Principal
from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import InvalidInput
from iit.domain.record import day_date, day_number
from iit.model.baselines import LogisticBaseline, SingleFeature
from iit.model.dataset import Dataset, thinned
from iit.model.evaluate import evaluate
from iit.model.registry import Registry
from iit.model.scorer import Scorer
from iit.model.split import held_out
from iit.services.material import Material, champion_risk, read_material, rows_to_judge
from iit.store import metrics as metric_store
from iit.store.database import Database

_KEPT_BY_SEGMENT: Final = ("auroc", "auprc", "observed_expected", "prevalence", "recall_top_20", "selected_top_20")


@dataclass(frozen=True)
class Evaluation:
    """Judges models.

    Attributes:
        database: where the records are.
        models: folder of bundles.
    """

    database: Database
    models: Path

    def judge(
        self,
        version: str | None = None,
        *,
        who: Principal,
        since: date | None = None,
        until: date | None = None,
        rows_to: Callable[[list[str], list[tuple[object, ...]]], None] | None = None,
    ) -> dict[str, Any]:
        """Judge a model on cycles that began after its calibration window, or between two days.

        Args:
            version: which; by default the champion.
            who: asks.
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
        event = AuditEvent(
            event_type=EventType.MODEL_EVALUATED, actor=who.name, action="execute", target=f"model:{chosen}"
        )
        material = read_material(self.database, None, audit=event)
        first = since or date.fromisoformat(manifest["window"]["calibrate_until"]) + timedelta(days=1)
        dataset = _begun_between(material.dataset, first, until)
        if not len(dataset) or dataset.label.min() == dataset.label.max():
            raise InvalidInput("no cycles of both labels in that time", place="--from, --to")
        features = material.features_of(dataset)
        rows = rows_to_judge(
            material, dataset, features, np.ones(len(dataset), np.bool_), *_held_out(material, dataset)
        )
        risk = scorer.score(features)
        rivals = {
            "scorecard": scorer.bundle.scorecard.risk(features),
            "single feature": SingleFeature.of(manifest["single_feature"]).score(features),
            "logistic regression": LogisticBaseline.of(manifest["logistic"]).risk(features),
            **({} if chosen == registry.champion() else champion_risk(self.models, features)),
        }
        told = evaluate(risk, rows, rivals)
        if rows_to is not None:
            rows_to(*_prediction_rows(material, dataset, risk))
        keep_figures(self.database, chosen, told)
        return {"model_version": chosen, **told}


def keep_figures(database: Database, version: str, told: dict[str, Any]) -> None:
    """Keep a model's figures, whole and by segment, with the time."""
    values = {(name, "all"): value for name, value in told["metrics"].items() if np.isfinite(value)}
    for segment, figures in told["segments"].items():
        values |= {(name, segment): figures[name] for name in _KEPT_BY_SEGMENT if name in figures}
    with database.transaction() as tx:
        metric_store.save(tx, version, values)


def _begun_between(dataset: Dataset, first: date, last: date | None) -> Dataset:
    chosen = dataset.trainable & (dataset.index_day >= day_number(first))
    if last is not None:
        chosen &= dataset.index_day <= day_number(last)
    return thinned(dataset.take(chosen))


def _held_out(material: Material, dataset: Dataset) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rows are of patients, and of facilities, that no training sees."""
    facilities = [one.facility for one in material.cohort.facilities]
    unseen = held_out(facilities, 0.1) if len(facilities) >= 10 else np.zeros(len(facilities), np.bool_)
    return held_out(material.cohort.patient_uuids, 0.2)[dataset.patient], unseen[dataset.facility]


def _prediction_rows(
    material: Material, dataset: Dataset, risk: NDArray[np.float64]
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
