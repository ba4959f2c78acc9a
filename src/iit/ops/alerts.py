"""Calling people: PagerDuty's Events API v2, with a spool for when it cannot be reached."""

import hashlib
import json
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from iit.domain.errors import InvalidInput, Unavailable

SEVERITIES: Final = ("critical", "error", "warning", "info")
_TIMEOUT_SECONDS: Final = 10
_TRIES: Final = 3


@dataclass(frozen=True, kw_only=True)
class Pager:
    """Sends events; `repr` shows no key.

    Attributes:
        routing_key: of the service in PagerDuty.
        url: of `enqueue`; http or https.
        spool: folder for events that could not be sent.
        sleep: waits some seconds between tries.
    """

    routing_key: str = field(repr=False)
    url: str
    spool: Path
    sleep: Callable[[float], None]

    def page(self, summary: str, *, severity: str, dedup_key: str | None = None, action: str = "trigger") -> str:
        """Send an event and return its dedup key: the same key is one incident, however often it is sent.

        Args:
            summary: what is wrong, in a line; never a patient's value.
            severity: critical, error, warning or info.
            dedup_key: names the incident; by default it follows from the summary and the host.
            action: trigger, acknowledge or resolve.

        Raises:
            InvalidInput: PagerDuty refuses the event. Unavailable: it cannot be reached; the event is spooled.
        """
        if severity not in SEVERITIES:
            raise InvalidInput(f"must be one of {', '.join(SEVERITIES)}", place="severity")
        source = socket.gethostname()
        key = dedup_key or hashlib.sha256(f"{source}|{summary}".encode()).hexdigest()[:32]
        event = {
            "event_action": action,
            "dedup_key": key,
            "payload": {
                "summary": summary[:1024],
                "source": source,
                "severity": severity,
                "component": "iit-ml-service",
            },
        }
        try:
            self._send(event)
        except Unavailable as error:
            self._keep(event)
            raise Unavailable(f"{error.reason}; kept, `iit page --flush` sends it again", place="PagerDuty") from error
        return key

    def flush(self) -> int:
        """Send what was spooled, oldest first, and return how many events went.

        Raises:
            Unavailable: it still cannot be reached; the rest stays.
        """
        n_sent = 0
        for path in sorted(self.spool.glob("*.json"), key=lambda one: one.stat().st_mtime):
            try:
                self._send(json.loads(path.read_bytes()))
            except InvalidInput:
                path.rename(path.with_suffix(".refused"))
                raise
            path.unlink()
            n_sent += 1
        return n_sent

    def _send(self, event: dict[str, Any]) -> None:
        for attempt in range(_TRIES):
            if attempt:
                self.sleep(2.0**attempt)
            status = self._post(json.dumps({"routing_key": self.routing_key, **event}).encode())
            if status == 202:
                return
            if status not in (0, 429) and status < 500:
                raise InvalidInput(f"refuses the event with status {status}", place="PagerDuty")
        raise Unavailable("cannot be reached" if status == 0 else f"answers {status}", place="PagerDuty")

    def _post(self, body: bytes) -> int:
        """Return the status, 0 where there was no answer."""
        if not self.url.startswith(("https://", "http://")):
            raise InvalidInput("must start with https://", place="IIT_PAGERDUTY_URL")
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            self.url, data=body, headers={"Content-Type": "application/json"}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
                return int(answer.status)
        except urllib.error.HTTPError as answer:
            answer.close()
            return answer.code
        except OSError:
            return 0

    def _keep(self, event: dict[str, Any]) -> None:
        """Spool an event without the key; one of the same incident and action is replaced."""
        self.spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        digest = hashlib.sha256(f"{event['dedup_key']}|{event['event_action']}".encode()).hexdigest()[:24]
        path = self.spool / f"{digest}.json"
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        with draft.open("w", encoding="utf-8") as file:
            json.dump(event, file)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
