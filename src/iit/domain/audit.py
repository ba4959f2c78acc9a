"""The audit event: who did what to which record, and how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class AuditEvent:
    """One entry of the audit trail.

    Attributes:
        event_type: what kind of act, for example `prediction`, `patient_read`, `login_failure`.
        actor: who acted: `key:<id>`, `user:<name>`, `cli:<account>` or `anonymous`.
        action: `read`, `create`, `update`, `delete` or `execute`.
        target: what was acted upon, for example `patient:<uuid>` or `model:v2.0`.
        outcome: `ok`, `refused` or `failed`.
        detail: figures and names of settings; never a patient's values.
    """

    event_type: str
    actor: str
    action: str
    target: str
    outcome: str = "ok"
    detail: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
