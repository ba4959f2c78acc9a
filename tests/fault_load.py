"""Load for a really started service: requests at a fixed rate, whatever comes back, and what became of each."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.documents import a_document, uuid_of
from tests.hl7_messages import a_message, a_person

PATIENCE_SECONDS = 15.0
Act = tuple[float, Callable[[], object]]


@dataclass(frozen=True)
class Asked:
    """One request, and what came of it. Status 0: the connection failed."""

    kind: str
    at: float
    seconds: float
    status: int
    body: bytes = field(repr=False)
    retry_after: bool = False

    @property
    def told(self) -> dict[str, Any]:
        """The answer."""
        return json.loads(self.body) if self.body.startswith(b"{") else {}


@dataclass
class Result:
    """All requests of a run."""

    asked: list[Asked]

    def during(self, since: float, until: float) -> "Result":
        """Return those that were sent within a span, in seconds from the beginning."""
        return Result([one for one in self.asked if since <= one.at < until])

    def of(self, *kinds: str) -> "Result":
        """Return those of some kinds."""
        return Result([one for one in self.asked if one.kind in kinds])

    def statuses(self) -> Counter[int]:
        """Return how often each status came."""
        return Counter(one.status for one in self.asked)

    def predictions(self) -> list[dict[str, Any]]:
        """Return the predictions that were given out."""
        return [one.told for one in self.asked if one.status == 200 and "prediction_id" in one.told]

    def milliseconds(self, share: float) -> float:
        """Return the time within which that share was answered."""
        times = sorted(one.seconds for one in self.asked)
        return 1000 * times[min(int(share * len(times)), len(times) - 1)] if times else 0.0


@dataclass
class Load:
    """Sends requests of several kinds in turn, each on a connection of its own.

    Attributes:
        port: of the service, on this machine.
        key: shown with each.
        rate: requests a second.
    """

    port: int
    key: str
    rate: float
    _n: int = 0

    def run(self, seconds: float, kinds: Sequence[str], *, beside: Iterable[Act] = ()) -> Result:
        """Send for a while; `beside` are things to do at times, each in a thread."""
        return asyncio.run(self._run(seconds, kinds, list(beside)))

    def once(self, kind: str) -> Asked:
        """Send one request."""
        return asyncio.run(self._ask(kind, time.monotonic()))

    async def _run(self, seconds: float, kinds: Sequence[str], beside: list[Act]) -> Result:
        began = time.monotonic()
        acts = [asyncio.create_task(self._act(began, at, act)) for at, act in beside]
        tasks = []
        for place in range(int(seconds * self.rate)):
            await asyncio.sleep(max(began + place / self.rate - time.monotonic(), 0))
            tasks.append(asyncio.create_task(self._ask(kinds[place % len(kinds)], began)))
        asked = await asyncio.gather(*tasks)
        await asyncio.gather(*acts)
        return Result(list(asked))

    async def _act(self, began: float, at: float, act: Callable[[], object]) -> None:
        await asyncio.sleep(max(began + at - time.monotonic(), 0))
        await asyncio.to_thread(act)

    async def _ask(self, kind: str, began: float) -> Asked:
        self._n += 1
        data = self._request(kind)
        at = time.monotonic()
        try:
            head, body = await asyncio.wait_for(self._exchange(data), PATIENCE_SECONDS)
            status = int(head.split(b" ", 2)[1])
        except (OSError, EOFError, TimeoutError, IndexError, ValueError):
            head, body, status = b"", b"", 0
        now = time.monotonic()
        return Asked(kind, at - began, now - at, status, body, b"\r\nretry-after:" in head.lower())

    async def _exchange(self, data: bytes) -> tuple[bytes, bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            await writer.drain()
            answer = await reader.read(-1)
        finally:
            writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return head, body

    def _request(self, kind: str) -> bytes:
        method, path, media, body = "POST", "/api/v1/predictions", "application/json", b""
        if kind == "document":
            body = json.dumps(a_document("stored", days=("2024-01-10", "2024-02-09"))).encode()
        elif kind == "features":
            body = json.dumps({"features": {"last_late_days": 1.0 + self._n % 7}}).encode()
        elif kind == "patient":
            body = json.dumps({"patient_uuid": uuid_of(a_document("stored"))}).encode()
        elif kind == "hl7":
            path, media = "/api/v1/hl7", "application/hl7-v2"
            body = a_message(a_person(f"LOAD-{self._n % 50}"), control_id=f"L{time.monotonic_ns()}")
        elif kind == "write":
            path, body = "/api/v1/patients", json.dumps(a_document(f"written {self._n % 20}")).encode()
        else:
            method, path = "GET", kind
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {self.key}\r\nContent-Type: {media}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body
