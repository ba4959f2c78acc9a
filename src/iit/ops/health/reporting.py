"""Giving health reports out: kept in a folder, and mailed to those whom the settings allow."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event, Thread
from typing import Final, NamedTuple

from iit.domain.errors import NotAllowed, NotFound, RateLimited, ServiceError, Unavailable
from iit.ops.health.report import Report, compose
from iit.ops.health.run import Health
from iit.ops.mail import Mailer
from iit.store.database import Database

KINDS: Final = {"html": "text/html; charset=utf-8", "txt": "text/plain; charset=utf-8"}
_ID: Final = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9a-f]{8}")
_KEPT: Final = 100
_PAUSE_SECONDS: Final = 60
_RETRY_SECONDS: Final = 300.0


class Sent(NamedTuple):
    """What became of a mail: taken by the mail server, or kept to be sent again, and why."""

    is_taken: bool
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Reporting:
    """Makes, keeps and mails reports.

    Attributes:
        health: what is reported.
        database: where figures are counted.
        folder: where reports are kept, the newest hundred.
        recipients: who may be sent one; lower case.
        mailer: None where no mail server is set.
        sender: address that mails come from.
        now: the present time, aware.
    """

    health: Health
    database: Database
    folder: Path
    recipients: frozenset[str]
    mailer: Mailer | None
    sender: str
    now: Callable[[], datetime] = field(repr=False)

    def make(self) -> Report:
        """Make a report of this moment and keep it.

        Raises:
            Unavailable: it cannot be kept.
        """
        report = compose(self.health.deep(), self.database, now=self.now())
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for kind, text in (("txt", report.text), ("html", report.page)):
                draft = self.folder / f".health-{report.report_id}.{kind}"
                draft.write_text(text, encoding="utf-8")
                os.replace(draft, self._path(report.report_id, kind))
            for old in self._ids()[:-_KEPT]:
                for kind in KINDS:
                    self._path(old, kind).unlink(missing_ok=True)
        except OSError as cause:
            raise Unavailable(f"cannot be kept: {cause.strerror}", place=str(self.folder)) from cause
        return report

    def check_recipient(self, address: str) -> None:
        """Refuse an address that is not among those of the setting.

        Raises:
            NotAllowed: it is not. Unavailable: no mail server is set.
        """
        if address.lower() not in self.recipients:
            raise NotAllowed("reports go to the addresses of IIT_REPORT_RECIPIENTS only", place="email")
        if self.mailer is None:
            raise Unavailable("no mail server is set: IIT_SMTP_URL", place="mail", retry_after_seconds=3600)

    def mail(self, report: Report, address: str) -> Sent:
        """Send a report to one who may have it. While the mail server is away it is kept and sent again.

        Raises:
            NotAllowed, Unavailable: as `check_recipient`. InvalidInput: the mail server refuses it for good.
        """
        self.check_recipient(address)
        assert self.mailer is not None  # noqa: S101 - just checked
        try:
            self.mailer.send(report.message(sender=self.sender, recipient=address))
        except Unavailable as away:
            return Sent(is_taken=False, reason=away.reason)
        return Sent(is_taken=True)

    def demand_pause(self) -> None:
        """Refuse to make a report within a minute of the one before.

        Raises:
            RateLimited: there is one; says when the next may be made.
        """
        newest = self._ids()[-1:]
        if not newest:
            return
        age = (self.now().replace(tzinfo=None) - datetime.strptime(newest[0][:15], "%Y%m%dT%H%M%S")).total_seconds()  # noqa: DTZ007
        if 0 <= age < _PAUSE_SECONDS:
            wait = int(_PAUSE_SECONDS - age) + 1
            raise RateLimited("a report was made within the last minute", place="report", retry_after_seconds=wait)

    def read(self, report_id: str, kind: str) -> bytes:
        """Return a kept report.

        Raises:
            NotFound: there is none, or none any more.
        """
        if not _ID.fullmatch(report_id) or kind not in KINDS:
            raise NotFound("there is no such report", place="report")
        try:
            return self._path(report_id, kind).read_bytes()
        except OSError as cause:
            raise NotFound("there is no such report", place="report") from cause

    def flush(self) -> int:
        """Send the mail that is kept and return how many messages went.

        Raises:
            Unavailable: no mail server is set, or it is still away.
        """
        if self.mailer is None:
            raise Unavailable("no mail server is set: IIT_SMTP_URL", place="mail")
        return self.mailer.flush()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Send kept mail again every few minutes while this is open."""
        stop = Event()

        def work() -> None:
            while not stop.wait(_RETRY_SECONDS):
                if self.mailer is not None and self.mailer.waiting():
                    with suppress(ServiceError):
                        self.mailer.flush()

        worker = Thread(target=work, name="mail", daemon=True)
        if self.mailer is not None:
            worker.start()
        try:
            yield
        finally:
            stop.set()

    def _path(self, report_id: str, kind: str) -> Path:
        return self.folder / f"health-{report_id}.{kind}"

    def _ids(self) -> list[str]:
        names = [path.stem.removeprefix("health-") for path in self.folder.glob("health-*.html")]
        return sorted(name for name in names if _ID.fullmatch(name))
