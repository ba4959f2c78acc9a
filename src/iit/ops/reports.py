"""The monthly report of performance, quality and growth: an HTML page by itself, and a PDF; from counts only."""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, select_autoescape

from iit import __version__
from iit.domain.errors import Unavailable
from iit.ops.growth import forecast
from iit.ops.report_process import draw_pdf
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


def write_report(database: Database, path: Path, *, start: datetime, end: datetime, free_bytes: int) -> dict[str, Any]:
    """Write the report of a time, the end excluded, as HTML and beside it as PDF; return its main figures.

    The page is at the path, the PDF has the same name but for its ending; `free_bytes` is free on the database's disk.

    Raises:
        Unavailable: the database, the folder or what draws the PDF cannot be used; the page may be there already.
    """
    told = _figures(database, start, end, free_bytes)
    page = pages.get_template("report.html").render(**told, start=start, end=end, version=__version__)
    _write(path, page.encode())
    pdf = path.with_suffix(".pdf")
    _write(pdf, draw_pdf(_for_pdf(told, start, end)))
    return {
        "report": str(path), "pdf": str(pdf), "predictions": told["n_predictions"],
        "disk_full_in_days": told["growth"]["full_in_days"],
    }  # fmt: skip


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        os.replace(draft, path)
    except OSError as cause:
        raise Unavailable(f"cannot be written: {cause.strerror}", place=str(path)) from cause


def _for_pdf(told: Mapping[str, Any], start: datetime, end: datetime) -> dict[str, Any]:
    summary = [f"{told['n_predictions']} predictions from {start:%Y-%m-%d} until before {end:%Y-%m-%d}."]
    if told["n_predictions"]:
        summary.append(f"Known features: {100 * (told['known'] or 0):.1f} % on average. Mean risk: {told['risk']:.3f}.")
    tables = {title: [(share.name, str(share.n)) for share in shares] for title, shares in told["tables"].items()}
    tables["Models"] = [(f"{model}, {name}", f"{value:.4f}") for model, name, value in told["metrics"]]
    tables["Size"] = [(name, f"{size / 1e6:.1f} MB") for name, size in told["sizes"]]
    return {
        "title": f"IIT ML Service, {start:%B %Y}",
        "end": end.isoformat(),
        "summary": [*summary, f"Version {__version__}."],
        "days": told["days"],
        "growth": told["growth"],
        "tables": tables,
    }


def _figures(database: Database, start: datetime, end: datetime, free_bytes: int) -> dict[str, Any]:
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
            "days": days,
            "bars": bars(days),
            "growth": forecast(activity.database_sizes(tx, end=end), at=end, free_bytes=free_bytes),
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
