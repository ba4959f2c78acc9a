"""`iit inbox`: what came, what became of it, and what to do about it."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from iit.cli.shared import Json, operator, running, say, tell
from iit.domain.errors import InvalidInput

inbox = typer.Typer(help="Messages that came in.", no_args_is_help=True)

MessageId = Annotated[int, typer.Argument(help="Number of the message.", min=1)]


class State(StrEnum):
    """What may have become of a message."""

    WAITING = "waiting"
    DONE = "done"
    IGNORED = "ignored"
    DEAD = "dead"
    DISCARDED = "discarded"


@inbox.command("list")
def list_messages(
    state: Annotated[State | None, typer.Option(help="Only these.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 50,
    as_json: Json = False,
) -> None:
    """List messages, newest first, without their content."""
    with running() as service:
        rows = service.inbox.rows(state=state, limit=limit)
        depth = service.inbox.depth()
    if as_json:
        tell({**depth._asdict(), "messages": [row._asdict() for row in rows]})
        return
    for row in rows:
        say(f"{row.id:>8}  {row.received_at:%Y-%m-%d %H:%M:%S}  {row.message_type:<8}  {row.state:<9}  "
            f"{row.sender} {row.control_id}  {row.error or ''}".rstrip())  # fmt: skip
    say(f"{depth.n_waiting} waiting, the oldest for {depth.oldest_seconds:.0f} s; {depth.n_dead} dead")


@inbox.command("show")
def show(message_id: MessageId) -> None:
    """Show a message with its content, where that is still kept. It may name a person; the reading is recorded."""
    with running() as service:
        row, raw = service.inbox.show(message_id, actor=operator().name)
    tell(row._asdict())
    if raw is not None:
        sys.stdout.write(raw.decode("utf-8", "replace").replace("\r", "\n") + "\n")


@inbox.command("retry")
def retry(
    message_ids: Annotated[list[int] | None, typer.Argument(help="Numbers of dead messages.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All dead messages.")] = False,
) -> None:
    """Let dead messages be tried again."""
    if bool(message_ids) == everything:
        raise InvalidInput("name messages or give --all", place="inbox retry")
    with running() as service:
        found = service.inbox.retry(message_ids, actor=operator().name)
    say(f"{len(found)} messages wait again")


@inbox.command("discard")
def discard(message_id: MessageId) -> None:
    """Give a waiting or dead message up for good and remove its content."""
    with running() as service:
        service.inbox.discard(message_id, actor=operator().name)
    say(f"message {message_id} discarded")


@inbox.command("reseal")
def reseal(
    unsealed: Annotated[
        bool, typer.Option("--unsealed", help="Keep them as they came, before IIT_MESSAGE_KEY is taken away.")
    ] = False,
) -> None:
    """Seal all kept messages with the first key of IIT_MESSAGE_KEY; broken off, run it again."""
    with running() as service:
        if not service.inbox.keys.keys:
            raise InvalidInput("is not set", place="IIT_MESSAGE_KEY")
        n = service.inbox.reseal(actor=operator().name, unsealed=unsealed)
    say(f"{n} messages are kept in another form now")


@inbox.command("work")
def work(as_json: Json = False) -> None:
    """Work on all messages that are due, and stop."""
    with running() as service:
        summary = service.inbox.work()
    if as_json:
        tell(vars(summary))
    else:
        say(f"{summary.n_done} done, {summary.n_failed} to be tried again, {summary.n_dead} dead")
