"""What holds a patient's values never shows them: a repr ends up in logs, tracebacks and messages."""

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import SimpleNamespace

import msgspec
import pytest

import iit

CANARY = "CANARY-IN-A-FIELD"

PACKAGES = ("iit.domain.record", "iit.features.columns", "iit.ingest", "iit.services", "iit.store", "iit.api")
"""Where patients' values pass through."""

ELSEWHERE = ("iit.services.access", "iit.store.access", "iit.store.embedded", "iit.store.migrations")
"""Among these, where none do."""

HARMLESS = {
    "iit.ingest.bounded": {"Limits", "Room"},
    "iit.ingest.nmrs.concepts": {"Concept"},
    "iit.ingest.nmrs.reading": {"Caveat"},
    "iit.ingest.openmrs.address": {"Address"},
    "iit.ingest.openmrs.database": {"OpenmrsDatabase"},
    "iit.ingest.openmrs.rest": {"Rest", "WebAddress"},
    "iit.ingest.openmrs.web": {"OpenmrsWeb"},
    "iit.ingest.sources": {"Survey"},
    "iit.services.cds_cards": {"Words"},
    "iit.services.champion": {"Serving", "Champion", "_Loaded"},
    "iit.services.intake": {"Rejection", "IntakeSummary"},
    "iit.ingest.fhir.codes": {"Meaning"},
    "iit.ingest.fhir.map": {"FhirMapper"},
    "iit.ingest.hl7.codes": {"Question"},
    "iit.ingest.hl7.header": {"Rules", "Sender"},
    "iit.ingest.hl7.map": {"Mapper"},
    "iit.ingest.hl7.mllp": {"Limits"},
    "iit.ingest.hl7.parse": {"Separators"},
    "iit.services.inbox": {"Depth"},
    "iit.services.gauges": {"Gauges", "Meaning", "_Held"},
    "iit.services.inbox_work": {"WorkSummary"},
    "iit.services.keys": {"KeyWish"},
    "iit.services.logins": {"Origin"},
    "iit.services.monitoring": {"DailyRun", "DriftReport"},
    "iit.services.outcomes": {"OutcomeSummary"},
    "iit.services.perimeter": {"_Snapshot"},
    "iit.services.sync": {"SyncSummary"},
    "iit.services.training": {"CardWish", "TrainingResult", "_Wish"},
    "iit.services.reconciliation": {"Reconciliation", "Side"},
    "iit.services.scoring": {"ScoringWish", "ScoringSummary"},
    "iit.services.contexts": {"HeldFacility"},
    "iit.services.audit": {"Finding", "Verdict", "_Walk"},
    "iit.store.activity": {"LiveFigure", "Share"},
    "iit.store.analytics": {"Cascade", "RiskCount"},
    "iit.store.anchors": {"Anchor"},
    "iit.store.audit": {"AuditFilter", "AuditRow", "Affected", "Head"},
    "iit.store.chain": {"Link", "_Row"},
    "iit.store.diagnosis": {"Patient", "Refused"},
    "iit.store.health": {"RedisFacts"},
    "iit.store.facilities": {"ContextWrite", "FacilityState"},
    "iit.store.jobs": {"JobRow"},
    "iit.store.limits": {"Limits", "Standing"},
    "iit.store.logins": {"Attempts"},
    "iit.store.maintenance": {"Task"},
    "iit.store.metrics": {"Metric"},
    "iit.store.modes": {"ModesRow"},
    "iit.store.monitoring": {"ListDay"},
    "iit.store.perimeter": {"Block", "PerimeterRow"},
    "iit.store.pool": {"PoolSettings"},
    "iit.store.predictions": {"BatchFilter"},
    "iit.services.write_back": {"Targets", "WriteBack", "WriteBackSummary"},
    "iit.store.sync": {"Watermark"},
    "iit.store.spool": {"Depth", "Spool"},
    "iit.store.truths": {"Truth"},
}
"""Classes whose fields are figures, settings, codes of facilities or what the audit trail may hold."""

BUILT_FROM_PARTS = {"database", "keys", "anchors", "engine"}
"""Fields that are services, not values."""


def classes() -> Iterator[type]:
    for found in pkgutil.walk_packages(iit.__path__, "iit."):
        if not found.name.startswith(PACKAGES) or found.name.startswith(ELSEWHERE):
            continue
        module = importlib.import_module(found.name)
        for name, one in inspect.getmembers(module, inspect.isclass):
            holds_fields = dataclasses.is_dataclass(one) or issubclass(one, (tuple, msgspec.Struct))
            if one.__module__ == found.name and holds_fields and name not in HARMLESS.get(found.name, ()):
                yield one


SHOWN = dict.fromkeys(("kind", "prediction_id", "record", "row"), SimpleNamespace(name="PICKUP", prediction_id="an id"))
"""Fields that a repr may show."""


def filled(one: type) -> object:
    """Return an instance that holds the canary in every field."""
    if dataclasses.is_dataclass(one):
        made = object.__new__(one)
        for field in dataclasses.fields(one):
            object.__setattr__(made, field.name, SHOWN.get(field.name, CANARY))
        return made
    if issubclass(one, msgspec.Struct):
        return one(**{name: SHOWN.get(name, CANARY) for name in one.__struct_fields__})
    return one._make([SHOWN.get(name, CANARY) for name in one._fields])  # type: ignore[attr-defined]


def is_service(one: type) -> bool:
    return dataclasses.is_dataclass(one) and bool({field.name for field in dataclasses.fields(one)} & BUILT_FROM_PARTS)


@pytest.mark.parametrize(
    "one", [one for one in classes() if not is_service(one)], ids=lambda one: f"{one.__module__}.{one.__name__}"
)
def test_what_may_hold_a_patients_values_shows_none(one: type) -> None:
    assert CANARY not in repr(filled(one))
    assert CANARY not in str(filled(one))
