"""Tables of a model card, in Markdown: figures with their intervals; what is not known is said to be so."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from iit.features.registry import FEATURES
from iit.model.evaluate import LEAST_OF_LIST
from iit.model.segments import FAIRNESS, family_of

UNKNOWN: Final = "not known"
FAMILIES: Final[Mapping[str, str]] = {
    "A": "lateness", "B": "interruptions before", "C": "refill", "D": "treatment", "E": "person", "F": "clinical",
    "G": "pregnancy and delivery", "H": "facility",
}  # fmt: skip

_FIGURES: Final[Mapping[str, str]] = {
    "auroc": "AUROC: the chance that an interrupted landmark ranks above a returned one",
    "auprc": "AUPRC: average precision",
    "lift": "AUPRC over prevalence",
    "brier": "Brier score: mean squared error of the risk",
    "ece": "ECE: mean gap between risk and what came, over 15 bins",
    "observed_expected": "observed over expected interruptions (ideal 1)",
    "calibration_intercept": "calibration intercept (ideal 0)",
    "calibration_slope": "calibration slope (ideal 1)",
    "recall_top_10": "interruptions reached in the top 10 % of each facility's list",
    "ppv_top_10": "of those listed there, interrupted",
    "recall_top_20": "interruptions reached in the top 20 %",
    "ppv_top_20": "of those listed there, interrupted",
    "recall_top_25": "interruptions reached in the top 25 %",
    "ppv_top_25": "of those listed there, interrupted",
}
_VIEWS: Final[Mapping[str, str]] = {
    "at_pickup": "pick-up days alone",
    "unseen_patients": "patients never trained on",
    "unseen_facilities": "facilities never trained on",
}
_OF_VIEWS: Final = ("auroc", "auprc", "ece", "calibration_slope", "recall_top_20")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; columns after the first whose first cell begins like a number stand to the right."""
    aligned = ["---", *("---:" if cell[:1] in set("0123456789+-") else "---" for cell in rows[0][1:])]
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, aligned, *rows))


def number(value: float | None, digits: int = 3) -> str:
    """Return a number for reading."""
    return UNKNOWN if value is None else f"{value:,.{digits}f}"


def percent(value: float) -> str:
    """Return a share for reading."""
    return f"{100 * value:.1f} %"


def between(low: float | None, high: float | None, digits: int = 3) -> str:
    """Return an interval for reading."""
    return UNKNOWN if low is None or high is None else f"{low:,.{digits}f} to {high:,.{digits}f}"


def with_interval(figures: Mapping[str, float | None], name: str, digits: int = 3) -> str:
    """Return a figure and its interval."""
    found = number(figures.get(name), digits)
    low, high = figures.get(f"{name}_low"), figures.get(f"{name}_high")
    return found if low is None or high is None else f"{found} ({between(low, high, digits)})"


def performance(evaluation: Mapping[str, Any]) -> str:
    """Return the main figures."""
    metrics, intervals = evaluation["metrics"], evaluation["intervals"]
    rows = []
    for name, words in _FIGURES.items():
        low, high = intervals.get(name) or (None, None)
        rows.append((words, number(metrics.get(name)), between(low, high)))
    return table(("figure", "value", "95 % interval"), rows)


def views(evaluation: Mapping[str, Any]) -> str:
    """Return figures of rows taken alone."""
    rows = []
    for key, words in _VIEWS.items():
        figures, intervals = evaluation[key], evaluation[f"intervals_{key}"]
        if figures is None:
            rows.append((words, "too few to tell", *("" for _ in _OF_VIEWS)))
            continue
        shown = []
        for name in _OF_VIEWS:
            low, high = intervals.get(name) or (None, None)
            shown.append(with_interval({name: figures.get(name), f"{name}_low": low, f"{name}_high": high}, name))
        rows.append((words, f"{figures['n']:,.0f}", *shown))
    return table(("rows", "landmarks", "AUROC", "AUPRC", "ECE", "slope", "recall, top 20 %"), rows)


def facilities(evaluation: Mapping[str, Any]) -> str:
    """Return how the use of the lists spreads over facilities."""
    told = evaluation["facilities"]
    lines = (
        f"{told['n']} facilities have {LEAST_OF_LIST} or more interrupted landmarks in the test; {told['n_omitted']} "
        "with fewer are left out here, but not of the figures over all.\n\n"
    )
    rows = []
    for share in (10, 20, 25):
        for kind, words in (("recall", "reached"), ("ppv", "of those listed, interrupted")):
            one = told.get(f"{kind}_top_{share}")
            if one is not None:
                spread = (percent(one[name]) for name in ("p10", "p25", "median", "p75", "p90"))
                interval = f"{percent(one['median_low'])} to {percent(one['median_high'])}"
                rows.append((f"top {share} %, {words}", *spread, interval))
    head = ("of each list", "10th percentile", "25th", "median", "75th", "90th", "median, 95 % interval")
    return lines + table(head, rows) if rows else lines


