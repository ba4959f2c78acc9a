"""CDS Hooks: the risk of the patient a clinician looks at, as a card; and what became of the card."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, Final, NamedTuple

from iit.domain.access import Principal
from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import Conflict, NotAllowed, NotFound
from iit.domain.record import Patient, make_record
from iit.domain.status import ACTIVE
from iit.domain.vocabulary import NIGERIAN_STATES, Kind
from iit.ingest.cds import Asked, Feedback, read_feedback, read_request, told_at
from iit.ingest.fhir.map import FhirMapper
from iit.ingest.fhir.person import person_of_id
from iit.ingest.fhir.reading import Told
from iit.ingest.hl7.reading import Fact
from iit.services.answers import Scored
from iit.services.cds_cards import REASONS, Words, card_of
from iit.services.identities import Identities
from iit.services.predictions import Predictor
from iit.services.refusals import note_refusal
from iit.store import outreach as outreach_store
from iit.store import patients as patient_store
from iit.store import predictions as prediction_store
from iit.store.database import Database
from iit.store.outreach import OutreachRow

HOOKS: Final = {"iit-risk": "patient-view", "iit-risk-appointment": "appointment-book"}
"""The hook of each service, by its id."""

_OTHER: Final = "other"
_MOST_REASONS: Final = 5


class _Known(NamedTuple):
    """Whom a hook is about: the patient stored here, if there is one, and what the EMR sent of the person."""

    patient_uuid: str
    facility: str | None
    is_stored: bool
    facts: list[Fact]

    def __repr__(self) -> str:
        return "_Known()"


@dataclass(frozen=True)
class Hooks:
    """Answers hooks and takes feedback.

    Attributes:
        database: where patients and feedback are.
        mapper: what resources that come along say.
        identities: whose they are.
        predictor: scores.
        zone: time zone of times without an offset.
        clock: the present time, aware.
    """

    database: Database
    mapper: FhirMapper
    identities: Identities = field(repr=False)
    predictor: Predictor
    zone: tzinfo
    clock: Callable[[], datetime]

    def cards(self, data: bytes, service_id: str, *, public_url: str, who: Principal) -> list[dict[str, Any]]:
        """Return the cards for a call of a hook: the patient's risk, or none where nothing can be said.

        Resources that come along are scored as they are if they tell a pick-up; else the stored record is.

        Raises:
            InvalidInput: the call is not as CDS Hooks defines it.
            Unavailable: no model or no database.
        """
        asked = read_request(data, HOOKS[service_id], self.zone)
        known = self._known(asked)
        try:
            scored = self._scored(known, who)
        except (NotFound, NotAllowed, Conflict):  # nobody who is theirs, or nobody at risk: nothing to say
            return []
        if scored is None:
            return []
        (told,) = self.predictor.keep([scored], who=who)
        words = Words(public_url.rstrip("/"), known.is_stored)
        return [card_of(told, asked.proposed, words)]

    def take_feedback(self, data: bytes, service_id: str, *, who: Principal) -> int:
        """Keep what became of cards; return how many were new. Comments are not kept.

        Raises:
            InvalidInput: it is not as CDS Hooks defines it. NotFound: a card was not given out here, or is of a patient
                outside the scope; nothing is kept.
        """
        told = read_feedback(data)
        now = self.clock()
        with self.database.transaction() as tx:
            found = [prediction_store.find(tx, one.card, who) for one in told]
            rows = [
                _outreach(one, said.row.patient_uuid, at=told_at(one, self.zone, now=now), through=service_id, who=who)
                for one, said in zip(told, found, strict=True)
                if said is not None and said.row.patient_uuid is not None
            ]
            is_whole = len(rows) == len(told)
            event = AuditEvent(
                event_type=EventType.OUTREACH_RECORDED, actor=who.name, action="create", target="outreach",
                detail={"n": len(rows)}, patients=sorted({row.patient_uuid for row in rows}),
            )  # fmt: skip
            n_new = outreach_store.add(tx, rows, audit=event) if is_whole else 0
        if not is_whole:
            note_refusal(self.database, who, action="create", target="outreach")
            raise NotFound("there is no such card", place="feedback.card")
        return n_new

    def _known(self, asked: Asked) -> _Known:
        told = _about(asked, self.mapper.map(asked.sent, received=self.clock()))
        named = [one for entry in told for one in entry.person]
        identifiers = tuple(dict.fromkeys([person_of_id(asked.patient_id, asked.fhir_server), *named]))
        facts = [fact for entry in told for fact in entry.facts if not fact.is_retracted]
        facility = next((entry.facility for entry in told if entry.facility is not None), None)
        with self.database.transaction() as tx:
            uuid = self.identities.patient_of(tx, identifiers)
            for candidate in (uuid, asked.patient_id):
                stored = patient_store.facility_of(tx, candidate)
                if stored is not None:
                    return _Known(candidate, stored, is_stored=True, facts=facts)
        return _Known(uuid, facility, is_stored=False, facts=facts)

    def _scored(self, known: _Known, who: Principal) -> Scored | None:
        if any(fact.event.kind is Kind.PICKUP for fact in known.facts):
            events = [fact.event for fact in known.facts]
            state = next((NIGERIAN_STATES[int(one.value) - 1] for one in events if one.kind is Kind.STATE), None)
            person = Patient(
                known.patient_uuid, known.facility or "", None, None, None, state, None, None, ACTIVE, None
            )
            return self.predictor.score_record(make_record(person, events), explain=_MOST_REASONS, who=who)
        if not known.is_stored:
            return None
        return self.predictor.score_patient(known.patient_uuid, as_of=None, explain=_MOST_REASONS, who=who)


def _outreach(one: Feedback, patient_uuid: str, *, at: datetime, through: str, who: Principal) -> OutreachRow:
    chosen = None if one.override_reason is None else one.override_reason.reason
    code = None if chosen is None else chosen.code
    reason = None if one.outcome == "accepted" else code if code in REASONS else _OTHER
    return OutreachRow(patient_uuid, one.card, one.outcome, reason, at, f"cds:{through}", who.name)


def _about(asked: Asked, told: Sequence[Told]) -> list[Told]:
    """Return what resources say of the patient that is asked about; others that came along are left alone."""
    asked_for = person_of_id(asked.patient_id, asked.fhir_server)
    people = [one for one in told if one.entry.kind == "Patient" and one.error is None]
    same = {asked_for} | {
        identifier
        for one in people
        if asked_for in one.person or (one.entry.resource is not None and one.entry.resource.id == asked.patient_id)
        for identifier in one.person
    }
    return [one for one in told if one.error is None and same & set(one.person)]
