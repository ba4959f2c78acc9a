"""Saying how likely the current refill cycle is to end in an interruption, and why.

Request → record → typed columns → feature vector → raw score → calibrated risk → band and reasons → kept → answer.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, tzinfo
from typing import Any, Final
from uuid import UUID, uuid4

import numpy as np
from msgspec import to_builtins
from numpy.typing import NDArray

from iit.domain.access import Principal
from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import Busy, Conflict, InvalidInput, NotAllowed, NotFound, Unavailable
from iit.domain.interruption import NEVER, interruption_day
from iit.domain.record import Patient, Record, day_date, day_number
from iit.features.columns import Columns, pack, unpack
from iit.features.context import Contexts
from iit.features.registry import FEATURE_NAMES, INDEX
from iit.features.vector import matrix, vector_of
from iit.ingest.nmrs import read_nmrs
from iit.model.cycles import Cycle, current_cycle
from iit.services.answers import LOST_FIGURES, Asked, Prediction, Scored, audit_of, is_degraded, row_of
from iit.services.champion import Champion, Serving
from iit.services.contexts import ContextCache
from iit.services.days import refuse_future
from iit.services.refusals import note_refusal, note_refused_patient
from iit.services.spooling import Spooling
from iit.services.what_if import WhatIf, supposed, told_beside
from iit.store import audit as audit_trail
from iit.store import patients as patient_store
from iit.store import predictions as prediction_store
from iit.store import records as record_store
from iit.store.database import Database
from iit.store.predictions import StoredPrediction
from iit.store.spooled import Act
from iit.telemetry import predictions_total, stage

NO_CONTEXTS = Contexts.of([])
NO_FIGURES: Final = "the facility's own figures are not known yet"
OLD_FIGURES: Final = "the facility's own figures cannot be looked up now: those known last were used"
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Predictor:
    """Answers for documents, stored patients and ready features.

    Attributes:
        database: where records and predictions are.
        champion: the model in service.
        contexts: facilities in memory.
        zone: time zone of dates without an offset.
        today: the present day.
        spooling: keeps predictions while the database cannot.
    """

    database: Database
    champion: Champion
    contexts: ContextCache
    zone: tzinfo
    today: Callable[[], date] = field(repr=False)
    spooling: Spooling

    def score_document(
        self, data: bytes, *, as_of: date | None, explain: int, who: Principal, what_if: WhatIf | None = None
    ) -> Scored:
        """Score an NMRS document as it is, without keeping the record.

        Args:
            data: the document, UTF-8 JSON.
            as_of: prediction day; by default the day the document was exported, at most today.
            explain: how many reasons at most.
            who: asks.
            what_if: what to suppose besides.

        Raises:
            InvalidInput: the document is at fault. Conflict: the patient is not at risk that day.
            NotAllowed: the patient is outside the scope. Unavailable: no model, or the scope cannot be looked up.
        """
        with stage("read"):
            imported = read_nmrs(data, zone=self.zone)
        exported = imported.exported_at.date() if imported.exported_at else None
        warnings = sorted({warning.reason for warning in imported.warnings})
        return self._score_record(imported.record, self._day(as_of, exported), explain, who, what_if, warnings)

    def score_record(self, record: Record, *, explain: int, who: Principal) -> Scored:
        """Score a record that is not stored, today.

        Raises:
            Conflict: the patient is not at risk. NotAllowed: the patient is outside the scope.
            Unavailable: no model, or the facility cannot be looked up.
        """
        return self._score_record(record, self.today(), explain, who, None, [])

    def _score_record(
        self, record: Record, day: date, explain: int, who: Principal, what_if: WhatIf | None, warnings: list[str]
    ) -> Scored:
        patient = record.patient
        self._demand_scope(patient, who)
        asked = Asked(patient.patient_uuid, patient.facility, day, None, explain, warnings)
        return self._score(unpack([pack(record)]), asked, what_if)

    def score_patient(
        self, patient_uuid: str, *, as_of: date | None, explain: int, who: Principal, what_if: WhatIf | None = None
    ) -> Scored:
        """Score a stored patient.

        Args:
            patient_uuid: who.
            as_of: prediction day; by default the last day the facility's exports cover, at most today.
            explain: how many reasons at most.
            who: asks.
            what_if: what to suppose besides.

        Raises:
            NotFound: no such patient in scope. Conflict: not at risk that day. Unavailable: no model or no database.
        """
        with stage("read"):
            row = self.database.retried(lambda tx: record_store.facts_of(tx, patient_uuid, who.scope))
        if row is None:
            note_refused_patient(self.database, who, action="execute", patient_uuid=patient_uuid)
            raise NotFound("there is no such patient", place="patient_uuid")
        held = self.contexts.get(row.facility)
        until = None if held is None else held.data_until
        asked = Asked(patient_uuid, row.facility, self._day(as_of, until), None, explain, [])
        return self._score(unpack([row.facts]), asked, what_if)

    def score_features(
        self,
        features: Mapping[str, float | None],
        *,
        explain: int,
        what_if: Mapping[str, float | None] | None = None,
    ) -> Scored:
        """Score ready features; those not given count as unknown.

        Args:
            features: values by name; None is unknown.
            explain: how many reasons at most.
            what_if: values to suppose instead.

        Raises:
            InvalidInput: a name is no feature, a value is infinite or none is given. Unavailable: no model.
        """
        vector = np.full((1, len(FEATURE_NAMES)), np.nan, np.float32)
        _set_features(vector, features, "features")
        warnings = [] if len(features) == len(FEATURE_NAMES) else ["features not given count as unknown"]
        serving = self.champion.current()
        scored = _answer(serving, vector, Asked(None, None, self.today(), None, explain, warnings))
        if what_if is None:
            return scored
        other = vector.copy()
        _set_features(other, what_if, "what_if")
        return scored._replace(what_if=_told_beside(serving, scored, other, dict(what_if)))

    def _demand_scope(self, patient: Patient, who: Principal) -> None:
        """Refuse a document of a facility, or of a stored patient, that is none of theirs."""
        if who.scope.everything:
            return
        outside = not who.scope.covers(patient.facility, patient.state_province)
        if not outside:
            with self.database.transaction() as tx:
                outside = bool(patient_store.outside(tx, [patient.patient_uuid], who.scope))
        if outside:
            note_refused_patient(self.database, who, action="execute", patient_uuid=patient.patient_uuid)
            raise NotAllowed("the patient is outside your facilities", place="patient_uuid")

    def _day(self, as_of: date | None, until: date | None) -> date:
        today = self.today()
        if as_of is None:
            return today if until is None else min(until, today)
        refuse_future(as_of, today)
        return as_of

    def _score(self, columns: Columns, asked: Asked, what_if: WhatIf | None) -> Scored:
        serving = self.champion.current()
        on = day_number(asked.as_of)
        cycle = _at_risk(columns, on)
        contexts, place, warnings = self._contexts(asked.facility)
        asked = asked._replace(warnings=[*asked.warnings, *warnings])
        with stage("features"):
            vector = vector_of(columns, 0, on, contexts, place)[None, :]
        scored = _answer(serving, vector, asked._replace(expected=cycle.expected))
        if what_if is None:
            return scored
        other = supposed(columns, cycle, on, what_if)
        told = _told_beside(serving, scored, vector_of(other, 0, on, contexts, place)[None, :], to_builtins(what_if))
        expected = _at_risk(other, on).expected
        told |= {"expected_date": day_date(expected), "interruption_date": day_date(interruption_day(expected))}
        return scored._replace(what_if=told)

    def _contexts(self, facility: str | None) -> tuple[Contexts, int, list[str]]:
        """Return a facility's context and its place, or none and -1; and what to warn of."""
        held = None if facility is None else self.contexts.get(facility)
        is_current = held is None or held.is_current
        if held is None or not held.contexts.n_facilities:
            return NO_CONTEXTS, -1, [NO_FIGURES if is_current else LOST_FIGURES]
        return held.contexts, 0, [] if is_current else [OLD_FIGURES]

    def warm(self) -> None:
        """Load what the first request would wait for: the kernels, and the model if there is one."""
        nobody = unpack([b""])
        one = np.zeros(1, np.int64)
        unknown = matrix(nobody, np.full(1, -1, np.int32), one, one.astype(np.int32), NO_CONTEXTS)
        current_cycle(nobody, 0, 0)
        with suppress(Unavailable):
            scorer = self.champion.current().scorer
            scorer.score(unknown)
            scorer.explain(unknown, 1)

    def find(self, prediction_id: UUID, *, who: Principal) -> StoredPrediction:
        """Return a prediction that was made.

        Raises:
            NotFound: there is none with that id in scope.
        """
        target = f"prediction:{prediction_id}"
        with self.database.transaction() as tx:
            found = prediction_store.find(tx, prediction_id, who)
            if found is not None:
                patients = [found.row.patient_uuid] if found.row.patient_uuid else []
                event = AuditEvent(event_type=EventType.PREDICTION_READ, actor=who.name, action="read", target=target,
                                   patients=patients)  # fmt: skip
                audit_trail.write(tx, event)
        if found is None:
            note_refusal(self.database, who, action="read", target=target)
            raise NotFound("there is no such prediction", place="prediction_id")
        return found

    def keep(self, scored: Sequence[Scored], *, who: Principal) -> list[Prediction]:
        """Keep predictions with their audit events in one transaction and return them marked as stored.

        While the database is away or takes no writes, they are kept on disk with their events, not marked, and stored
        when it is back: either way nothing is given out that is not on disk.

        Raises:
            Busy: the database is overloaded. Unavailable: they can be kept nowhere.
        """
        if not scored:
            return []
        rows = [row_of(one, who.name) for one in scored]
        try:
            with stage("keep"), self.database.transaction() as tx:
                prediction_store.save(tx, rows, audit=[audit_of(row) for row in rows])
        except Busy:
            raise
        except Unavailable:
            self.spooling.keep([Act(audit_of(row), row) for row in rows])
            return [one.prediction for one in scored]
        return [one.prediction._replace(stored=True) for one in scored]


