"""`/fhir/RiskAssessment`, `/fhir/Flag` and `/fhir/Patient/{id}/$everything`: what goes back out."""

import re
from datetime import date, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request

from iit.api.dependencies import PRINTED, ServiceDep, public_address
from iit.api.fhir import FhirResponse, resource_answers
from iit.api.rules import may
from iit.domain.access import Action, Principal
from iit.domain.errors import InvalidInput, NotFound
from iit.domain.interruption import interruption_day
from iit.domain.record import day_date, day_number
from iit.domain.risk import Band
from iit.ingest.fhir.record import fact_resources, patient_resource
from iit.ingest.fhir.risks import BANDS, flag, risk_assessment, searchset
from iit.services.answers import told
from iit.store.patients import PatientRow
from iit.store.predictions import PredictionSearch

router = APIRouter(prefix="/fhir", tags=["fhir"])

Reader = Annotated[Principal, may(Action.READ_PREDICTIONS)]
PatientReader = Annotated[Principal, may(Action.READ_PATIENTS)]
Uuid = Annotated[str, Path(max_length=64, pattern=PRINTED)]
Subject = Annotated[str | None, Query(max_length=600, description="Patient/<id>, or the id alone")]
Days = Annotated[
    list[str] | None, Query(max_length=2, description="day of the assessment, with eq, ge, gt, le or lt before it")
]
Risk = Annotated[str | None, Query(max_length=200, description="low, moderate or high, with commas")]
Count = Annotated[int, Query(alias="_count", ge=1, le=1000)]
Cursor = Annotated[str | None, Query(alias="_cursor", max_length=200)]

_SUBJECT = re.compile(r"(?:(?:https?://[^\s?#]{1,500}/)?Patient/)?([A-Za-z0-9.-]{1,64})")
_DAY = re.compile(r"(eq|ge|gt|le|lt)?(\d{4}-\d{2}-\d{2})")
_BUNDLE = resource_answers(200, what="A Bundle of type searchset.")


def _wanted(subject: Subject = None, date: Days = None, risk: Risk = None) -> PredictionSearch:
    first, last = _period(date or [])
    return PredictionSearch(None if subject is None else _patient_in(subject), _bands(risk), first, last)


@router.get("/RiskAssessment", response_class=FhirResponse, responses=_BUNDLE)
def search_assessments(
    request: Request,
    service: ServiceDep,
    who: Reader,
    wanted: Annotated[PredictionSearch, Depends(_wanted)],
    count: Count = 50,
    cursor: Cursor = None,
) -> FhirResponse:
    """Search what was said of patients, the latest days first, by pages."""
    page = service.assessments.search(wanted, cursor=cursor, limit=count, who=who)
    links = {"self": _own(request)}
    if page.next_cursor is not None:
        asked = [(name, text) for name, text in request.query_params.multi_items() if name != "_cursor"]
        links["next"] = f"{_base(request)}/RiskAssessment?{urlencode([*asked, ('_cursor', page.next_cursor)])}"
    found = [risk_assessment(told(one)) for one in page.found]
    return FhirResponse(searchset(found, base=_base(request), links=links))


@router.get(
    "/RiskAssessment/{prediction_id}",
    response_class=FhirResponse,
    responses=resource_answers(200, what="The RiskAssessment."),
)
def read_assessment(prediction_id: UUID, service: ServiceDep, who: Reader) -> FhirResponse:
    """Return what was said of a patient."""
    found = told(service.predictor.find(prediction_id, who=who))
    if found["patient_uuid"] is None:
        raise NotFound("there is no such prediction of a patient", place="prediction_id")
    return FhirResponse(risk_assessment(found))


@router.get("/Flag", response_class=FhirResponse, responses=_BUNDLE)
def search_flags(
    request: Request,
    service: ServiceDep,
    who: Reader,
    subject: Annotated[str, Query(max_length=600, description="Patient/<id>, or the id alone")],
) -> FhirResponse:
    """Return the mark of a patient whose latest risk is high."""
    flags = []
    try:
        patient = service.patients.get(_patient_in(subject), who=who)
    except NotFound:  # a search finds nothing where there is nobody
        pass
    else:
        flags = _flags(patient, service.today())
    links = {"self": _own(request)}
    return FhirResponse(searchset(flags, base=_base(request), links=links, total=len(flags)))


@router.get("/Patient/{patient_uuid}/$everything", response_class=FhirResponse, responses=_BUNDLE)
def read_everything(request: Request, patient_uuid: Uuid, service: ServiceDep, who: PatientReader) -> FhirResponse:
    """Return all that is known of a patient: facts as resources that others can take in, and what was said."""
    found = service.assessments.everything(patient_uuid, who=who)
    person = found.patient._asdict()
    resources = [patient_resource(person, found.events), *fact_resources(patient_uuid, found.events)]
    resources += [risk_assessment(told(one)) for one in found.said]
    resources += _flags(found.patient, service.today())
    links = {"self": _own(request)}
    return FhirResponse(searchset(resources, base=_base(request), links=links, total=len(resources)))


def _flags(patient: PatientRow, today: date) -> list[dict[str, Any]]:
    if patient.risk_band != Band.HIGH or patient.risk_as_of is None:
        return []
    expected = patient.expected_on
    until = None if expected is None else day_date(interruption_day(day_number(expected)))
    return [flag(patient.patient_uuid, since=patient.risk_as_of, until=until, today=today)]


def _own(request: Request) -> str:
    query = f"?{request.url.query}" if request.url.query else ""
    return f"{public_address(request)}{request.url.path}{query}"


def _base(request: Request) -> str:
    return f"{public_address(request)}/fhir"


def _patient_in(subject: str) -> str:
    found = _SUBJECT.fullmatch(subject)
    if found is None:
        raise InvalidInput("is no reference to a Patient", place="subject")
    return found[1]


def _bands(risk: str | None) -> list[str]:
    if risk is None:
        return []
    codes = [one.rpartition("|")[2] for one in risk.split(",")]
    if not all(code in BANDS for code in codes):
        raise InvalidInput("must be low, moderate or high", place="risk")
    return [BANDS[code] for code in codes]


def _period(days: list[str]) -> tuple[date | None, date | None]:
    """Return the first and the last day that are meant, both included."""
    firsts: list[date] = []
    lasts: list[date] = []
    for written in days:
        prefix, day = _bound(written)
        if prefix != "le":
            firsts.append(day)
        if prefix != "ge":
            lasts.append(day)
    return max(firsts, default=None), min(lasts, default=None)


def _bound(written: str) -> tuple[str, date]:
    """Return `eq`, `ge` or `le` and the day it includes."""
    found = _DAY.fullmatch(written)
    prefix = "" if found is None else found[1] or "eq"
    try:
        day = date.fromisoformat("" if found is None else found[2])
        if prefix in ("gt", "lt"):
            return ("ge", day + timedelta(days=1)) if prefix == "gt" else ("le", day - timedelta(days=1))
    except (ValueError, OverflowError):
        raise InvalidInput("must be YYYY-MM-DD with eq, ge, gt, le or lt before it", place="date") from None
    return prefix, day
