"""What this service can do, as a CapabilityStatement. A test compares it with the routes."""

from typing import Any, Final

from iit.ingest.fhir.resources import MAPPED

FHIR_VERSION: Final = "4.0.1"
MEDIA_TYPE: Final = "application/fhir+json"
WRITTEN_ON: Final = "2026-11-25"  # day of the last change of what is said here

SEARCHES: Final[dict[str, dict[str, str]]] = {}
"""Search parameters by the resources that are given out, each with its type."""

_CREATED: Final = [{"code": "create"}, {"code": "update"}]
_LINKS: Final = ["local", "literal", "logical", "resolves"]


def capability_statement(version: str) -> dict[str, Any]:
    """Return the statement of a version of the software."""
    taken = [_taken(kind) for kind in sorted(MAPPED)]
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
                "resource": taken,
                "interaction": [{"code": "transaction"}, {"code": "batch"}],
            }
        ],
    }


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