def _at_risk(columns: Columns, on: int) -> Cycle:
    """Return the cycle one patient is in on a day.

    Raises:
        Conflict: there is none that can still be interrupted.
    """
    cycle = current_cycle(columns, 0, on)
    if cycle is None:
        raise Conflict("no ARV pick-up is known by that day", place="as_of")
    if cycle.exit_day != NEVER:
        raise Conflict("not at risk: died, was transferred out or stopped by that day", place="as_of")
    if on >= interruption_day(cycle.expected):
        told = day_date(interruption_day(cycle.expected))
        raise Conflict(f"this cycle was already interrupted, on {told}", place="as_of")
    return cycle


def _set_features(vector: NDArray[np.float32], features: Mapping[str, float | None], part: str) -> None:
    if not features:
        raise InvalidInput("give at least one feature", place=part)
    for name, value in features.items():
        place = INDEX.get(name)
        if place is None:
            raise InvalidInput("holds a name that is no feature of this version", place=part)
        if value is not None and (not math.isfinite(value) or abs(value) > _LARGEST):
            raise InvalidInput("must be a finite number or null", place=f"{part}.{name}")
        vector[0, place] = math.nan if value is None else value


def _told_beside(
    serving: Serving, scored: Scored, vector: NDArray[np.float32], changes: dict[str, Any]
) -> dict[str, Any]:
    risk = float(serving.scorer.score(vector)[0])
    return told_beside(scored.prediction.iit_risk_score, risk, serving.scorer.band(risk), changes)


def _answer(serving: Serving, vector: NDArray[np.float32], asked: Asked) -> Scored:
    scorer, source = serving
    with stage("score"):
        risk = float(scorer.score(vector)[0])
    band = scorer.band(risk)
    with stage("explain"):
        reasons = scorer.explain(vector, asked.explain)[0] if asked.explain else []
    predictions_total.labels(band, source).inc()
    expected = asked.expected
    prediction = Prediction(
        prediction_id=uuid4(),
        patient_uuid=asked.patient_uuid,
        facility=asked.facility,
        as_of=asked.as_of,
        expected_date=None if expected is None else day_date(expected),
        interruption_date=None if expected is None else day_date(interruption_day(expected)),
        iit_risk_score=risk,
        risk_level=band,
        reasons=[reason._asdict() for reason in reasons],
        model_version=scorer.version,
        source=source,
        degraded=is_degraded(source, asked.warnings),
        stored=False,
        data_quality=round(float(1 - np.isnan(vector).mean()), 4),
        warnings=asked.warnings,
    )
    return Scored(prediction, vector[0].tolist())
