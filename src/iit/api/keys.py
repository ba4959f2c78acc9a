"""`/api/v1/api-keys`: credentials of programs."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from iit.api.dependencies import PRINTED, ServiceDep
from iit.api.rules import may
from iit.domain.access import Action, Principal, Role, Scope
from iit.services.keys import KeyWish
from iit.store.keys import Key

router = APIRouter(prefix="/api/v1/api-keys", tags=["api keys"])

Manager = Annotated[Principal, may(Action.MANAGE_ACCESS)]
Word = Annotated[str, Field(min_length=1, max_length=64, pattern=PRINTED)]


class KeyOrder(BaseModel):
    """What a new key is for. Without facilities and states it sees whom its maker sees."""

    model_config = ConfigDict(extra="forbid")

    label: Word
    role: Role = Role.INTEGRATION
    actions: list[Action] | None = Field(default=None, description="The only ones of the role's; all if not given.")
    facilities: list[Word] = Field(default=[], max_length=1000)
    states: list[Word] = Field(default=[], max_length=100)
    valid_days: int | None = Field(default=None, ge=1, le=3650, description="Never expires if not given.")


class NewKey(BaseModel):
    """A new key; it is never shown again."""

    key_id: str
    api_key: str


class KeyLine(BaseModel):
    """A key without its secret."""

    key_id: str
    label: str
    role: Role
    actions: list[Action] | None
    facilities: list[str] | None = Field(description="With `states`, whom it sees; both null mean everyone.")
    states: list[str] | None
    created_by: str
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None


class KeyList(BaseModel):
    """All keys, oldest first."""

    api_keys: list[KeyLine]


@router.get("")
def list_keys(service: ServiceDep, _who: Manager) -> KeyList:
    """List all keys, without their secrets."""
    return KeyList(api_keys=[_line(one) for one in service.access.keys.every()])


@router.post("", status_code=201)
def create_key(order: KeyOrder, service: ServiceDep, who: Manager) -> NewKey:
    """Make a key. It can do and see no more than who makes it."""
    scope = who.scope
    if order.facilities or order.states:
        scope = Scope(facilities=frozenset(order.facilities), states=frozenset(order.states))
    actions = None if order.actions is None else frozenset(order.actions)
    wish = KeyWish(label=order.label, role=order.role, actions=actions, scope=scope, valid_days=order.valid_days)
    made = service.access.keys.create(wish, who=who)
    return NewKey(key_id=made.split("_")[1], api_key=made)


@router.delete("/{key_id}", status_code=204)
def revoke_key(
    key_id: Annotated[str, Path(max_length=12, pattern=r"^[a-z0-9]+$")], service: ServiceDep, who: Manager
) -> Response:
    """Revoke a key; all workers follow within five seconds."""
    service.access.keys.revoke(key_id, who=who)
    return Response(status_code=204)


def _line(key: Key) -> KeyLine:
    row, scope = key
    actions = None if row.actions is None else [Action(one) for one in row.actions]
    return KeyLine(
        key_id=row.key_id, label=row.label, role=Role(row.role), actions=actions,
        facilities=None if scope.everything else sorted(scope.facilities),
        states=None if scope.everything else sorted(scope.states),
        created_by=row.created_by, created_at=row.created_at, last_used_at=row.last_used_at,
        expires_at=row.expires_at, revoked_at=row.revoked_at,
    )  # fmt: skip
