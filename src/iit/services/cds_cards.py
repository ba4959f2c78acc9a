"""Cards of CDS Hooks: what a clinician is shown, in words."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from iit.domain.risk import Band
from iit.services.answers import Prediction

Json = dict[str, Any]

REASON_SYSTEM: Final = "urn:iit:override-reason"
REASONS: Final[dict[str, str]] = {
    "already-contacted": "The patient has already been contacted",
    "will-come": "The patient has said when they will come",
    "care-elsewhere": "The patient gets medicine elsewhere",
    "not-the-case": "The risk does not seem right for this patient",
    "other": "Another reason",
}
"""Why a card may be overridden; what is told otherwise counts as another reason."""

_INDICATORS: Final[dict[str, str]] = {Band.LOW: "info", Band.MEDIUM: "info", Band.HIGH: "warning"}
"""How urgent a band is: none is an emergency, which `critical` is kept for."""

_LONGEST_SUMMARY: Final = 140  # characters, as the standard has it


class Words(NamedTuple):
    """Where cards lead to.

    Attributes:
        public_url: of this service, without a slash at the end.
        has_page: whether the patient is stored, and so has a page.
    """

    public_url: str
    has_page: bool


def card_of(told: Prediction, proposed: Sequence[date], words: Words) -> Json:
    """Return the card of a prediction.

    Args:
        told: the prediction.
        proposed: days of appointments that are about to be made.
        words: where the card leads to.
    """
    late = [day for day in proposed if told.expected_date is not None and day > told.expected_date]
    percent = round(100 * told.iit_risk_score)
    summary = f"Risk of an interruption in treatment: {told.risk_level} ({percent} %)"
    if late:
        summary = f"The medicine runs out before the appointment. {summary}"
    card: Json = {
        "uuid": str(told.prediction_id),
        "summary": summary[:_LONGEST_SUMMARY],
        "detail": _detail(told, late),
        "indicator": "warning" if late else _INDICATORS[told.risk_level],
        "source": {"label": f"IIT ML Service, model {told.model_version}", "url": words.public_url},
        "overrideReasons": [
            {"code": code, "system": REASON_SYSTEM, "display": display} for code, display in REASONS.items()
        ],
    }
    if words.has_page:
        url = f"{words.public_url}/patients/{told.patient_uuid}"
        card["links"] = [{"label": "Why, and the patient's history", "url": url, "type": "absolute"}]
    if told.risk_level != Band.LOW and told.patient_uuid is not None:
        card |= {"suggestions": [_suggestion(told)], "selectionBehavior": "any"}
    return card


def _detail(told: Prediction, late: Sequence[date]) -> str:
    lines = []
    if told.expected_date is not None and told.interruption_date is not None:
        since = told.interruption_date.isoformat()
        lines.append(f"Expected on {told.expected_date.isoformat()}; an interruption from {since} on.")
    if late and told.expected_date is not None:
        days = (min(late) - told.expected_date).days
        lines.append(f"The medicine runs out {days} {'day' if days == 1 else 'days'} before the proposed appointment.")
    reasons = [f"- {one['text']}" for one in told.reasons]
    parts = ["\n".join(lines), "\n".join(["What speaks for it or against it:", *reasons]) if reasons else ""]
    if told.degraded:
        parts.append("Answered by a fallback model.")
    return "\n\n".join(part for part in parts if part)


def _suggestion(told: Prediction) -> Json:
    """Return the proposal of a reminder: a Task that the EMR makes, if it is accepted."""
    task: Json = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "proposal",
        "code": {"text": "Remind the patient of the next visit"},
        "for": {"reference": f"Patient/{told.patient_uuid}"},
    }
    if told.expected_date is not None:
        task["restriction"] = {"period": {"end": told.expected_date.isoformat()}}
    label = "Remind the patient before the expected day"
    return {
        "label": label,
        "uuid": str(uuid5(NAMESPACE_URL, f"{told.prediction_id}/remind")),
        "actions": [{"type": "create", "description": label, "resource": task}],
    }
