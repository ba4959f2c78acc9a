"""Who may do what, as the table says it."""

import pytest

from iit.domain.access import EVERYTHING, RIGHTS, Action, Credential, Principal, Role, Scope, local_operator


def a_principal(role: Role, narrowed: frozenset[Action] | None = None) -> Principal:
    return Principal(name="key:x", role=role, scope=EVERYTHING, credential=Credential.API_KEY, narrowed=narrowed)


def test_every_action_is_in_the_table() -> None:
    assert set(RIGHTS) == set(Action)


@pytest.mark.parametrize("role", Role)
def test_a_principal_may_what_the_table_says(role: Role) -> None:
    assert {action for action in Action if a_principal(role).may(action)} == {
        action for action, roles in RIGHTS.items() if role in roles
    }


def test_an_administrator_may_everything() -> None:
    assert all(a_principal(Role.ADMINISTRATOR).may(action) for action in Action)


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.DATA_SCIENTIST])
def test_those_who_run_the_service_see_no_patients(role: Role) -> None:
    who = a_principal(role)
    assert not any(who.may(action) for action in (Action.READ_PATIENTS, Action.READ_WORKLIST, Action.READ_AUDIT))


def test_a_viewer_changes_nothing() -> None:
    assert all(a.endswith(":read") for a in Action if a_principal(Role.VIEWER).may(a))


def test_a_key_may_be_narrowed_but_never_widened() -> None:
    who = a_principal(Role.VIEWER, frozenset({Action.READ_MODELS, Action.MANAGE_ACCESS}))
    assert [action for action in Action if who.may(action)] == [Action.READ_MODELS]


@pytest.mark.parametrize(
    ("scope", "facility", "state", "covered"),
    [
        pytest.param(EVERYTHING, None, None, True, id="everyone, a patient of nowhere"),
        pytest.param(Scope(), "A", "Oyo", False, id="nobody"),
        pytest.param(Scope(), None, None, False, id="nobody, a patient of nowhere"),
        pytest.param(Scope(facilities=frozenset({"A"})), "A", None, True, id="the facility"),
        pytest.param(
            Scope(facilities=frozenset({"A"})), "B", "A", False, id="a state that is called like the facility"
        ),
        pytest.param(Scope(states=frozenset({"Oyo"})), "B", "Oyo", True, id="the state"),
        pytest.param(Scope(states=frozenset({"Oyo"})), "B", None, False, id="no known state"),
    ],
)
def test_a_scope_covers_its_facilities_and_states(
    scope: Scope, facility: str | None, state: str | None, covered: bool
) -> None:
    assert scope.covers(facility, state) is covered


@pytest.mark.parametrize(
    ("inner", "outer", "within"),
    [
        pytest.param(EVERYTHING, EVERYTHING, True, id="all in all"),
        pytest.param(Scope(facilities=frozenset({"A"})), EVERYTHING, True, id="one in all"),
        pytest.param(EVERYTHING, Scope(facilities=frozenset({"A"})), False, id="all in one"),
        pytest.param(
            Scope(facilities=frozenset({"A", "B"})), Scope(facilities=frozenset({"A"})), False, id="two in one"
        ),
        pytest.param(
            Scope(states=frozenset({"Oyo"})), Scope(facilities=frozenset({"A"})), False, id="state in facility"
        ),
    ],
)
def test_a_scope_lies_within_another(inner: Scope, outer: Scope, within: bool) -> None:
    assert inner.within(outer) is within


def test_who_works_on_the_machine_may_everything() -> None:
    who = local_operator("ada")
    assert (who.name, who.scope) == ("cli:ada", EVERYTHING)
    assert all(who.may(action) for action in Action)
