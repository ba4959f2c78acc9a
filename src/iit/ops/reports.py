"""The monthly report of performance and quality: one HTML page that needs nothing else, from counts only."""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, select_autoescape

from iit import __version__
from iit.domain.errors import Unavailable
from iit.store import activity, maintenance
from iit.store.activity import Share
from iit.store.database import Database

_PLOT_HEIGHT: Final = 80
_BAR_WIDTH: Final = 18

pages = Environment(
    loader=PackageLoader("iit.ops", "templates"),
    autoescape=select_autoescape(("html",)),
    trim_blocks=True,
    lstrip_blocks=True,
)
"""Templates of all reports."""


def write_report(database: Database, path: Path, *, start: datetime, end: datetime) -> dict[str, Any]:
    """Write the report of a time, the end excluded, and return its main figures.

    Raises:
        Unavailable: the database or the folder cannot be used.
    """
    told = _figures(database, start, end)
    page = pages.get_template("report.html").render(**told, start=start, end=end, version=__version__)
    draft = path.with_name(f".{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(page, encoding="utf-8")
        os.replace(draft, path)
    except OSError as cause:
        raise Unavailable(f"cannot be written: {cause.strerror}", place=str(path)) from cause
    return {"report": str(path), "predictions": told["n_predictions"]}


def _figures(database: Database, start: datetime, end: datetime) -> dict[str, Any]:
    with database.transaction() as tx:
        days = activity.predictions_by_day(tx, start=start, end=end)
        known, risk = activity.quality(tx, start=start, end=end)
        tables = {
            "Predictions by band": activity.predictions_by(tx, "risk_band", start=start, end=end),
            "Predictions by source": activity.predictions_by(tx, "source", start=start, end=end),
            "Predictions by model": activity.predictions_by(tx, "model_version", start=start, end=end),
            "Facilities with most predictions": activity.predictions_by(tx, "facility", start=start, end=end)[:20],
            "Acts": activity.acts(tx, start=start, end=end),
            "Backups": activity.backup_runs(tx, start=start, end=end),
            "Maintenance": activity.tasks(tx, start=start, end=end),
        }
        return {
            "n_predictions": sum(day.n for day in days),
            "known": known,
            "risk": risk,
            "bars": bars(days),
            "tables": tables,
            "metrics": activity.latest_figures(tx, end=end),
            "sizes": sorted(maintenance.sizes(tx).items(), key=lambda item: -item[1]),
        }


def bars(shares: Sequence[Share]) -> list[dict[str, Any]]:
    """Return the bars of a plot, the highest as high as the plot; in pixels from the upper left."""
    top = max((share.n for share in shares), default=0) or 1
    return [
        {
            "x": place * (_BAR_WIDTH + 2),
            "y": _PLOT_HEIGHT - round(_PLOT_HEIGHT * share.n / top),
            "height": round(_PLOT_HEIGHT * share.n / top),
            "width": _BAR_WIDTH,
            "label": f"{share.name}: {share.n}",
        }
        for place, share in enumerate(shares)
    ]