def rivals(evaluation: Mapping[str, Any]) -> str:
    """Return the model beside others on the same landmarks and draws."""
    mine = evaluation["metrics"]
    rows = [
        ("**this model**", number(mine["auroc"], 4), "", number(mine["auprc"], 4), "", number(mine["brier"], 5), "")
    ]
    for name, one in evaluation["rivals"].items():
        cells = [name]
        for figure, digits in (("auroc", 4), ("auprc", 4), ("brier", 5)):
            ahead = with_interval(one, f"{figure}_ahead", digits) if figure in one else "not a risk"
            cells += [number(one[figure], digits) if figure in one else "", ahead]
        rows.append(tuple(cells))
    return table(("model", "AUROC", "ahead by", "AUPRC", "ahead by", "Brier", "ahead by"), rows)


def segments(evaluation: Mapping[str, Any], *, fairness: bool) -> str:
    """Return figures by segment: those of who and where, or those of treatment and time."""
    reference = evaluation["reference"]
    rows = []
    for name, one in evaluation["segments"].items():
        if (family_of(name) in FAIRNESS) is not fairness:
            continue
        ahead = with_interval(one, "reference_ahead") if "reference_ahead" in one else UNKNOWN
        rows.append((
            name, f"{one['n']:,.0f}", f"{one['n_patients']:,.0f}", percent(one["prevalence"]),
            with_interval(one, "auroc"), with_interval(one, "auprc"), with_interval(one, "observed_expected", 2),
            with_interval(one, "recall_top_20"), with_interval(one, "selected_top_20"), ahead,
        ))  # fmt: skip
    head = (
        "segment", "landmarks", "patients", "interrupted", "AUROC", "AUPRC", "observed / expected", "recall, top 20 %",
        "listed, top 20 %", f"AUROC ahead of the {reference}" if reference else "AUROC ahead",
    )  # fmt: skip
    return table(head, rows) if rows else "No segment has enough landmarks to tell.\n"


def flow(participants: Mapping[str, Any]) -> str:
    """Return the parts of the data."""
    rows = [
        (
            name,
            *(f"{one[key]:,}" for key in ("landmarks", "cycles", "patients", "facilities")),
            f"{one['interrupted']:,} ({percent(one['interrupted'] / one['landmarks'])})" if one["landmarks"] else "0",
            f"{one['first_pickup']} to {one['last_pickup']}" if one["landmarks"] else "",
        )
        for name, one in participants["parts"].items()
    ]
    return table(("part", "landmarks", "cycles", "patients", "facilities", "interrupted", "pick-ups"), rows)


def reliability(evaluation: Mapping[str, Any]) -> str:
    """Return the reliability diagram as numbers."""
    told = evaluation["reliability"]
    points = zip(told["expected"], told["observed"], told["low"], told["high"], strict=True)
    rows = [
        (f"{place} of 10", number(expected), number(observed), between(low, high))
        for place, (expected, observed, low, high) in enumerate(points, start=1)
    ]
    return table(("tenth, by risk", "mean risk", "interrupted", "95 % interval"), rows)


def decision_curve(evaluation: Mapping[str, Any]) -> str:
    """Return net benefit at a few thresholds."""
    told = evaluation["decision_curve"]
    rows = []
    for place, threshold in enumerate(told["threshold"]):
        if round(100 * threshold) in (2, 5, 10, 15, 20, 30, 40, 50):
            interval = between(told["low"][place], told["high"][place], 4)
            rows.append(
                (f"{threshold:.0%}", number(told["model"][place], 4), interval, number(told["all"][place], 4), "0")
            )
    return table(("follow up from a risk of", "by the model", "95 % interval", "all", "none"), rows)


def predictors() -> str:
    """Return the families of features."""
    rows = []
    for family, words in FAMILIES.items():
        mine = [one for one in FEATURES if one.family == family]
        rows.append((words, str(len(mine)), ", ".join(sorted({one.source for one in mine}))))
    return table(("family", "features", "from"), rows)


def missing(unknown: Mapping[str, float]) -> str:
    """Return the features that are most often unknown."""
    worst = sorted(unknown.items(), key=lambda item: (-item[1], item[0]))[:10]
    return table(("feature", "unknown"), [(f"`{name}`", percent(share)) for name, share in worst])


def importance(told: Mapping[str, Mapping[str, float]]) -> str:
    """Return the features that move risks most."""
    meaning = {one.name: one.meaning.rstrip(".") for one in FEATURES}
    first = sorted(told.items(), key=lambda item: (-item[1]["contribution"], item[0]))[:20]
    rows = [
        (f"`{name}`: {meaning[name]}", number(one["contribution"]), percent(one["gain_share"])) for name, one in first
    ]
    return table(("feature", "mean change of the log-odds", "share of the gain in training"), rows)


def learning(points: Sequence[Mapping[str, float]]) -> str:
    """Return the learning curve as numbers."""
    rows = [
        (
            percent(one["share"]),
            f"{one['n_patients']:,.0f}",
            *(with_interval(one, name) for name in ("auroc", "auprc")),
        )
        for one in points
    ]
    return table(("of the training patients", "patients", "AUROC", "AUPRC"), rows)


def points(card: Mapping[str, Any]) -> str:
    """Return the scorecard as a table of points."""
    rows = [("base, for everyone", "", f"{card['base']:+.2f}")]
    for name, edges, values in zip(card["features"], card["edges"], card["points"], strict=True):
        first = f"below {edges[0]:g}" if edges else "any"
        starts = [first, *(f"from {edge:g}" for edge in edges), "unknown"]
        rows += [(f"`{name}`", start, f"{value:+.2f}") for start, value in zip(starts, values, strict=True)]
    return table(("feature", "value", "points"), rows)
