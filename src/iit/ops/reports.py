"""The reports of the service: figures of a time, told as text, as an HTML page by itself, or as PDF; counts only."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from jinja2 import Environment, PackageLoader, select_autoescape

from iit import __version__
from iit.domain.errors import InvalidInput, Unavailable
from iit.ops.growth import forecast
from iit.ops.report_process import draw_pdf
from iit.store import activity, maintenance
from iit.store.activity import Share
from iit.store.database import Database, Transaction

_PLOT_HEIGHT: Final = 80
_BAR_WIDTH: Final = 18

pages = Environment(
    loader=PackageLoader("iit.ops", "templates"),
    autoescape=select_autoescape(("html",)),
    trim_blocks=True,
    lstrip_blocks=True,
)
"""Templates of all reports."""

Told = Mapping[str, Any]
"""What a report tells: title, end, summary (lines), days (name and n), growth (see `iit.ops.growth`; None where it does
not matter) and tables (rows of name and value by title)."""


def compose(kind: str, database: Database, *, start: datetime, end: datetime, free_bytes: int) -> Told:
    """Return what a report tells of a time, the end excluded.

    Args:
        kind: one of `KINDS`.
        database: where it is counted.
        start: begin of the time.
        end: its end.
        free_bytes: free on the database's disk.
    """
    wanted = KINDS[kind]
    with database.transaction() as tx:
        days = activity.predictions_by_day(tx, start=start, end=end)
        growth = None
        if wanted.tells_growth:
            growth = forecast(activity.database_sizes(tx, end=end), at=end, free_bytes=free_bytes)
        return {
            "title": f"IIT ML Service, {start.strftime(wanted.title)}",
            "end": end.isoformat(),
            "n_predictions": sum(day.n for day in days),
            "summary": [*_summary(tx, days, start, end), f"Version {__version__}."],
            "days": days,
            "growth": growth,
            "tables": wanted.tables(tx, start, end),
        }


def as_text(told: Told) -> bytes:
    """Return a report as text."""
    return pages.get_template("report.txt").render(**told).encode()


def as_page(told: Told) -> bytes:
    """Return a report as an HTML page."""
    return pages.get_template("report.html").render(**told, bars=bars(told["days"])).encode()


FORMS: Final[Mapping[str, Callable[[Told], bytes]]] = {".txt": as_text, ".html": as_page, ".pdf": draw_pdf}
"""By the ending of the file that it is written to."""


def write(told: Told, path: Path) -> None:
    """Write a report in the form that the name of the file ends with, all at once.

    Raises:
        InvalidInput: it ends with none of them. Unavailable: the folder or what draws the PDF cannot be used.
    """
    if path.suffix not in FORMS:
        raise InvalidInput(f"must end with {', '.join(FORMS)}", place=str(path))
    content = FORMS[path.suffix](told)
    draft = path.with_name(f".{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        os.replace(draft, path)
    except OSError as cause:
        raise Unavailable(f"cannot be written: {cause.strerror}", place=str(path)) from cause


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


def _summary(tx: Transaction, days: Sequence[Share], start: datetime, end: datetime) -> list[str]:
    told = f"from {start:%Y-%m-%d} until before {end:%Y-%m-%d}."
    if not days:
        return [f"No prediction was made {told}"]
    known, risk = activity.quality(tx, start=start, end=end)
    return [
        f"{sum(day.n for day in days)} predictions {told}",
        f"Known features: {100 * (known or 0):.1f} % on average. Mean risk: {risk:.3f}.",
    ]


def _monthly(tx: Transaction, start: datetime, end: datetime) -> dict[str, list[tuple[str, str]]]:
    return {
        "Predictions by band": _counts(activity.predictions_by(tx, "risk_band", start=start, end=end)),
        "Predictions by source": _counts(activity.predictions_by(tx, "source", start=start, end=end)),
        "Predictions by model": _counts(activity.predictions_by(tx, "model_version", start=start, end=end)),
        "Facilities with most predictions": _counts(
            activity.predictions_by(tx, "facility", start=start, end=end)[:20]
        ),
        "Acts": _counts(activity.acts(tx, start=start, end=end)),
        "Backups": _counts(activity.backup_runs(tx, start=start, end=end)),
        "Maintenance": _counts(activity.tasks(tx, start=start, end=end)),
        "Models": _figures(tx, end),
        "Size": _sizes(tx),
    }  # fmt: skip


def _performance(tx: Transaction, start: datetime, end: datetime) -> dict[str, list[tuple[str, str]]]:
    live = [
        (f"{one.model}, {one.name.removeprefix('live_')}", _interval(one))
        for one in activity.live_figures(tx, start=start, end=end)
    ]
    return {
        "Live figures, with 95 % intervals": live,
        "What became of predictions": _counts(activity.outcomes_by_status(tx, start=start, end=end)),
        "Predictions by band": _counts(activity.predictions_by(tx, "risk_band", start=start, end=end)),
        "Predictions by model": _counts(activity.predictions_by(tx, "model_version", start=start, end=end)),
        "Newest figures of all models": _figures(tx, end),
    }


def _quality(tx: Transaction, start: datetime, end: datetime) -> dict[str, list[tuple[str, str]]]:
    known = activity.known_by_facility(tx, start=start, end=end)
    return {
        "Quality score by facility, lowest first": [
            (facility, f"{score:.3f}") for facility, score in activity.quality_scores(tx, start=start, end=end)
        ],
        "Known features by facility, lowest first": [
            (facility, f"{100 * share:.1f} % of {n} predictions") for facility, share, n in known
        ],
        "Messages received, by state": _counts(activity.messages_by_state(tx, start=start, end=end)),
    }


def _capacity(tx: Transaction, start: datetime, end: datetime) -> dict[str, list[tuple[str, str]]]:
    days = activity.predictions_by_day(tx, start=start, end=end)
    busiest = sorted(days, key=lambda day: -day.n)[:10]
    return {
        "Size": _sizes(tx),
        "Busiest days": _counts(busiest),
        "Messages received, by state": _counts(activity.messages_by_state(tx, start=start, end=end)),
        "Backups": _counts(activity.backup_runs(tx, start=start, end=end)),
    }


class Kind(NamedTuple):
    """A kind of report: its title as `strftime` takes it, what counts its tables, and whether it tells growth."""

    title: str
    tables: Callable[[Transaction, datetime, datetime], dict[str, list[tuple[str, str]]]]
    tells_growth: bool


KINDS: Final[Mapping[str, Kind]] = {
    "monthly": Kind("%B %Y", _monthly, tells_growth=True),
    "performance": Kind("performance", _performance, tells_growth=False),
    "quality": Kind("quality of the data", _quality, tells_growth=False),
    "capacity": Kind("capacity", _capacity, tells_growth=True),
}


def _counts(shares: Sequence[Share]) -> list[tuple[str, str]]:
    return [(share.name, str(share.n)) for share in shares]


def _figures(tx: Transaction, end: datetime) -> list[tuple[str, str]]:
    return [(f"{model}, {name}", f"{value:.4f}") for model, name, value in activity.latest_figures(tx, end=end)]


def _sizes(tx: Transaction) -> list[tuple[str, str]]:
    found = sorted(maintenance.sizes(tx).items(), key=lambda item: -item[1])
    return [(name, f"{size / 1e6:.1f} MB") for name, size in found]


def _interval(one: activity.LiveFigure) -> str:
    if one.low is None or one.high is None:
        return f"{one.estimate:.4f}"
    return f"{one.estimate:.4f} ({one.low:.4f} to {one.high:.4f})"
