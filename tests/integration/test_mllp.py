"""The listener: frames however they come, many connections, limits, TLS, a clean stop, and answers that fit."""

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iit.domain.errors import InvalidInput, Unavailable
from iit.ingest.hl7.mllp import END, START, Frames, Limits, Listener, Received, Sender, server_tls


@dataclass
class Echo:
    """Answers each frame with itself, and remembers how they came."""

    seconds: float = 0.0
    groups: list[int] = field(default_factory=list)
    addresses: set[str] = field(default_factory=set)

    def __call__(self, group: Sequence[Received]) -> list[bytes]:
        self.groups.append(len(group))
        self.addresses |= {one.address for one in group}
        time.sleep(self.seconds)
        return [b"echo " + one.raw for one in group]


@contextmanager
def listening(
    receive: Callable[[Sequence[Received]], list[bytes]],
    limits: Limits | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[tuple[int, Callable[[], None]]]:
    """Run a listener in a thread; yield its port and what stops it."""
    ready = threading.Event()
    found: dict[str, object] = {}

    async def run() -> None:
        listener = Listener(receive, lambda head: b"too large: " + head[:5], limits)
        loop = asyncio.get_running_loop()
        found["stop"] = lambda: loop.call_soon_threadsafe(listener.stop)

        def on_ready(port: int) -> None:
            found["port"] = port
            ready.set()

        await listener.run("127.0.0.1", 0, tls=tls, on_ready=on_ready)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(10)
    try:
        yield found["port"], found["stop"]  # type: ignore[misc]
    finally:
        if thread.is_alive():
            found["stop"]()  # type: ignore[operator]
        thread.join(20)
        assert not thread.is_alive()


@given(st.lists(st.binary(max_size=30).map(lambda raw: raw.translate(None, b"\x0b\x1c")), max_size=6), st.data())
def test_frames_are_found_however_the_bytes_are_cut(raws: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(b"\n" + START + raw + END for raw in raws)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    frames = Frames(1000)
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += list(frames.feed(stream[start:end]))
    assert found == raws
    assert not frames.is_open


def test_many_senders_are_answered_together_and_each_gets_its_own() -> None:
    echo = Echo(seconds=0.02)

    def talk(port: int, name: int) -> list[bytes]:
        with Sender("127.0.0.1", port) as sender:
            return [sender.send(f"{name}-{number}".encode()) for number in range(10)]

    with listening(echo) as (port, _), ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda name: talk(port, name), range(20)))
    assert answers == [[f"echo {name}-{number}".encode() for number in range(10)] for name in range(20)]
    assert max(echo.groups) > 5
    assert echo.addresses == {"127.0.0.1"}


def test_frames_that_come_at_once_are_answered_in_order() -> None:
    with listening(Echo()) as (port, _), socket.create_connection(("127.0.0.1", port)) as plain:
        plain.sendall(b"".join(START + f"{n}".encode() + END for n in range(50)))
        plain.settimeout(5)
        frames, found = Frames(1000), []
        while len(found) < 50:
            found += list(frames.feed(plain.recv(4096)))
    assert found == [f"echo {n}".encode() for n in range(50)]


def test_a_frame_that_is_too_large_is_answered_and_the_connection_closed() -> None:
    with (
        listening(Echo(), Limits(frame_bytes=1000)) as (port, _),
        socket.create_connection(("127.0.0.1", port)) as plain,
    ):
        plain.settimeout(5)
        plain.sendall(START + b"MSH|x" * 400)
        told = b""
        while part := plain.recv(4096):
            told += part
    assert told == START + b"too large: MSH|x" + END


def test_a_slow_frame_is_cut_off_and_others_are_not_held_up() -> None:
    with (
        listening(Echo(), Limits(frame_seconds=0.3)) as (port, _),
        socket.create_connection(("127.0.0.1", port)) as slow,
    ):
        slow.settimeout(5)
        slow.sendall(START)
        with Sender("127.0.0.1", port) as sender:
            assert sender.send(b"quick") == b"echo quick"
        began = time.monotonic()
        closed = False
        while not closed and time.monotonic() - began < 5:
            try:
                slow.sendall(b"x")
                closed = slow.recv(1) == b"" if time.monotonic() - began > 0.4 else False
            except OSError:
                closed = True
            time.sleep(0.05)
        assert closed
        assert time.monotonic() - began < 3


def test_more_connections_than_allowed_are_closed() -> None:
    with listening(Echo(), Limits(connections=1)) as (port, _), Sender("127.0.0.1", port) as first:
        assert first.send(b"a") == b"echo a"
        with Sender("127.0.0.1", port) as second, pytest.raises(Unavailable):
            second.send(b"b")


def test_a_stop_answers_what_came_and_closes_what_is_idle() -> None:
    with listening(Echo(seconds=0.3)) as (port, stop):
        idle = socket.create_connection(("127.0.0.1", port))
        with ThreadPoolExecutor(4) as pool:
            senders = [Sender("127.0.0.1", port) for _ in range(4)]
            waiting = [pool.submit(sender.send, b"x") for sender in senders]
            time.sleep(0.1)
            stop()
            assert [one.result(5) for one in waiting] == [b"echo x"] * 4
            for sender in senders:
                sender.__exit__()
        idle.settimeout(5)
        assert idle.recv(1) == b""
        idle.close()


def test_nobody_listening_is_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Unavailable):
        Sender("127.0.0.1", port)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, a server and a client of it."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not here")
    folder = tmp_path_factory.mktemp("tls")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True)

    run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca",
        "-addext", "keyUsage=keyCertSign")  # fmt: skip
    for name in ("server", "client"):
        run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
            "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1")  # fmt: skip
        run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", f"{name}.pem", "-copy_extensions", "copy")  # fmt: skip
    return folder


def test_tls_lets_only_clients_with_a_certificate_in(certificates: Path) -> None:
    tls = server_tls(*(str(certificates / name) for name in ("server.pem", "server.key", "ca.pem")))
    stranger = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    client = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    client.load_cert_chain(certificates / "client.pem", certificates / "client.key")
    with listening(Echo(), tls=tls) as (port, _):
        with Sender("127.0.0.1", port, tls=client) as sender:
            assert sender.send(b"x") == b"echo x"
        with pytest.raises(Unavailable), Sender("127.0.0.1", port, tls=stranger) as sender:
            sender.send(b"x")


def test_a_certificate_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        server_tls(str(tmp_path / "none.pem"), str(tmp_path / "none.key"), None)
