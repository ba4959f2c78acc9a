"""What a provider says of somebody, as role and scope. Nobody is anything unless a rule says so."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from iit.domain.access import EVERYTHING, Role, Scope
from iit.domain.errors import InvalidInput, NotAllowed

BY_CLAIM: Final = "claim"
"""Instead of facilities in a rule: those that the provider names."""


class ClaimRule(NamedTuple):
    """What members of a group are.

    Attributes:
        group: as the provider names it.
        role: what they are here for.
        facilities: whom they may see; None is everyone, `claim` alone those that the provider names.
    """

    group: str
    role: Role
    facilities: frozenset[str] | None

    def __repr__(self) -> str:
        return "ClaimRule()"


def rules_in(text: str) -> tuple[ClaimRule, ...]:
    """Return the rules of a setting, in its order.

    Raises:
        InvalidInput: one is not of the form `group=role`, `group=role@F1+F2` or `group=role@claim`.
    """
    return tuple(_rule(one.strip()) for one in text.split(",") if one.strip())


def _rule(text: str) -> ClaimRule:
    group, equals, told = text.rpartition("=")
    role, at, places = told.partition("@")
    facilities = frozenset(one.strip() for one in places.split("+") if one.strip())
    if not equals or not group.strip() or role.strip() not in set(Role) or (at and not facilities):
        raise InvalidInput("each entry must be `group=role`, `group=role@F1+F2` or `group=role@claim`", place="roles")
    return ClaimRule(group.strip(), Role(role.strip()), facilities if at else None)


def rights_of(
    claims: Mapping[str, Any], rules: Sequence[ClaimRule], *, role_claim: str, facility_claim: str
) -> tuple[Role, Scope]:
    """Return what somebody is and whom they may see, by the first rule whose group they are in.

    Raises:
        NotAllowed: no rule fits, or it names the facilities of a claim that names none.
    """
    groups = _texts(claims, role_claim)
    for rule in rules:
        if rule.group in groups:
            return rule.role, _scope(rule, claims, facility_claim)
    raise NotAllowed("no role here belongs to what the identity provider says of you", place="login")


def _scope(rule: ClaimRule, claims: Mapping[str, Any], facility_claim: str) -> Scope:
    if rule.facilities is None:
        return EVERYTHING
    if rule.facilities != {BY_CLAIM}:
        return Scope(facilities=rule.facilities)
    facilities = _texts(claims, facility_claim)
    if not facilities:
        raise NotAllowed("the identity provider names no facility of yours", place="login")
    return Scope(facilities=facilities)


def _texts(claims: Mapping[str, Any], name: str) -> frozenset[str]:
    """Return the texts of a claim that is one or a list of them; anything else is none."""
    found: Any = claims.get(name)
    if found is None and "." in name:
        found = claims
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    listed = [found] if isinstance(found, str) else found
    if not isinstance(listed, list):
        return frozenset()
    return frozenset(one for one in listed if isinstance(one, str) and one)
