"""`iit users` and `iit keys`: who may come in, what they may do and whom they may see."""

from typing import Annotated

import typer

from iit.bootstrap.secrets import rotate_secret
from iit.cli.shared import operator, running, say
from iit.config import load_settings
from iit.domain.access import EVERYTHING, Action, Role, Scope
from iit.services.keys import KeyWish

users = typer.Typer(help="Users of the pages and of tokens.", no_args_is_help=True)
keys = typer.Typer(help="API keys of programs.", no_args_is_help=True)

access = typer.Typer(help="Who is kept out.", no_args_is_help=True)

Facilities = Annotated[list[str] | None, typer.Option("--facility", help="DATIM code; may be given again.")]
States = Annotated[list[str] | None, typer.Option("--state", help="State the patients live in; may be given again.")]


@users.command("set")
def set_user(
    name: str,
    role: Annotated[str, typer.Option(help=", ".join(Role))] = Role.VIEWER,
    password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)] = "",
    facility: Facilities = None,
    state: States = None,
) -> None:
    """Create a user, or set the password and role of one; open sessions end.

    A new user sees everyone unless facilities or states are given.
    """
    with running() as service:
        service.access.users.save(name, password, role, who=operator())
        if facility or state:
            service.access.users.set_scope(name, _scope(facility, state), who=operator())
        (user,) = [one for one in service.access.users.every() if one.row.user_name == name]
    say(f"{name} may log in as {role} and sees {_told(user.scope)}")


@users.command("scope")
def scope_user(name: str, facility: Facilities = None, state: States = None) -> None:
    """Set whom a user may see: patients of these facilities, or living in these states; without any, everyone."""
    scope = _scope(facility, state)
    with running() as service:
        service.access.users.set_scope(name, scope, who=operator())
    say(f"{name} sees {_told(scope)}")


@users.command("disable")
def disable_user(name: str) -> None:
    """Refuse a user from now on; `iit users set` lets them in again."""
    with running() as service:
        service.access.users.disable(name, who=operator())
    say(f"{name} may no longer log in")


@users.command("list")
def list_users() -> None:
    """List all users."""
    with running() as service:
        for row, scope in service.access.users.every():
            seen = f"last login {row.last_login_at:%Y-%m-%d}" if row.last_login_at else "never logged in"
            state = "disabled" if row.disabled_at else "enabled"
            say(f"{row.user_name:<24} {row.role:<15} {state:<9} {seen:<22} sees {_told(scope)}")


@keys.command("create")
def create_key(
    label: Annotated[str, typer.Option(help="What it is for.")],
    role: Annotated[Role, typer.Option(help="Whose rights it has.")] = Role.INTEGRATION,
    action: Annotated[
        list[Action] | None, typer.Option(help="Narrow it to this action; may be given again. By default all.")
    ] = None,
    facility: Facilities = None,
    state: States = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires; by default never.")] = None,
) -> None:
    """Make an API key and print it; it is never shown again."""
    narrowed = frozenset(action) if action else None
    wish = KeyWish(label=label, role=role, actions=narrowed, scope=_scope(facility, state), valid_days=days)
    with running() as service:
        say(service.access.keys.create(wish, who=operator()))


@keys.command("list")
def list_keys() -> None:
    """List all keys, without their secrets."""
    with running() as service:
        for row, scope in service.access.keys.every():
            state = "revoked" if row.revoked_at else f"until {row.expires_at:%Y-%m-%d}" if row.expires_at else "valid"
            used = f"used {row.last_used_at:%Y-%m-%d %H:%M}" if row.last_used_at else "never used"
            does = row.role if row.actions is None else f"{row.role} ({', '.join(row.actions)})"
            say(f"{row.key_id}  {row.created_at:%Y-%m-%d}  {state:<16}  {used:<21}  {does}, sees {_told(scope)}  "
                f"{row.label}")  # fmt: skip


@keys.command("revoke")
def revoke_key(key_id: str) -> None:
    """Revoke a key; running workers follow within five seconds."""
    with running() as service:
        service.access.keys.revoke(key_id, who=operator())
    say(f"{key_id} is revoked")


@keys.command("rotate")
def rotate_key(
    key_id: str,
    overlap_days: Annotated[int, typer.Option(min=0, max=90, help="How long the old one still works.")] = 7,
) -> None:
    """Make a key like another and print it; the old one ends after some days."""
    with running() as service:
        say(service.access.keys.rotate(key_id, overlap_days=overlap_days, who=operator()))


@access.command("lock")
def lock(reason: Annotated[str, typer.Option(help="For the audit trail and the list.")]) -> None:
    """Emergency: end all sessions and tokens; until unlocked only administrators may do anything."""
    with running() as service:
        service.access.perimeter.lock(reason, who=operator())
    say("locked: all workers follow within seconds; `iit access unlock` opens again")


@access.command("unlock")
def unlock() -> None:
    """Open the service again; people log in anew."""
    with running() as service:
        service.access.perimeter.unlock(who=operator())
    say("unlocked")


@access.command("block")
def block(
    address: Annotated[str, typer.Argument(help="An address or a network such as 192.0.2.0/24.")],
    reason: Annotated[str, typer.Option(help="For the audit trail and the list.")] = "",
) -> None:
    """Keep an address or network out, in all workers within seconds."""
    with running() as service:
        network = service.access.perimeter.block(address, reason, who=operator())
    say(f"{network} is blocked")


@access.command("unblock")
def unblock(address: str) -> None:
    """Let an address or network in again."""
    with running() as service:
        network = service.access.perimeter.unblock(address, who=operator())
    say(f"{network} is no longer blocked")


@access.command("blocked")
def blocked() -> None:
    """List what is kept out."""
    with running() as service:
        state = service.access.perimeter.state()
    if state.lock_reason is not None:
        say(f"the service is locked: {state.lock_reason}")
    for one in state.blocks:
        say(f"{one.network:<24} by {one.blocked_by:<16} {one.reason}")


@access.command("rotate-secret")
def rotate(
    forget: Annotated[
        bool, typer.Option("--forget", help="Retire all but the newest one; no new one is made.")
    ] = False,
) -> None:
    """Make a new secret for hashes and signatures; the ones before stay accepted until --forget.

    Former ones are kept for good: the audit trail of their time is verified with them, and people are recognised.
    """
    n = rotate_secret(load_settings(), forget=forget)
    say(f"{n} secrets are accepted; restart the service to take it up")


def _scope(facilities: list[str] | None, states: list[str] | None) -> Scope:
    if not facilities and not states:
        return EVERYTHING
    return Scope(facilities=frozenset(facilities or ()), states=frozenset(states or ()))


def _told(scope: Scope) -> str:
    if scope.everything:
        return "everyone"
    return ", ".join([*sorted(scope.facilities), *sorted(scope.states)]) or "nobody"
