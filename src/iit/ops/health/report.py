"""The health report: how everything is, what was done lately, as text and as a page with plots; from counts only."""

import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Any, Final

from iit import __version__
from iit.domain.errors import ServiceError
from iit.ops.health.run import Standing, State
from iit.ops.reports import bars, pages
from iit.store import activity, inbox, maintenance
from iit.store.activity import Share
from iit.store.database import Database

_DAYS: Final = 14
_SUBJECTS: Final = {State.OK: "all is well", State.DEGRADED: "somebody should look", State.FAILING: "out of service"}


@dataclass(frozen=True)
class Report:
    """A report as it is kept and sent."""

    report_id: str
    made_at: datetime
    state: State
    text: str
    page: str

    def message(self, *, sender: str, recipient: str) -> EmailMessage:
        """Return it as a mail: text and page, and the page again as a file, since mail programs drop plots."""
        message = EmailMessage()
        message["Subject"] = f"IIT ML Service on {socket.gethostname()}: {_SUBJECTS[self.state]}"
        message["From"], message["To"] = sender, recipient
        message["Date"] = format_datetime(self.made_at)
        message["Message-ID"] = make_msgid(self.report_id, domain=sender.rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(self.text)
        message.add_alternative(self.page, subtype="html")
        message.add_attachment(
            self.page.encode(), maintype="text", subtype="html", filename=f"health-{self.report_id}.html"
        )
        return message


def compose(standing: Standing, database: Database, *, now: datetime) -> Report:
    """Return the report of this moment. While the database is away it says so instead of counting."""
    report_id = f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
    told = {
        "standing": standing,
        "subject": _SUBJECTS[standing.state],
        "host": socket.gethostname(),
        "now": now,
        "version": __version__,
        **_counted(database, now),
    }
    return Report(
        report_id,
        now,
        standing.state,
        pages.get_template("health.txt").render(**told),
        pages.get_template("health.html").render(**told),
    )


def _counted(database: Database, now: datetime) -> Mapping[str, Any]:
    start, day = now - timedelta(days=_DAYS), now - timedelta(days=1)
    try:
        with database.transaction() as tx:
            by_day = activity.predictions_by_day(tx, start=start, end=now)
            return {
                "missing": None,
                "days": _every_day(by_day, start, now),
                "bars": bars(_every_day(by_day, start, now)),
                "messages": sorted(inbox.depth(tx)[0].items()),
                "tables": {
                    "Predictions by source": activity.predictions_by(tx, "source", start=day, end=now),
                    "Predictions by model": activity.predictions_by(tx, "model_version", start=day, end=now),
                    "Acts": activity.acts(tx, start=day, end=now),
                    "Backups": activity.backup_runs(tx, start=start, end=now),
                    "Maintenance": activity.tasks(tx, start=start, end=now),
                },
                "sizes": sorted(maintenance.sizes(tx).items(), key=lambda item: -item[1])[:10],
            }
    except ServiceError as problem:
        return {"missing": problem.reason, "days": [], "bars": [], "messages": [], "tables": {}, "sizes": []}


def _every_day(shares: Sequence[Share], start: datetime, end: datetime) -> list[Share]:
    """Return all days of a time: one without predictions is told as nothing, not left out."""
    counts = dict(shares)
    days = [start.date() + timedelta(days=n) for n in range((end.date() - start.date()).days + 1)]
    return [Share(day.isoformat(), counts.get(day.isoformat(), 0)) for day in days]
