"""A rehearsal as a report: what was restored, how long each step took, what was found."""

from datetime import datetime

from iit import __version__
from iit.ops.reports import Told
from iit.ops.restore.run import Report


def rehearsed(report: Report, *, at: datetime) -> Told:
    """Return a rehearsal that ended at a moment as a report."""
    verdict = f"{len(report.findings)} findings" if report.findings else "all of it is right"
    return {
        "title": f"IIT ML Service, rehearsal of a restore on {at:%Y-%m-%d}",
        "end": at.isoformat(),
        "summary": [
            f"{report.backup_id} was restored beside what runs, checked and removed: {verdict}.",
            f"Last commit in it: {report.last_commit or 'not told'}.",
            f"Version {__version__}.",
        ],
        "days": [],
        "growth": None,
        "tables": {
            "Findings": [(one.check, f"{one.n} {one.reason}") for one in report.findings],
            "Seconds by step": [(step, f"{seconds:.1f}") for step, seconds in report.seconds.items()],
            "Rows": [(table, str(n)) for table, n in sorted(report.rows.items())],
        },
    }
