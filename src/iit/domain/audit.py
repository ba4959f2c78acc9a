"""The audit event: who did what to which record, when, from where, why, and how it ended."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, NamedTuple


class EventType(StrEnum):
    """Every kind of act that is put on the trail. `login_failure` and `unauthorized_access` are queried by name."""

    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> "EventType":
        """Make a member that knows what it means."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    LOGIN = "login", "A person or program opened a session or was given a token."
    LOGIN_FAILURE = "login_failure", "Name, password, key or token was wrong."
    ACCOUNT_LOCKED = "account_locked", "Too many passwords were wrong: from there the account has to wait, ever longer."
    LOGOUT = "logout", "A session was ended."
    TOKEN_REFRESHED = "token_refreshed", "A refresh token was exchanged for new tokens."
    REFRESH_TOKEN_REUSED = "refresh_token_reused", "A refresh token was shown twice: all tokens of its login ended."
    UNAUTHORIZED_ACCESS = "unauthorized_access", "Something was asked for without the right to it."
    ACCESS_LOCKED = "access_locked", "The service was closed to all but administrators in an emergency."
    ACCESS_UNLOCKED = "access_unlocked", "The service was opened again."
    ADDRESS_BLOCKED = "address_blocked", "An address or network was shut out."
    ADDRESS_UNBLOCKED = "address_unblocked", "An address or network was let in again."
    USER_SAVED = (
        "user_saved",
        "A user was made, or the password of one was set, or the identity provider vouched for one.",
    )
    ROLE_CHANGED = "role_changed", "A user has another role than before; `detail` names both."
    USER_SCOPED = "user_scoped", "The facilities and states of a user were set."
    USER_DISABLED = "user_disabled", "A user may no longer log in."
    USER_ENABLED = "user_enabled", "A user who was disabled may log in again."
    KEY_CREATED = "key_created", "An API key was made."
    KEY_ROTATED = "key_rotated", "An API key was replaced; both work for a while."
    KEY_REVOKED = "key_revoked", "An API key was revoked."

    PATIENT_READ = "patient_read", "One patient's record, timeline or predictions were given out."
    PATIENTS_LISTED = "patients_listed", "A page of patients was given out; `patients` names them."
    WORKLIST_READ = "worklist_read", "A worklist was given out; `patients` names those on it."
    PREDICTION = "prediction", "Risks were computed and given out or kept."
    PREDICTION_READ = "prediction_read", "A stored prediction was given out."
    OUTREACH_RECORDED = "outreach_recorded", "What people did about a risk was noted."
    PATIENTS_EXPORTED = "patients_exported", "Rows about patients left the service as a file."
    RECORDS_IMPORTED = "records_imported", "Records were added or changed."
    RECORDS_REMOVED = "records_removed", "Records were removed because their source voids them."
    PATIENT_EXPORTED = "patient_exported", "Everything kept about one person was given out."
    PATIENT_ERASED = "patient_erased", "Everything kept about one person was removed."
    PATIENT_READMITTED = "patient_readmitted", "Records of a person who was erased may be imported again."
    RETENTION_APPLIED = "retention_applied", "What was kept longer than told was removed."

    MODEL_TRAINED = "model_trained", "A model was trained on the records."
    MODEL_EVALUATED = "model_evaluated", "A model was judged on the records."
    MODEL_PROMOTED = "model_promoted", "A model became the champion."
    MODEL_ROLLED_BACK = "model_rolled_back", "The champion before serves again."
    MODEL_IMPORTED = "model_imported", "A model bundle was taken in from outside."
    MODEL_EXPORTED = "model_exported", "A model bundle was given out."

    MESSAGES_RECEIVED = "messages_received", "Messages were stored in the inbox."
    RECORDS_MERGED = "records_merged", "Facts of messages were merged into records."
    MESSAGE_READ = "message_read", "A message of the inbox was looked at."
    MESSAGES_RETRIED = "messages_retried", "Messages that had failed are to be tried again."
    MESSAGES_RESEALED = "messages_resealed", "Stored messages were sealed with another key, or are no longer sealed."
    MESSAGE_DISCARDED = "message_discarded", "A message was thrown away."

    OUTCOMES_RESOLVED = "outcomes_resolved", "What became of past predictions was noted."
    DRIFT_CHECKED = "drift_checked", "The present was compared with a model's reference."
    MODEL_SHADOWED = "model_shadowed", "A model was set to score beside the champion, or none any more."

    JOB_SUBMITTED = "job_submitted", "Work in the background was asked for."
    JOB_CANCELLED = "job_cancelled", "Work in the background was called off, or has ended so."
    JOB_DONE = "job_done", "Work in the background was done."
    JOB_FAILED = "job_failed", "Work in the background failed."
    SERVICE_STARTED = (
        "service_started",
        "A process of the service began to answer; `detail` holds a mark of each setting.",
    )
    SETTINGS_CHANGED = "settings_changed", "The service starts with other settings than before; `detail` names them."
    BACKUP = "backup", "A backup was begun, made or has failed."
    MAINTENANCE = "maintenance", "Upkeep was done: schema, figures of facilities, backup, restore, clean-up."
    AUDIT_READ = "audit_read", "The audit trail was searched, or asked whom an incident affects."
    AUDIT_EXPORTED = "audit_exported", "The audit trail was written to a file."
    AUDIT_VERIFIED = "audit_verified", "The audit trail was checked."


