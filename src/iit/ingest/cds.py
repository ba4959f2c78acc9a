"""What an EMR asks by CDS Hooks 2.0: who is looked at, and which resources it sends along."""

from datetime import date, datetime, tzinfo
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from iit.domain.errors import InvalidInput
from iit.ingest.fhir.bundle import Contents, contents_of, read_contents
from iit.ingest.fhir.moments import moment_of
from iit.ingest.fhir.resources import type_of

_LONGEST_ID: Final = 200
_MOST_FEEDBACK: Final = 100


class Context(msgspec.Struct, rename="camel"):
    """Who is looked at."""

    patient_id: str = ""
    appointments: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)

    def __repr__(self) -> str:
        return "Context()"


class Request(msgspec.Struct, rename="camel"):
    """A call of a hook."""

    hook: str
    hook_instance: str
    context: Context
    fhir_server: str | None = None
    prefetch: dict[str, msgspec.Raw] = {}

    def __repr__(self) -> str:
        return "Request()"


class Asked(NamedTuple):
    """What a hook asks.

    Attributes:
        patient_id: the EMR's id of the patient.
        fhir_server: base of the server in which the id is unique, or "".
        sent: the resources that came along.
        proposed: days of the appointments that are about to be made.
    """

    patient_id: str
    fhir_server: str
    sent: Contents
    proposed: list[date]

    def __repr__(self) -> str:
        return "Asked()"


class Reason(msgspec.Struct):
    """Why a card was not followed."""

    code: str | None = None

    def __repr__(self) -> str:
        return "Reason()"


class OverrideReason(msgspec.Struct, rename="camel"):
    """The reason that was chosen; comments are not read."""

    reason: Reason | None = None

    def __repr__(self) -> str:
        return "OverrideReason()"


class Feedback(msgspec.Struct, rename="camel"):
    """What became of a card."""

    card: UUID
    outcome: str
    outcome_timestamp: str
    override_reason: OverrideReason | None = None

    def __repr__(self) -> str:
        return "Feedback()"


class FeedbackBody(msgspec.Struct):
    """What became of some cards."""

    feedback: list[Feedback]

    def __repr__(self) -> str:
        return f"FeedbackBody({len(self.feedback)})"


_REQUEST: Final = msgspec.json.Decoder(Request)
_FEEDBACK: Final = msgspec.json.Decoder(FeedbackBody)


def read_request(data: bytes, hook: str, zone: tzinfo) -> Asked:
    """Return what a call of a hook asks.

    Raises:
        InvalidInput: it is not as CDS Hooks defines it, or of another hook.
    """
    request = _decoded(_REQUEST, data)
    if request.hook != hook:
        raise InvalidInput(f"this service is for {hook}", place="hook")
    if not 0 < len(request.context.patient_id) <= _LONGEST_ID:
        raise InvalidInput("is missing or too long", place="context.patientId")
    resources: list[tuple[str, bytes]] = []
    for name, raw in request.prefetch.items():
        resources += _resources_in(bytes(raw), f"prefetch.{name}" if name.isidentifier() else "prefetch")
    proposed = [
        moment.date()
        for _, raw in _resources_in(bytes(request.context.appointments), "context.appointments")
        if (moment := moment_of(_start_of(raw), zone)) is not None
    ]
    patient_id = request.context.patient_id.removeprefix("Patient/")
    server = (request.fhir_server or "").rstrip("/")
    return Asked(patient_id, server, contents_of(resources, server), proposed)


def read_feedback(data: bytes) -> list[Feedback]:
    """Return what became of cards.

    Raises:
        InvalidInput: it is not as CDS Hooks defines it.
    """
    told: list[Feedback] = _decoded(_FEEDBACK, data).feedback
    if len(told) > _MOST_FEEDBACK:
        raise InvalidInput(f"holds more than {_MOST_FEEDBACK}", place="feedback")
    for number, one in enumerate(told):
        if one.outcome not in ("accepted", "overridden"):
            raise InvalidInput("must be accepted or overridden", place=f"feedback[{number}].outcome")
    return told


def told_at(one: Feedback, zone: tzinfo, *, now: datetime) -> datetime:
    """Return when a card was followed or not: as told, but not in the future; else now."""
    told = moment_of(one.outcome_timestamp, zone)
    return now if told is None or told > now else told


def _resources_in(raw: bytes, place: str) -> list[tuple[str, bytes]]:
    """Return the resources of what was sent under a name: a resource, a bundle of them, or nothing."""
    if raw in (b"", b"null"):
        return []
    if type_of(raw, place) != "Bundle":
        return [(place, raw)]
    return [(f"{place}.{one.place}", one.raw) for one in read_contents(raw).entries if one.raw]


class _Start(msgspec.Struct):
    start: str | None = None

    def __repr__(self) -> str:
        return "_Start()"


def _start_of(raw: bytes) -> str | None:
    try:
        return msgspec.json.decode(raw, type=_Start).start
    except msgspec.DecodeError:
        return None


def _decoded(decoder: "msgspec.json.Decoder[Any]", data: bytes) -> Any:
    try:
        str(data, "utf-8")
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidInput("is not as CDS Hooks 2.0 defines it", place="body") from None
