"""Scoring everyone at risk on a day, for worklists."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from iit.domain.audit import AuditEvent
from iit.domain.record import day_date, day_number
from iit.features.context import Contexts
from iit.features.registry import FEATURE_SET_VERSION
from iit.features.vector import matrix
from iit.model.lists import at_risk
from iit.services.champion import Champion, Serving
from iit.services.contexts import Cohort, contexts_of, keep_contexts, load_cohort
from iit.services.shadow import Shadow
from iit.store import predictions as prediction_store
from iit.store.database import Database
from iit.store.predictions import PredictionRow

CHUNK: Final = 2000
_NAMESPACE: Final = uuid.UUID("6f1b8f0e-5d0f-4c39-9d0c-0e6f3f2a7c11")


OnChunk = Callable[[list[PredictionRow], int, int], None]


@dataclass(frozen=True)
class ScoringWish:
    """What to score.

    Attributes:
        as_of: prediction day; by default, facility by facility, the last day its exports cover, at most today.
        facility: its code; None means all.
        explain: reasons a patient at most.
        store: keep the predictions.
    """

    as_of: date | None = None
    facility: str | None = None
    explain: int = 5
    store: bool = True


@dataclass(frozen=True)
class ScoringSummary:
    """How many patients were looked at and scored, on which days."""

    n_patients: int
    n_scored: int
    first_day: date | None
    last_day: date | None


@dataclass(frozen=True)
class Scoring:
    """Scores stored patients in bulk.

    Attributes:
        database: where records and predictions are.
        champion: the model in service.
        shadow: the model tried beside it.
        today: the present day.
    """

    database: Database
    champion: Champion
    shadow: Shadow
    today: Callable[[], date]

    def score(self, wish: ScoringWish, *, actor: str, on_chunk: OnChunk | None = None) -> ScoringSummary:
        """Score every patient in a cycle that can still be interrupted.

        Running it again for the same day, model and records stores nothing twice.

        Args:
            wish: whom, when and how.
            actor: who asks, for the audit trail.
            on_chunk: is handed each chunk of predictions, with the number of patients done and of all.

        Raises:
            Unavailable: no model or no database.
        """
        serving = self.champion.current()
        with self.database.transaction() as tx:
            cohort = load_cohort(tx, facility=wish.facility)
            contexts = contexts_of(cohort)
            if wish.facility is None:
                keep_contexts(tx, cohort, contexts)
        days = self._days(cohort, wish.as_of)
        n_scored = 0
        for done, rows in _chunks(_Job(cohort, contexts, serving, wish.explain, actor), days):
            if wish.store and rows:
                event = AuditEvent(event_type="prediction", actor=actor, action="execute", target="patients",
                                   detail={"n": len(rows), "model_version": serving.scorer.version})  # fmt: skip
                with self.database.transaction() as tx:
                    prediction_store.save(tx, rows, audit=[event])
                    self.shadow.keep(tx, rows, actor=actor)
            n_scored += len(rows)
            if on_chunk is not None:
                on_chunk(rows, done, len(cohort.patient_uuids))
        used = sorted({int(day) for day in days[np.unique(cohort.facility)]}) if len(cohort.patient_uuids) else []
        return ScoringSummary(
            len(cohort.patient_uuids),
            n_scored,
            day_date(used[0]) if used else None,
            day_date(used[-1]) if used else None,
        )

    def _days(self, cohort: Cohort, as_of: date | None) -> NDArray[np.int32]:
        """Return the prediction day of each facility."""
        today = self.today()
        if as_of is not None:
            return np.full(len(cohort.facilities), day_number(as_of), np.int32)
        return np.array([day_number(min(one.data_until or today, today)) for one in cohort.facilities], np.int32)


@dataclass(frozen=True, repr=False)
class _Job:
    cohort: Cohort
    contexts: Contexts
    serving: Serving
    explain: int
    actor: str


def _chunks(job: _Job, days: NDArray[np.int32]) -> Iterator[tuple[int, list[PredictionRow]]]:
    cohort = job.cohort
    total = len(cohort.patient_uuids)
    for begin in range(0, total, CHUNK):
        end = min(begin + CHUNK, total)
        patients = np.arange(begin, end)
        on = days[cohort.facility[begin:end]]
        expected = at_risk(cohort.columns, patients, on)
        chosen = expected >= 0
        yield end, _rows(job, patients[chosen], on[chosen], expected[chosen])


def _rows(
    job: _Job, patients: NDArray[np.int64], on: NDArray[np.int32], expected: NDArray[np.int64]
) -> list[PredictionRow]:
    if not len(patients):
        return []
    cohort, explain = job.cohort, job.explain
    scorer, source = job.serving
    features = matrix(cohort.columns, cohort.facility, patients, on, job.contexts)
    risks = scorer.score(features)
    reasons = scorer.explain(features, explain) if explain else [[] for _ in patients]
    quality = 1 - np.isnan(features).mean(axis=1)
    rows = []
    for place, patient in enumerate(patients.tolist()):
        patient_uuid = cohort.patient_uuids[patient]
        day = day_date(int(on[place]))
        vector = features[place]
        # The id follows from what was asked and known, so that a repeat after a crash stores each row once.
        told = uuid.uuid5(_NAMESPACE, f"{patient_uuid}|{day}|{scorer.version}|{explain}|{vector.tobytes().hex()}")
        rows.append(
            PredictionRow(
                prediction_id=told,
                patient_uuid=patient_uuid,
                facility=cohort.facilities[cohort.facility[patient]].facility,
                model_version=scorer.version,
                as_of=day,
                expected_on=day_date(int(expected[place])),
                risk_score=float(risks[place]),
                risk_band=scorer.band(float(risks[place])),
                reasons=[reason._asdict() for reason in reasons[place]],
                features=vector.tolist(),
                feature_set_version=FEATURE_SET_VERSION,
                source=source,
                data_quality=round(float(quality[place]), 4),
                warnings=[],
                requested_by=job.actor,
            )
        )
    return rows
