"""`/api/v1/patients` and `/api/v1/worklist`: records and lists."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool

from iit.api.answers import (
    KeptAnswer,
    PatientAnswer,
    PatientsAnswer,
    StoredAnswers,
    TimelineAnswer,
    WorklistAnswer,
    answers,
)
from iit.api.dependencies import PRINTED, ServiceDep
from iit.api.rules import may
from iit.domain.access import Action, Principal
from iit.domain.risk import Band
from iit.services.answers import told

router = APIRouter(prefix="/api/v1", tags=["patients"])

Reader = Annotated[Principal, may(Action.READ_PATIENTS)]
Uuid = Annotated[str, Path(max_length=64, pattern=PRINTED)]
Facility = Annotated[str | None, Query(max_length=64, pattern=PRINTED)]

_DOCUMENT = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}


@router.post("/patients", status_code=201, openapi_extra=_DOCUMENT, **answers(KeptAnswer, 201))
async def keep_patient(
    request: Request, service: ServiceDep, who: Annotated[Principal, may(Action.WRITE_PATIENTS)]
) -> dict[str, Any]:
    """Keep an NMRS document. Sending it again changes nothing; a newer export replaces the record."""
    data = await request.body()
    record, summary = await run_in_threadpool(service.intake.take_one, data, who=who)
    return {
        "patient_uuid": record.patient.patient_uuid,
        "facility": record.patient.facility,
        "n_events": len(record.events),
        "added": summary.n_added,
        "updated": summary.n_updated,
        "unchanged": summary.n_unchanged,
        "older": summary.n_older,
        "removed": summary.n_removed,
    }


@router.get("/patients", **answers(PatientsAnswer))
def list_patients(
    service: ServiceDep,
    who: Reader,
    facility: Facility = None,
    band: Band | None = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """List patients in a fixed order, by pages."""
    page = service.patients.page(facility=facility, band=band, cursor=cursor, limit=limit, who=who)
    return {"patients": [row._asdict() for row in page.patients], "next_cursor": page.next_cursor}


@router.get("/patients/{patient_uuid}", **answers(PatientAnswer))
def get_patient(patient_uuid: Uuid, service: ServiceDep, who: Reader) -> dict[str, Any]:
    """Return a patient with the latest risk."""
    return service.patients.get(patient_uuid, who=who)._asdict()


@router.get("/patients/{patient_uuid}/timeline", **answers(TimelineAnswer))
def get_timeline(patient_uuid: Uuid, service: ServiceDep, who: Reader, as_of: date | None = None) -> dict[str, Any]:
    """Return refill cycles with labels, and facts, as known on a day."""
    timeline = service.patients.timeline(patient_uuid, as_of=as_of, today=service.today(), who=who)
    return {
        "patient_uuid": timeline.patient_uuid,
        "as_of": timeline.as_of,
        "cycles": [cycle._asdict() for cycle in timeline.cycles],
        "events": [event._asdict() for event in timeline.events],
    }


@router.get("/patients/{patient_uuid}/predictions", **answers(StoredAnswers))
def get_predictions(
    patient_uuid: Uuid,
    service: ServiceDep,
    who: Annotated[Principal, may(Action.READ_PREDICTIONS)],
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """Return what was said of a patient, newest first."""
    rows = service.patients.predictions(patient_uuid, limit=limit, who=who)
    return {"predictions": [told(one) for one in rows]}


@router.get("/worklist", **answers(WorklistAnswer))
def get_worklist(
    service: ServiceDep,
    who: Annotated[Principal, may(Action.READ_WORKLIST)],
    facility: Facility = None,
    as_of: date | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> dict[str, Any]:
    """Return the patients of a facility with the highest risk, from each facility's latest list or one day."""
    rows = service.patients.worklist(facility=facility, as_of=as_of, limit=limit, who=who)
    return {"worklist": [row._asdict() for row in rows]}
