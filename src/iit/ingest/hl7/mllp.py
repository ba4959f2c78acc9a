"""MLLP: messages over TCP, each between a vertical tab and a file separator. Knows nothing of what they say.

Frames of all connections that wait are handed on together, so that one commit serves many; a connection is read on only
after its answers are written, which holds back senders that are faster than the store.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from iit.domain.errors import InvalidInput, Unavailable

log = logging.getLogger(__name__)

START: Final = b"\x0b"
END: Final = b"\x1c\r"
_END_MARK: Final = b"\x1c"
_CHUNK_BYTES: Final = 65_536


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a listener bears.

    Attributes:
        frame_bytes: largest frame; a larger one is refused and its connection closed.
        frame_seconds: longest time from the first byte of a frame to its last.
        idle_seconds: longest silence of a connection.
        connections: most at once; more are closed at once.
        batch: most frames handed on together.
        drain_seconds: how long open frames may take when the listener stops.
    """

    frame_bytes: int = 1_048_576
    frame_seconds: float = 30.0
    idle_seconds: float = 3600.0
    connections: int = 256
    batch: int = 256
    drain_seconds: float = 30.0


class Frames:
    """Cuts a stream of bytes into frames."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._buffer = bytearray()

    @property
    def is_open(self) -> bool:
        """Whether a frame has begun and not ended."""
        return bool(self._buffer)

    @property
    def is_too_large(self) -> bool:
        """Whether the open frame is larger than is allowed."""
        return len(self._buffer) > self._most_bytes

    def head(self) -> bytes:
        """Return the beginning of the open frame."""
        return bytes(self._buffer[1:8192])

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes and yield the frames that are whole. Bytes between frames are left out."""
        self._buffer += data
        while True:
            start = self._buffer.find(START)
            if start < 0:
                self._buffer.clear()
                return
            end = self._buffer.find(_END_MARK, start)
            if end < 0 or end - start > self._most_bytes:
                del self._buffer[:start]
                return
            frame = bytes(self._buffer[start + 1 : end])
            del self._buffer[: end + 1]
            yield frame


@dataclass(repr=False, frozen=True)
class Received:
    """A whole frame and where it came from."""

    raw: bytes = field(repr=False)
    address: str


class Listener:
    """Listens for messages and answers each.

    Args:
        receive: is handed frames and returns their answers in order; called in a thread, never twice at once.
        refuse: is handed the beginning of a frame that is too large and returns its answer.
        limits: what is borne.
    """

    def __init__(
        self,
        receive: Callable[[Sequence[Received]], list[bytes]],
        refuse: Callable[[bytes], bytes],
        limits: Limits | None = None,
    ) -> None:
        self._receive = receive
        self._refuse = refuse
        self._limits = limits or Limits()
        self._waiting: asyncio.Queue[tuple[Received, asyncio.Future[bytes]]] = asyncio.Queue()
        self._readers: set[asyncio.Task[None]] = set()
        self._idle: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    async def run(
        self,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        on_ready: Callable[[int], None] | None = None,
    ) -> None:
        """Listen until `stop` is called, then let open frames end.

        Args:
            host: address to listen on.
            port: 0 for any free one.
            tls: makes connections encrypted.
            on_ready: is told the port.
        """
        server = await asyncio.start_server(self._connected, host, port, ssl=tls, backlog=256)
        handing_on = asyncio.create_task(self._hand_on())
        if on_ready is not None:
            on_ready(server.sockets[0].getsockname()[1])
        await self._stopping.wait()
        server.close()
        await self._drain()
        handing_on.cancel()
        await asyncio.gather(handing_on, return_exceptions=True)

    def stop(self) -> None:
        """Take no more connections and frames; answer those that are there."""
        self._stopping.set()

    async def _drain(self) -> None:
        for task in list(self._idle):
            task.cancel()
        tasks = list(self._readers)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._limits.drain_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._readers) >= self._limits.connections or self._stopping.is_set():
            writer.close()
            return
        self._readers.add(task)
        try:
            await self._converse(reader, writer)
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # the sender is gone, too slow, or the time to drain is over: what has no answer comes again
        finally:
            self._readers.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = Frames(self._limits.frame_bytes)
        address = str(writer.get_extra_info("peername")[0])
        deadline: float | None = None
        loop = asyncio.get_running_loop()
        while True:
            data = await self._next(reader, frames, deadline)
            if not data:
                return
            whole = list(frames.feed(data))
            if whole:
                waiting = [self._put(Received(raw, address)) for raw in whole]
                answers = [await one for one in waiting]
                writer.write(b"".join(START + answer + END for answer in answers))
                await writer.drain()
                deadline = None
            if frames.is_too_large:
                writer.write(START + self._refuse(frames.head()) + END)
                await writer.drain()
                return
            if not frames.is_open:
                deadline = None
            elif deadline is None:
                deadline = loop.time() + self._limits.frame_seconds

    async def _next(self, reader: asyncio.StreamReader, frames: Frames, deadline: float | None) -> bytes:
        """Return the next bytes; none at the end, or when the listener stops and no frame is open."""
        task = asyncio.current_task()
        until = deadline if deadline is not None else asyncio.get_running_loop().time() + self._limits.idle_seconds
        if not frames.is_open:
            if self._stopping.is_set() or task is None:
                return b""
            self._idle.add(task)
        try:
            async with asyncio.timeout_at(until):
                return await reader.read(_CHUNK_BYTES)
        finally:
            if task is not None:
                self._idle.discard(task)

    def _put(self, received: Received) -> asyncio.Future[bytes]:
        """Have a frame handed on; return what will be its answer."""
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((received, answer))
        return answer

    async def _hand_on(self) -> None:
        while True:
            group = [await self._waiting.get()]
            while len(group) < self._limits.batch and not self._waiting.empty():
                group.append(self._waiting.get_nowait())
            answers = await asyncio.to_thread(self._receive, [received for received, _ in group])
            for (_, waiting), answer in zip(group, answers, strict=True):
                if not waiting.done():
                    waiting.set_result(answer)


def server_tls(certificate: str, key: str, client_authority: str | None) -> ssl.SSLContext:
    """Return the encryption of a listener; with an authority, clients must show a certificate of it.

    Raises:
        InvalidInput: a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
        if client_authority is not None:
            context.load_verify_locations(client_authority)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as cause:
        raise InvalidInput("the certificate, its key or the authority cannot be used", place="TLS") from cause
    return context


class Sender:
    """A connection to a listener that sends one frame at a time and waits for its answer."""

    def __init__(
        self, host: str, port: int, *, timeout_seconds: float = 30.0, tls: ssl.SSLContext | None = None
    ) -> None:
        """Connect.

        Raises:
            Unavailable: nobody answers there.
        """
        try:
            plain = socket.create_connection((host, port), timeout=timeout_seconds)
            self._socket = tls.wrap_socket(plain, server_hostname=host) if tls is not None else plain
        except OSError as cause:
            raise Unavailable("cannot be connected to", place=f"{host}:{port}") from cause
        self._frames = Frames(Limits().frame_bytes)

    def __enter__(self) -> "Sender":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, raw: bytes) -> bytes:
        """Send a message and return its answer.

        Raises:
            Unavailable: none came in time. The message may have been taken all the same: sent again it has no effect.
        """
        try:
            self._socket.sendall(START + raw + END)
            while data := self._socket.recv(_CHUNK_BYTES):
                answers = list(self._frames.feed(data))
                if answers:
                    return answers[0]
        except OSError as cause:
            raise Unavailable("no answer came", place="receiver") from cause
        raise Unavailable("the connection was closed", place="receiver")
