"""`iit hl7`: listen for messages, and send them."""

import asyncio
import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from iit.bootstrap import Service
from iit.cli.shared import running, say
from iit.domain.errors import InvalidInput, NotFound
from iit.ingest.hl7.ack import outcome_of
from iit.ingest.hl7.contents import read_contents
from iit.ingest.hl7.header import Rules
from iit.ingest.hl7.mllp import Limits, Listener, Received, Sender, server_tls
from iit.services.inbox import Frame

hl7 = typer.Typer(help="HL7 v2 messages.", no_args_is_help=True)


@hl7.command("listen")
def listen(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = 2575,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    tls_certificate: Annotated[Path | None, typer.Option(help="Certificate (PEM): turns TLS on.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None,
    tls_clients: Annotated[Path | None, typer.Option(help="Authority whose certificates clients must show.")] = None,
    max_frame_bytes: Annotated[int, typer.Option(min=1024, max=4_194_304)] = Limits.frame_bytes,
    work: Annotated[bool, typer.Option("--work/--no-work", help="Work on the messages in this process too.")] = True,
) -> None:
    """Listen for messages over MLLP until told to stop; what was acknowledged is stored."""
    if (tls_certificate is None) != (tls_key is None) or (tls_clients is not None and tls_key is None):
        raise InvalidInput("a certificate and its key belong together", place="--tls-certificate, --tls-key")
    tls = None
    if tls_certificate is not None:
        tls = server_tls(str(tls_certificate), str(tls_key), str(tls_clients) if tls_clients is not None else None)
    with running() as service:
        listener = make_listener(service, Limits(frame_bytes=max_frame_bytes))

        async def until_told() -> None:
            loop = asyncio.get_running_loop()
            for sign in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(sign, listener.stop)
            await listener.run(host, port, tls=tls, on_ready=lambda found: say(f"listening on {host}:{found}"))

        if work:
            with service.inbox.working():
                asyncio.run(until_told())
        else:
            asyncio.run(until_told())
    say("stopped: all that was acknowledged is stored")


def make_listener(service: Service, limits: Limits) -> Listener:
    """Return a listener whose messages go to the inbox."""

    def receive(group: Sequence[Received]) -> list[bytes]:
        return service.inbox.receive([Frame(one.raw, one.address) for one in group], actor="hl7")

    return Listener(receive, service.inbox.refuse, limits)


@hl7.command("send")
def send(
    paths: Annotated[list[Path], typer.Argument(help="Files of messages or batches.")],
    port: Annotated[int, typer.Option(min=1, max=65535)] = 2575,
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    timeout_seconds: Annotated[float, typer.Option(min=0.1)] = 30.0,
) -> None:
    """Send messages over MLLP, one by one, and tell what was answered. Sending again has no effect twice."""
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise NotFound("no such file", place=str(missing[0]))
    answers: Counter[str] = Counter()
    with Sender(host, port, timeout_seconds=timeout_seconds) as sender:
        for path in paths:
            for item in read_contents(path.read_bytes(), Rules()).items:
                code, control_id, reason = outcome_of(sender.send(item.raw))
                if control_id != item.header.control_id:
                    raise InvalidInput("the answer is to another message", place="MSA-2")
                answers[code] += 1
                if reason:
                    say(f"{path}: {code} {control_id} {reason}")
    say(", ".join(f"{number} {code}" for code, number in sorted(answers.items())))
    if set(answers) - {"AA"}:
        raise InvalidInput("not all messages were taken", place="hl7 send")
