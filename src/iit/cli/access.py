"""`iit users` and `iit keys`: who may come in."""

from typing import Annotated

import typer

from iit.cli.shared import actor, running, say
from iit.services.access import ROLES

users = typer.Typer(help="Users of the pages.", no_args_is_help=True)
keys = typer.Typer(help="API keys of programs.", no_args_is_help=True)


@users.command("set")
def set_user(
    name: str,
    role: Annotated[str, typer.Option(help=", ".join(ROLES))] = "viewer",
    password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)] = "",
) -> None:
    """Create a user, or set the password and role of one."""
    with running() as service:
        service.access.save_user(name, password, role, actor=actor())
    say(f"{name} may log in")


@keys.command("create")
def create_key(
    label: Annotated[str, typer.Option(help="What it is for.")],
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires; by default never.")] = None,
) -> None:
    """Make an API key and print it; it is never shown again."""
    with running() as service:
        say(service.access.create_key(label, actor=actor(), valid_days=days))


@keys.command("list")
def list_keys() -> None:
    """List all keys, without their secrets."""
    with running() as service:
        for key in service.access.list_keys():
            state = "revoked" if key.revoked_at else f"expires {key.expires_at}" if key.expires_at else "valid"
            say(f"{key.key_id}  {key.created_at:%Y-%m-%d}  {state:<8}  {key.label}")


@keys.command("revoke")
def revoke_key(key_id: str) -> None:
    """Revoke a key; running workers follow within five seconds."""
    with running() as service:
        service.access.revoke_key(key_id, actor=actor())
    say(f"{key_id} is revoked")
