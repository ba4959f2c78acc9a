"""Who may do what, and on whom: roles, actions, the one table of both, and the scope of a principal."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What somebody is here for."""

    VIEWER = "viewer"
    CASE_MANAGER = "case_manager"
    CLINICIAN = "clinician"
    DATA_SCIENTIST = "data_scientist"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"
    INTEGRATION = "integration"


class Action(StrEnum):
    """What can be done. Every route declares one; a key may be narrowed to some."""

    READ_PATIENTS = "patients:read"
    WRITE_PATIENTS = "patients:write"
    READ_WORKLIST = "worklist:read"
    WRITE_OUTREACH = "outreach:write"
    PREDICT = "predictions:create"
    READ_PREDICTIONS = "predictions:read"
    RUN_BATCHES = "batches:run"
    MANAGE_JOBS = "jobs:manage"
    EXCHANGE_MESSAGES = "messages:exchange"
    READ_MODELS = "models:read"
    MANAGE_MODELS = "models:manage"
    READ_ANALYTICS = "analytics:read"
    READ_HEALTH = "health:read"
    OPERATE = "operations:run"
    INSPECT = "process:inspect"
    READ_AUDIT = "audit:read"
    MANAGE_ACCESS = "access:manage"


_V, _M, _C = Role.VIEWER, Role.CASE_MANAGER, Role.CLINICIAN
_D, _O, _A, _I = Role.DATA_SCIENTIST, Role.OPERATOR, Role.ADMINISTRATOR, Role.INTEGRATION

RIGHTS: Final[dict[Action, frozenset[Role]]] = {
    Action.READ_PATIENTS: frozenset({_V, _M, _C, _A, _I}),
    Action.WRITE_PATIENTS: frozenset({_A, _I}),
    Action.READ_WORKLIST: frozenset({_V, _M, _C, _A, _I}),
    Action.WRITE_OUTREACH: frozenset({_M, _C, _A, _I}),
    Action.PREDICT: frozenset({_M, _C, _D, _A, _I}),
    Action.READ_PREDICTIONS: frozenset({_V, _M, _C, _D, _A, _I}),
    Action.RUN_BATCHES: frozenset({_D, _O, _A, _I}),
    Action.MANAGE_JOBS: frozenset({_D, _O, _A}),
    Action.EXCHANGE_MESSAGES: frozenset({_A, _I}),
    Action.READ_MODELS: frozenset({_V, _M, _C, _D, _O, _A, _I}),
    Action.MANAGE_MODELS: frozenset({_D, _A}),
    Action.READ_ANALYTICS: frozenset({_V, _M, _C, _D, _O, _A}),
    Action.READ_HEALTH: frozenset({_D, _O, _A, _I}),
    Action.OPERATE: frozenset({_O, _A}),
    Action.INSPECT: frozenset({_O, _A}),
    Action.READ_AUDIT: frozenset({_A}),
    Action.MANAGE_ACCESS: frozenset({_A}),
}
"""Which roles may do what: enforcement, tests and `docs/reference/access.md` come from this table."""


class Credential(StrEnum):
    """What somebody showed."""

    API_KEY = "api_key"
    TOKEN = "token"  # noqa: S105 - a kind, not a secret
    SESSION = "session"
    LOCAL = "local"


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Which patients somebody may see: those of some facilities and those who live in some states, or everyone.

    A patient without a known state is in no state's scope.
    """

    facilities: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    everything: bool = False

    def covers(self, facility: str | None, state: str | None) -> bool:
        """Tell whether a patient of a facility, living in a state, may be seen."""
        return self.everything or facility in self.facilities or state in self.states

    def within(self, other: "Scope") -> bool:
        """Tell whether this scope shows nothing that the other one hides."""
        if other.everything:
            return True
        return not self.everything and self.facilities <= other.facilities and self.states <= other.states


EVERYTHING: Final = Scope(everything=True)


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who is asking.

    Attributes:
        name: as it stands in the audit trail: `key:<id>`, `user:<name>` or `cli:<account>`.
        role: what they are here for.
        scope: whom they may see.
        credential: what they showed.
        narrowed: the only actions a key may do of its role's; None means all of them.
    """

    name: str
    role: Role
    scope: Scope
    credential: Credential
    narrowed: frozenset[Action] | None = None
    _may: frozenset[Action] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        granted = {action for action, roles in RIGHTS.items() if self.role in roles}
        narrowed = granted if self.narrowed is None else granted & self.narrowed
        object.__setattr__(self, "_may", frozenset(narrowed))

    def may(self, action: Action) -> bool:
        """Tell whether an action is allowed, whatever it is done to."""
        return action in self._may


def local_operator(account: str) -> Principal:
    """Return who works on the machine itself: all rights, on everyone."""
    return Principal(name=f"cli:{account}", role=Role.ADMINISTRATOR, scope=EVERYTHING, credential=Credential.LOCAL)


def on_behalf_of(name: str) -> Principal:
    """Return who does in the background what somebody was allowed to ask for: rights are checked when it is asked."""
    return Principal(name=name, role=Role.ADMINISTRATOR, scope=EVERYTHING, credential=Credential.LOCAL)
