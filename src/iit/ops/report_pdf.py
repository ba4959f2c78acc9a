"""A report as PDF: its figures as text, tables and plots.

As a program it reads what `iit.ops.reports` tells as JSON and writes the document; `iit.ops.report_process` runs it, so
that neither a command nor the service carries a chart library for it.
"""

import io
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from fpdf import FPDF
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_FONTS: Final = Path(mpl.get_data_path()) / "fonts" / "ttf"  # names of facilities are not only Latin letters
_INK, _BAR, _BAND = "#1d2733", "#2c6fad", "#d6e4f0"
_COLUMN_MM: Final = (110, 50)


def as_pdf(told: Mapping[str, Any]) -> bytes:
    """Return the report as PDF; the same figures give the same text and plots.

    Args:
        told: as `iit.ops.reports.compose` returns it.
    """
    pdf = FPDF(format="A4")
    pdf.set_creation_date(datetime.fromisoformat(told["end"]))
    pdf.set_title(told["title"])
    pdf.set_lang("en")
    pdf.add_font("text", "", _FONTS / "DejaVuSans.ttf")
    pdf.add_font("text", "B", _FONTS / "DejaVuSans-Bold.ttf")
    pdf.add_page()
    _heading(pdf, told["title"], 16)
    for line in told["summary"]:
        pdf.multi_cell(0, 6, line, new_x="LMARGIN", new_y="NEXT")
    if told["days"]:
        _heading(pdf, "Predictions by day", 12)
        pdf.image(_days(told["days"]), w=pdf.epw, alt_text="Predictions by day")
    if told["growth"]:
        _heading(pdf, "Growth", 12)
        pdf.multi_cell(0, 6, told["growth"]["text"], new_x="LMARGIN", new_y="NEXT")
    if told["growth"] and told["growth"]["line"]:
        pdf.image(_growth(told["growth"]), w=pdf.epw, alt_text="Size of the database and its forecast")
    for title, rows in told["tables"].items():
        _heading(pdf, title, 12)
        _table(pdf, rows)
    return bytes(pdf.output())


def _heading(pdf: FPDF, words: str, size: int) -> None:
    if pdf.will_page_break(30):
        pdf.add_page()
    pdf.set_font("text", "B", size)
    pdf.cell(0, 12, words, new_x="LMARGIN", new_y="NEXT")
    pdf.set_font("text", "", 9)


def _table(pdf: FPDF, rows: Sequence[Sequence[str]]) -> None:
    if not rows:
        pdf.cell(0, 6, "None.", new_x="LMARGIN", new_y="NEXT")
        return
    with pdf.table(
        col_widths=_COLUMN_MM, width=sum(_COLUMN_MM), align="LEFT", text_align=("LEFT", "RIGHT"), line_height=5,
        first_row_as_headings=False, borders_layout="HORIZONTAL_LINES",
    ) as table:  # fmt: skip
        for row in rows:
            table.row(row)


def _days(days: Sequence[tuple[str, int]]) -> io.BytesIO:
    figure = Figure(figsize=(7, 2.4), layout="constrained")
    axes = figure.add_subplot()
    places = range(len(days))
    axes.bar(places, [n for _, n in days], color=_BAR)
    shown = places[:: 1 + len(days) // 16]
    axes.set_xticks(shown, [days[place][0][5:] for place in shown])
    axes.set_xlabel("month and day")
    axes.set_ylabel("predictions")
    return _drawn(figure)


def _growth(growth: Mapping[str, Any]) -> io.BytesIO:
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    axes = figure.add_subplot()
    line = growth["line"]
    axes.fill_between(line["day"], line["low_mb"], line["high_mb"], color=_BAND, label="95 % prediction interval")
    axes.plot(line["day"], line["expected_mb"], color=_INK, label="linear trend")
    axes.plot(growth["measured"]["day"], growth["measured"]["mb"], "o", color=_BAR, label="measured")
    axes.set_xlabel("days from the end of the time")
    axes.set_ylabel("database, MB")
    axes.legend(frameon=False)
    return _drawn(figure)


def _drawn(figure: Figure) -> io.BytesIO:
    out = io.BytesIO()
    FigureCanvasAgg(figure).print_png(out, metadata={"Software": None})
    out.seek(0)
    return out


if __name__ == "__main__":
    sys.stdout.buffer.write(as_pdf(json.load(sys.stdin.buffer)))