COLUMNS: Final = {
    "seq": "1, 2, 3 … without a gap",
    "timestamp": "when, by the database's clock at the commit",
    "event_type": "what kind of act",
    "actor": "who: `key:<id>`, `user:<name>`, `emr:<issuer>`, `cli:<account>`, `service` or `anonymous`",
    "action": "`read`, `create`, `update`, `delete` or `execute`",
    "target": "what was acted upon, for example `patient:<uuid>`, `facility:<code>`, `model:<version>`",
    "outcome": "`ok`, `refused`, `failed`; `started` before an act on files, which then ends in a row of its own",
    "detail": "figures and names of settings; never a value of a patient",
    "patients": "`patient_uuid` of all concerned where `target` does not name the one; at most 2,000 a row",
    "address": "network address of who asked; `local` for commands",
    "request_id": "the same for all rows and log lines of one request; the answer's `X-Request-ID`",
    "purpose": "why, as said by who asked",
    "key_id": "which key sealed the row; `genesis` for rows older than the chain",
    "prev_hash": "`hash` of the row before",
    "hash": "HMAC-SHA256 over all other columns",
}
"""The columns of the trail, in the order in which they are sealed, and what they hold."""


class Purpose(StrEnum):
    """Why somebody acted, as said by the one who asks; a list, so that no free text comes onto the trail."""

    UNSTATED = "unstated"
    TREATMENT = "treatment"
    OPERATIONS = "operations"
    PUBLIC_HEALTH = "public_health"
    RESEARCH = "research"
    EMERGENCY = "emergency"
    PATIENT_REQUEST = "patient_request"


class Origin(NamedTuple):
    """From where and why something is asked; bound once, at the door.

    Attributes:
        address: network address of who asks, `local` for commands, empty if not known.
        request_id: what ties together all events and log lines of one request or command.
        purpose: why.
    """

    address: str = ""
    request_id: str = ""
    purpose: Purpose = Purpose.UNSTATED


_NOWHERE: Final = Origin()
_origin: ContextVar[Origin] = ContextVar("origin", default=_NOWHERE)

MOST_PATIENTS: Final = 2_000
"""Patients that one event names at most; `concerning` makes more events of more."""


@dataclass(frozen=True, kw_only=True)
class AuditEvent:
    """One entry of the audit trail.

    Attributes:
        event_type: what kind of act, one of `EventType`.
        actor: who acted: `key:<id>`, `user:<name>`, `cli:<account>`, `service` or `anonymous`.
        action: `read`, `create`, `update`, `delete` or `execute`.
        target: what was acted upon, for example `patient:<uuid>` or `model:v2.0`; never text that a caller made up.
        outcome: `ok`, `refused`, `failed`, or `started` where the act cannot be in the transaction of the event.
        detail: figures and names of settings; never a patient's values.
        patients: `patient_uuid` of all concerned where the target does not name the one.

    Raises:
        ValueError: the event type is none of the list.
    """

    event_type: str
    actor: str
    action: str
    target: str
    outcome: str = "ok"
    detail: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    patients: Sequence[str] = ()

    def __post_init__(self) -> None:
        EventType(self.event_type)


def concerning(event: AuditEvent, patient_uuids: Sequence[str]) -> list[AuditEvent]:
    """Return the event once for each `MOST_PATIENTS` patients, naming them; at least once."""
    starts = range(0, max(len(patient_uuids), 1), MOST_PATIENTS)
    return [replace(event, patients=tuple(patient_uuids[start : start + MOST_PATIENTS])) for start in starts]


def current_origin() -> Origin:
    """Return from where and why the present act is asked."""
    return _origin.get()


@contextmanager
def acting_from(origin: Origin) -> Iterator[None]:
    """Let everything inside be asked from there."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)
