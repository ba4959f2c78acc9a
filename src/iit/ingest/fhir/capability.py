"""What this service can do, as a CapabilityStatement. A test compares it with the routes."""

from typing import Any, Final

from iit.ingest.fhir.resources import MAPPED

FHIR_VERSION: Final = "4.0.1"
MEDIA_TYPE: Final = "application/fhir+json"
WRITTEN_ON: Final = "2026-11-25"  # day of the last change of what is said here

SEARCHES: Final[dict[str, dict[str, str]]] = {
    "RiskAssessment": {"subject": "reference", "date": "date", "risk": "token"},
    "Flag": {"subject": "reference"},
}
"""Search parameters by the resources that are given out, each with its type."""

READ: Final = frozenset({"RiskAssessment"})
"""Resources that can be read by their id."""

_EVERYTHING: Final = "http://hl7.org/fhir/OperationDefinition/Patient-everything"
_CREATED: Final = [{"code": "create"}, {"code": "update"}]
_LINKS: Final = ["local", "literal", "logical", "resolves"]


def capability_statement(version: str) -> dict[str, Any]:
    """Return the statement of a version of the software."""
    resources = {kind: _taken(kind) for kind in MAPPED} | {kind: _given(kind) for kind in SEARCHES}
    resources["Patient"]["operation"] = [{"name": "everything", "definition": _EVERYTHING}]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": WRITTEN_ON,
        "kind": "instance",
        "software": {"name": "IIT ML Service", "version": version},
        "implementation": {"description": "Records in; risks of interruption in treatment out"},
        "fhirVersion": FHIR_VERSION,
        "format": [MEDIA_TYPE, "json"],
        "rest": [
            {
                "mode": "server",
                "documentation": "Resources are read into dated facts and are not kept themselves.",
                "security": {"description": "An API key in X-API-Key, or a token in Authorization: Bearer"},
                "resource": [resources[kind] for kind in sorted(resources)],
                "interaction": [{"code": "transaction"}, {"code": "batch"}],
            }
        ],
    }


def _given(kind: str) -> dict[str, Any]:
    reads = [{"code": "search-type"}] + ([{"code": "read"}] if kind in READ else [])
    parameters = [{"name": name, "type": told} for name, told in SEARCHES[kind].items()]
    return {"type": kind, "interaction": reads, "searchParam": parameters}


def _taken(kind: str) -> dict[str, Any]:
    return {
        "type": kind,
        "interaction": _CREATED,
        "versioning": "versioned-update",
        "conditionalCreate": True,
        "conditionalUpdate": True,
        "updateCreate": True,
        "referencePolicy": _LINKS,
    }
