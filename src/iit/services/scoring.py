"""Scoring everyone at risk on a day, for worklists."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from iit.domain.access import Principal
from iit.domain.audit import AuditEvent, EventType, concerning
from iit.domain.errors import NotAllowed
from iit.domain.record import day_date, day_number
from iit.features.context import Contexts
from iit.features.registry import FEATURE_SET_VERSION
from iit.features.vector import matrix
from iit.model.lists import at_risk
from iit.services.champion import Champion, Serving
from iit.services.contexts import Cohort, contexts_of, keep_contexts, load_cohort
from iit.services.days import refuse_future
from iit.services.jobs import Tell
from iit.services.refusals import note_refused_facility
from iit.services.shadow import Shadow
from iit.store import facilities as facility_store
from iit.store import patients as patient_store
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
        state: only patients who live there; None means all.
        explain: reasons a patient at most.
        store: keep the predictions.
    """

    as_of: date | None = None
    facility: str | None = None
    state: str | None = None
    explain: int = 5
    store: bool = True


@dataclass(frozen=True)
class ScoringSummary:
    """With which model how many patients were looked at and scored, on which days."""

    model_version: str
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

    def score(self, wish: ScoringWish, *, who: Principal, on_chunk: OnChunk | None = None) -> ScoringSummary:
        """Score every patient in a cycle that can still be interrupted.

        Running it again for the same day, model and records stores nothing twice.

        Args:
            wish: whom, when and how.
            who: asks; those who may not see everyone name a facility or state of theirs.
            on_chunk: is handed each chunk of predictions, with the number of patients done and of all.

        Raises:
            InvalidInput: the day lies in the future. NotAllowed: the facility is outside the scope.
            Unavailable: no model or no database.
        """
        self._check(wish, who)
        serving = self.champion.current()
        with self.database.transaction() as tx:
            cohort = load_cohort(tx, facility=wish.facility)
            contexts = contexts_of(cohort)
            if wish.facility is None:
                keep_contexts(tx, cohort, contexts)
            wanted = np.ones(len(cohort.patient_uuids), np.bool_)
            if wish.state is not None:
                wanted = np.isin(cohort.patient_uuids, patient_store.of_state(tx, wish.state))
        days = self._days(cohort, wish.as_of)
        n_scored = 0
        for done, rows in _chunks(_Batch(cohort, wanted, contexts, serving, wish.explain, who.name), days):
            if rows:
                self._keep(rows, serving.scorer.version, who.name, kept=rows if wish.store else [])
            n_scored += len(rows)
            if on_chunk is not None:
                on_chunk(rows, done, len(cohort.patient_uuids))
        if wish.store and wish.state is None:
            self._keep_list_days(cohort, days)
        used = sorted({int(day) for day in days[np.unique(cohort.facility[wanted])]})
        return ScoringSummary(
            serving.scorer.version,
            int(wanted.sum()),
            n_scored,
            day_date(used[0]) if used else None,
            day_date(used[-1]) if used else None,
        )

    def _check(self, wish: ScoringWish, who: Principal) -> None:
        if wish.as_of is not None:
            refuse_future(wish.as_of, self.today())
        if not who.scope.covers(wish.facility, wish.state):
            note_refused_facility(self.database, who, action="execute", facility=wish.facility)
            raise NotAllowed("name a facility or state that you may see", place="facility")

    def _keep_list_days(self, cohort: Cohort, days: NDArray[np.int32]) -> None:
        present = np.unique(cohort.facility)
        listed = {cohort.facilities[place].facility: day_date(int(days[place])) for place in present.tolist()}
        with self.database.transaction() as tx:
            facility_store.save_list_days(tx, listed)

    def run(self, arguments: Mapping[str, Any], who: Principal, tell: Tell) -> dict[str, Any]:
        """Score as a job: where given `as_of` (ISO date), `facility`, `state` and `explain`, as in `ScoringWish`."""
        as_of = arguments.get("as_of")
        wish = ScoringWish(
            as_of=None if as_of is None else date.fromisoformat(as_of),
            facility=arguments.get("facility"),
            state=arguments.get("state"),
            explain=arguments.get("explain", 5),
        )
        summary = self.score(wish, who=who, on_chunk=lambda _rows, done, of: tell("scoring", done, of))
        days = {"first_day": summary.first_day, "last_day": summary.last_day}
        return {
            "model_version": summary.model_version,
            "n_patients": summary.n_patients,
            "n_scored": summary.n_scored,
            **{name: None if day is None else day.isoformat() for name, day in days.items()},
        }

    def _keep(self, rows: list[PredictionRow], model_version: str, actor: str, *, kept: list[PredictionRow]) -> None:
        """Put the scoring of a chunk on the audit trail, with those of its predictions that are to be kept."""
        event = AuditEvent(event_type=EventType.PREDICTION, actor=actor, action="execute", target="patients",
                           detail={"n": len(rows), "stored": len(kept), "model_version": model_version})  # fmt: skip
        events = concerning(event, [row.patient_uuid for row in rows if row.patient_uuid is not None])
        with self.database.transaction() as tx:
            prediction_store.save(tx, kept, audit=events)
            self.shadow.keep(tx, kept, actor=actor)

    def _days(self, cohort: Cohort, as_of: date | None) -> NDArray[np.int32]:
        """Return the prediction day of each facility."""
        today = self.today()
        if as_of is not None:
            return np.full(len(cohort.facilities), day_number(as_of), np.int32)
        return np.array([day_number(min(one.data_until or today, today)) for one in cohort.facilities], np.int32)


@dataclass(frozen=True, repr=False)
class _Batch:
    cohort: Cohort
    wanted: NDArray[np.bool_]
    contexts: Contexts
    serving: Serving
    explain: int
    actor: str


def _chunks(batch: _Batch, days: NDArray[np.int32]) -> Iterator[tuple[int, list[PredictionRow]]]:
    cohort = batch.cohort
    total = len(cohort.patient_uuids)
    for begin in range(0, total, CHUNK):
        end = min(begin + CHUNK, total)
        patients = np.arange(begin, end)
        on = days[cohort.facility[begin:end]]
        expected = at_risk(cohort.columns, patients, on)
        chosen = (expected >= 0) & batch.wanted[begin:end]
        yield end, _rows(batch, patients[chosen], on[chosen], expected[chosen])


def _rows(
    batch: _Batch, patients: NDArray[np.int64], on: NDArray[np.int32], expected: NDArray[np.int64]
) -> list[PredictionRow]:
    if not len(patients):
        return []
    cohort, explain = batch.cohort, batch.explain
    scorer, source = batch.serving
    features = matrix(cohort.columns, cohort.facility, patients, on, batch.contexts)
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
                requested_by=batch.actor,
            )
        )
    return rows
