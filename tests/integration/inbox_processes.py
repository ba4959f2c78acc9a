"""The listener and the workers as processes that can be killed, over a server that can be killed."""

import asyncio
import multiprocessing
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.conftest import AUDIT_KEYS
from tests.hl7_messages import a_message, a_person

from iit.domain.errors import Unavailable
from iit.ingest.hl7.ack import outcome_of
from iit.ingest.hl7.header import Rules
from iit.ingest.hl7.map import mapper
from iit.ingest.hl7.mllp import Listener, Received, Sender
from iit.services.identities import Identities
from iit.services.inbox import Frame, Inbox
from iit.store.database import PoolSettings, open_database

_fork = multiprocessing.get_context("forkserver")
_fork.set_forkserver_preload(["tests.integration.inbox_processes"])


def make_inbox(url: str) -> Inbox:
    """Return an inbox over a database."""
    database = open_database(
        url, time_zone="Africa/Lagos", audit_keys=AUDIT_KEYS, pool=PoolSettings(size=3, timeout_seconds=2)
    )
    secret = Identities(b"secret of the tests")
    return Inbox(database, mapper(Rules(), ZoneInfo("Africa/Lagos")), secret, lambda: datetime.now(UTC))


def listen(url: str, port: int) -> None:
    """Listen until told to stop, as `iit hl7 listen --no-work` does."""
    inbox = make_inbox(url)

    def receive(group: Sequence[Received]) -> list[bytes]:
        return inbox.receive([Frame(one.raw, one.address) for one in group], actor="hl7")

    async def run() -> None:
        listener = Listener(receive, inbox.refuse)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, listener.stop)
        await listener.run("127.0.0.1", port)

    asyncio.run(run())


def work(url: str) -> None:
    """Work until killed."""
    with make_inbox(url).working():
        signal.pause()


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as plain:
        plain.bind(("127.0.0.1", 0))
        return int(plain.getsockname()[1])


@dataclass
class Processes:
    """A listener and two workers, each started again after it was killed."""

    url: str
    port: int = field(default_factory=free_port)
    running: dict[str, BaseProcess] = field(default_factory=dict)

    def __enter__(self) -> "Processes":
        for name in ("listener", "worker 1", "worker 2"):
            self.start(name)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.running.values():
            process.kill()
            process.join()

    def start(self, name: str) -> None:
        if name == "listener":
            process = _fork.Process(target=listen, args=(self.url, self.port))
        else:
            process = _fork.Process(target=work, args=(self.url,))
        process.start()
        self.running[name] = process

    def wait_until_listening(self, seconds: float = 30.0) -> None:
        """Return when the listener takes connections."""
        until = time.monotonic() + seconds
        while True:
            try:
                Sender("127.0.0.1", self.port).__exit__()
            except Unavailable:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
            else:
                return

    def kill(self, name: str) -> None:
        self.running[name].kill()
        self.running[name].join()
        self.start(name)


def kill_postgres(folder: Path) -> None:
    """Kill a private server's first process; the others follow it."""
    (found,) = folder.rglob("postmaster.pid")
    os.kill(int(found.read_text().split()[0]), signal.SIGKILL)


@dataclass
class Senders:
    """Threads that send messages until each is acknowledged, and some of them again."""

    port: int
    stop: threading.Event = field(default_factory=threading.Event)
    acknowledged: dict[str, bytes] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self, number: int, *, first: int = 0) -> None:
        for name in range(first, first + number):
            thread = threading.Thread(target=self._send_until_stopped, args=(name,))
            thread.start()
            self.threads.append(thread)

    def join(self) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(60)

    def _send_until_stopped(self, name: int) -> None:
        chance = random.Random(name)
        sender: Sender | None = None
        number = 0
        while not self.stop.is_set():
            number += 1
            control_id, raw = a_pickup(name, number)
            while not self.stop.is_set():
                try:
                    sender = sender or Sender("127.0.0.1", self.port, timeout_seconds=5)
                    if self._is_taken(sender.send(raw), control_id):
                        self.acknowledged[control_id] = raw
                        break
                except Unavailable:
                    if sender is not None:
                        sender.__exit__()
                    sender = None
                time.sleep(0.02)
            if chance.random() < 0.1:
                number -= 1  # as one whose answer was lost would
        if sender is not None:
            sender.__exit__()

    def _is_taken(self, answer: bytes, control_id: str) -> bool:
        code, answered, reason = outcome_of(answer)
        if answered != control_id:
            self.faults.append(f"an answer to {answered} came for {control_id}")
        if code == "AE":
            self.faults.append(f"{control_id}: {reason}")
        return code == "AA"


def a_pickup(name: int, number: int) -> tuple[str, bytes]:
    """Return the control id and the content of a sender's message: a pick-up that no other tells of.

    Five patients at a time get forty pick-ups each, as many as people have.
    """
    on = f"{date(2000, 1, 1) + timedelta(days=number % 8000):%Y%m%d}"
    control_id = f"{name}-{number}"
    rxd = f"RXD|1|1^TLD^L|{on}|90|TAB||RX{control_id}"
    person = a_person(f"P{name}-{number % 5 + number // 200 * 5}")
    return control_id, a_message(person, "ORC|RE|O|F", rxd, "TQ1|1|||||90^d", kind="RDS^O13", control_id=control_id)
