"""RiskAssessment and Flag: what is said of a patient, as resources; and the bundle that answers a search."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from iit.domain.risk import Band
from iit.ingest.fhir.reading import own_id

Json = dict[str, Any]

RISK_SYSTEM: Final = "http://terminology.hl7.org/CodeSystem/risk-probability"
MODEL_SYSTEM: Final = "urn:iit:model"
RISK_CODES: Final[dict[str, str]] = {Band.LOW: "low", Band.MEDIUM: "moderate", Band.HIGH: "high"}
"""FHIR's code for each band."""

BANDS: Final[dict[str, str]] = {code: band for band, code in RISK_CODES.items()} | {band: band for band in RISK_CODES}
"""The band for each code that a search may name."""

_OUTCOME: Final = "Interruption in HIV treatment: no pick-up within 28 days after the expected day"
_DEVICE: Final = {"type": "Device", "display": "IIT ML Service"}


def risk_assessment(told: Mapping[str, Any]) -> Json:
    """Return a prediction, as it is told elsewhere, as a RiskAssessment."""
    prediction: Json = {
        "outcome": {"text": _OUTCOME},
        "probabilityDecimal": round(float(told["iit_risk_score"]), 6),
        "qualitativeRisk": {"coding": [{"system": RISK_SYSTEM, "code": RISK_CODES[told["risk_level"]]}]},
    }
    if told["interruption_date"] is not None:
        prediction["whenPeriod"] = {"start": _day(told["as_of"]), "end": _day(told["interruption_date"])}
    reasons = [str(one["text"]) for one in told["reasons"]]
    if reasons:
        prediction["rationale"] = "; ".join(reasons)
    notes = [*([f"Answered by a fallback: {told['source']}"] if told["degraded"] else []), *told["warnings"]]
    resource: Json = {
        "resourceType": "RiskAssessment",
        "id": str(told["prediction_id"]),
        "meta": {"lastUpdated": _instant(told["created_at"])},
        "status": "final",
        "method": {"coding": [{"system": MODEL_SYSTEM, "code": told["model_version"]}]},
        "subject": {"reference": f"Patient/{told['patient_uuid']}"},
        "occurrenceDateTime": _day(told["as_of"]),
        "performer": _DEVICE,
        "prediction": [prediction],
    }
    return resource | ({"note": [{"text": one} for one in notes]} if notes else {})


def flag(patient_uuid: str, *, since: date, until: date | None, today: date) -> Json:
    """Return the mark of a patient at high risk, active until the day on which the interruption would begin."""
    is_active = until is None or today < until
    period = {"start": _day(since)} | ({} if until is None else {"end": _day(until)})
    category = {"system": "http://terminology.hl7.org/CodeSystem/flag-category", "code": "clinical"}
    return {
        "resourceType": "Flag",
        "id": own_id("Flag", patient_uuid),
        "status": "active" if is_active else "inactive",
        "category": [{"coding": [category]}],
        "code": {"text": "High risk of interruption in treatment"},
        "subject": {"reference": f"Patient/{patient_uuid}"},
        "period": period,
        "author": _DEVICE,
    }


def searchset(resources: Iterable[Json], *, base: str, links: Mapping[str, str], total: int | None = None) -> Json:
    """Return the answer to a search.

    Args:
        resources: what was found, in order.
        base: URL of this server's FHIR, without a slash at the end.
        links: URLs by relation: `self`, `next`.
        total: how many there are on all pages, where that is known.
    """
    entries: Sequence[Json] = [
        {"fullUrl": f"{base}/{one['resourceType']}/{one['id']}", "resource": one, "search": {"mode": "match"}}
        for one in resources
    ]
    told: Json = {"resourceType": "Bundle", "type": "searchset"}
    if total is not None:
        told["total"] = total
    told["link"] = [{"relation": relation, "url": url} for relation, url in links.items()]
    return told | ({"entry": entries} if entries else {})


def _day(day: date) -> str:
    return day.isoformat()


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
