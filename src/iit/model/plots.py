"""Plots of a model card as SVG. Drawn where models are trained; serving never imports this."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from iit.model.segments import FAIRNESS, family_of

_INK, _SOFT, _MODEL, _OTHER = "#1d2733", "#8a94a0", "#0b6e6e", "#c4622d"
_STYLE: Final = {
    "svg.hashsalt": "iit",  # the same figure gives the same bytes
    "svg.fonttype": "none",  # text stays text: small, searchable, read aloud
    "font.family": "sans-serif",
    "font.size": 10.5,
    "text.color": _INK,
    "axes.edgecolor": _SOFT,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e9ec",
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.frameon": False,
}


def plots_of(evaluation: Mapping[str, Any], learning: Sequence[Mapping[str, float]] | None) -> dict[str, str]:
    """Return SVG by name: reliability, decision_curve, precision_recall, segments and, if measured, learning_curve.

    The same figures give the same bytes.

    Args:
        evaluation: as `evaluate` told.
        learning: as `learning_curve` told.
    """
    drawn = {
        "reliability": _reliability(evaluation),
        "decision_curve": _decision_curve(evaluation["decision_curve"]),
        "precision_recall": _precision_recall(evaluation),
    }
    if any(family_of(name) in FAIRNESS for name in evaluation["segments"]):
        drawn["segments"] = _forest(evaluation)
    if learning:
        drawn["learning_curve"] = _learning(learning)
    return drawn


@contextmanager
def _axes(found: list[str], width: float = 5.6, height: float = 4.2) -> Iterator[Axes]:
    """Yield axes to draw on, and add the drawing to `found`."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        yield figure.add_subplot()
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    found.append(text[text.index("<svg") :])


def _reliability(evaluation: Mapping[str, Any]) -> str:
    told, found = evaluation["reliability"], list[str]()
    with _axes(found) as axes:
        most = 1.08 * max(*told["expected"], *(one for one in told["high"] if one is not None))
        axes.plot([0, most], [0, most], color=_SOFT, linestyle="--", linewidth=1, label="perfect")
        low = [max(a - b, 0) for a, b in zip(told["observed"], told["low"], strict=True)]
        high = [max(b - a, 0) for a, b in zip(told["observed"], told["high"], strict=True)]
        axes.errorbar(
            told["expected"], told["observed"], (low, high),
            color=_MODEL, fmt="o-", markersize=5, linewidth=1.6, elinewidth=1.2, label="model, tenths of the landmarks",
        )  # fmt: skip
        axes.set(xlabel="risk told", ylabel="share interrupted", xlim=(0, most), ylim=(0, most))
        _percent(axes, "both")
        axes.legend(loc="upper left")
    return found[0]


def _decision_curve(told: Mapping[str, Sequence[float]]) -> str:
    found = list[str]()
    with _axes(found) as axes:
        threshold = told["threshold"]
        axes.fill_between(threshold, told["low"], told["high"], color=_MODEL, alpha=0.15, linewidth=0)
        axes.plot(threshold, told["model"], color=_MODEL, linewidth=2, label="follow up whom the model flags")
        axes.plot(threshold, told["all"], color=_OTHER, linewidth=1.4, label="follow up all")
        axes.axhline(0, color=_SOFT, linewidth=1.2, linestyle="--", label="follow up none")
        top = max(told["high"])
        axes.set(xlim=(threshold[0], threshold[-1]), ylim=(-0.25 * top, 1.15 * top))
        axes.set(xlabel="risk from which a patient is followed up", ylabel="net benefit a landmark")
        _percent(axes, "x")
        axes.legend(loc="upper right")
    return found[0]


def _precision_recall(evaluation: Mapping[str, Any]) -> str:
    told, found = evaluation["precision_recall"], list[str]()
    with _axes(found) as axes:
        axes.plot(told["recall"], told["precision"], color=_MODEL, linewidth=2, label="model")
        prevalence = evaluation["metrics"]["prevalence"]
        axes.axhline(prevalence, color=_SOFT, linestyle="--", linewidth=1.2, label="by chance")
        axes.set(xlabel="share of interruptions reached (recall)", ylabel="of those flagged, interrupted (precision)")
        axes.set(xlim=(0, 1), ylim=(0, min(1, 1.1 * max(told["precision"]))))
        _percent(axes, "both")
        axes.legend(loc="upper right")
    return found[0]


def _forest(evaluation: Mapping[str, Any]) -> str:
    names = [name for name in evaluation["segments"] if family_of(name) in FAIRNESS]
    rows, found = [evaluation["segments"][name] for name in names], list[str]()
    with _axes(found, 6.6, 1.1 + 0.26 * len(rows)) as axes:
        place = range(len(rows))
        middle = [one["auroc"] for one in rows]
        low = [max(one["auroc"] - one.get("auroc_low", one["auroc"]), 0) for one in rows]
        high = [max(one.get("auroc_high", one["auroc"]) - one["auroc"], 0) for one in rows]
        whole = evaluation["metrics"]["auroc"]
        axes.axvline(whole, color=_OTHER, linewidth=1.2, linestyle="--", label=f"all: {whole:.3f}")
        axes.errorbar(middle, place, xerr=(low, high), color=_MODEL, fmt="o", markersize=4.5, elinewidth=1.3)
        axes.set_yticks(place, [f"{name}  (n {one['n']:,.0f})" for name, one in zip(names, rows, strict=True)])
        axes.set(xlabel="AUROC with 95 % interval", ylim=(len(rows) - 0.4, -0.6))
        axes.grid(visible=False, axis="y")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0)
    return found[0]


def _learning(points: Sequence[Mapping[str, float]]) -> str:
    found = list[str]()
    with _axes(found) as axes:
        patients = [one["n_patients"] for one in points]
        for name, color in (("auroc", _MODEL), ("auprc", _OTHER)):
            axes.fill_between(
                patients, [one[f"{name}_low"] for one in points], [one[f"{name}_high"] for one in points],
                color=color, alpha=0.15, linewidth=0,
            )  # fmt: skip
            axes.plot(patients, [one[name] for one in points], "o-", color=color, linewidth=1.8, label=name.upper())
        axes.set(xlabel="patients trained on", ylabel="on the same test rows", ylim=(0, 1), xlim=(0, None))
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.legend(loc="best")
    return found[0]


def _percent(axes: Axes, which: str) -> None:
    for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        if which in (name, "both"):
            axis.set_major_formatter(lambda value, _place: f"{100 * value:.0f} %")
