"""The outcome of all cohorts as Markdown."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from benchmarks.model_quality.figures import Drawn, Interval, combine, gain
from benchmarks.model_quality.one_cohort import BESIDE_LIMIT, LEAKS, LIMIT, OURS, PEERS, RECIPES, Outcome

Of = Callable[[Outcome], Mapping[str, Drawn]]

COLUMNS: Final = {
    "AUROC": "auroc", "AUPRC": "auprc", "lift": "lift", "Brier": "brier", "ECE": "ece", "slope": "calibration_slope",
    "recall at 20 %": "recall_top_20", "PPV at 20 %": "ppv_top_20",
}  # fmt: skip
_TWO_DIGITS: Final = ("lift", "calibration_slope")

INTRODUCTION: Final = """\
`make bench-model` wrote this: {n_cohorts} synthetic cohorts (seeds {seeds}) of {patients:,} patients. **All people,
facilities and events are invented. How models compare here says nothing of how they do on people**; it shows that the
same information is used better or worse, and what an error of method would have one believe.

Every model is trained on the same training rows and judged on the same test rows, all of cycles that began after
everything it was trained on. The label is T1: no ARV pick-up within 28 days after the expected day. Our model is
trained by the code that `iit train` runs. Peers are built anew from their public code with facts known on the day only;
what had to be assumed stands in `benchmarks/model_quality/peers`. Scores are taken as each recipe gives them: where it
calibrates none, none are calibrated here. Peers are made to be asked once a visit: here each is trained on every
landmark and told which one is asked, so that it is not beaten by the calendar alone; what they are worth asked once is
a table of its own. *Reachable limit*: the risk as known to one who knows everything but each patient's hidden frailty,
on the {limit_share:.0%} of test rows that tell it.

Means over the cohorts; in brackets 95 % intervals of a bootstrap in two stages: patients within each cohort
({rounds} draws, the same for all models), then cohorts. Recall and PPV: each facility follows up the top 20 % of its
rows.
"""


def report(outcomes: Sequence[Outcome], *, patients: int, rounds: int) -> str:
    """Return the whole section."""
    first = outcomes[0].everywhere
    text = INTRODUCTION.format(
        n_cohorts=len(outcomes),
        seeds=", ".join(str(one.seed) for one in outcomes),
        patients=patients,
        rounds=rounds,
        limit_share=first[LIMIT].n / first[OURS].n,
    )
    parts = [text, f"### What was aimed at\n\n{_goals(outcomes)}"]
    for title, of in (("All landmarks", _everywhere), ("The day of the pick-up", _at_pickup)):
        n, share = _size(outcomes, of)
        parts.append(f"### {title}\n\n{n:,} test rows a cohort, {share:.1%} interrupted.\n\n{_figures(outcomes, of)}")
    parts.append(f"### How far ours is ahead in AUPRC\n\n{_ahead(outcomes)}")
    parts.append(f"### Recipes asked once a visit\n\n{_once(outcomes)}")
    parts.append(f"### With leak\n\n{_leaks(outcomes)}")
    parts.append(f"### Time\n\n{seconds(outcomes)}")
    return "\n\n".join(part.strip() for part in parts)


def _everywhere(outcome: Outcome) -> Mapping[str, Drawn]:
    return outcome.everywhere


def _at_pickup(outcome: Outcome) -> Mapping[str, Drawn]:
    return outcome.at_pickup


def _drawn(outcomes: Sequence[Outcome], of: Of, name: str) -> list[Drawn]:
    return [of(one)[name] for one in outcomes]


def _size(outcomes: Sequence[Outcome], of: Of) -> tuple[int, float]:
    ours = _drawn(outcomes, of, OURS)
    return round(sum(one.n for one in ours) / len(ours)), sum(one.prevalence for one in ours) / len(ours)


def _cell(told: Interval, figure: str) -> str:
    if told.mean != told.mean:  # NaN
        return "n/a"
    digits = 2 if figure in _TWO_DIGITS else 3
    return f"{told.mean:.{digits}f} ({told.low:.{digits}f} to {told.high:.{digits}f})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figures(outcomes: Sequence[Outcome], of: Of) -> str:
    rows = []
    for name in (OURS, *(peer.name for peer in PEERS), BESIDE_LIMIT, LIMIT):
        told = combine(_drawn(outcomes, of, name))
        rows.append([name, *(_cell(told[figure], figure) for figure in COLUMNS.values())])
    return _table(["model", *COLUMNS], rows)


def _ahead(outcomes: Sequence[Outcome]) -> str:
    rows = []
    for peer in PEERS:
        cells = []
        for of in (_everywhere, _at_pickup):
            ours, theirs = _drawn(outcomes, of, OURS), _drawn(outcomes, of, peer.name)
            share = gain(ours, theirs, "auprc")
            cells += [
                _cell(combine(ours, theirs)["auprc"], "auprc"),
                _percent(share),
            ]
        rows.append([peer.name, *cells])
    return _table(["ahead of", "all landmarks", "in share", "at the pick-up", "in share"], rows)


def _goals(outcomes: Sequence[Outcome]) -> str:
    """Return the goals of the comparison, over all landmarks, and whether the means reach them."""
    ours = combine(_drawn(outcomes, _everywhere, OURS))
    apart = combine(_drawn(outcomes, _everywhere, LIMIT), _drawn(outcomes, _everywhere, BESIDE_LIMIT))["auroc"]
    reached = ours["recall_top_20"]
    rows = [
        _lead(
            outcomes,
            "AUPRC 10 % or more above the best recipe as it is used, once a visit",
            {peer.name: [one.once[peer.name] for one in outcomes] for peer in RECIPES},
        ),
        _lead(
            outcomes,
            "the same, were it trained on our landmarks and asked on each",
            {peer.name: _drawn(outcomes, _everywhere, peer.name) for peer in RECIPES},
        ),
        ["ECE of 0.01 or less", _cell(ours["ece"], "ece"), _reached(ours["ece"].mean <= 0.01)],
        ["recall of half or more at 20 %", _cell(reached, ""), _reached(reached.mean >= 0.5)],
        ["AUROC within 0.02 of the reachable limit, on its rows", _cell(apart, ""), _reached(apart.mean <= 0.02)],
    ]
    return _table(["goal", "found", "reached"], rows)


def _lead(outcomes: Sequence[Outcome], goal: str, recipes: Mapping[str, list[Drawn]]) -> list[str]:
    """Return the row of a lead of a tenth over whichever recipe comes nearest."""
    ours = _drawn(outcomes, _everywhere, OURS)
    leads = {name: gain(ours, theirs, "auprc") for name, theirs in recipes.items()}
    nearest = min(leads, key=lambda name: leads[name].mean)
    lead = leads[nearest]
    return [f"{goal} ({nearest})", _percent(lead), _reached(lead.mean >= 0.10)]


def _percent(share: Interval) -> str:
    return f"{share.mean:+.1%} ({share.low:+.1%} to {share.high:+.1%})"


def _reached(is_reached: bool) -> str:  # noqa: FBT001
    return "yes" if is_reached else "**no**"


def _once(outcomes: Sequence[Outcome]) -> str:
    rows = []
    ours = _drawn(outcomes, _everywhere, OURS)
    for peer in RECIPES:
        theirs = [one.once[peer.name] for one in outcomes]
        told, share = combine(theirs), gain(ours, theirs, "auprc")
        rows.append([
            peer.name, *(_cell(told[figure], figure) for figure in ("auroc", "auprc", "lift", "recall_top_20")),
            _percent(share),
        ])  # fmt: skip
    return (
        "As in service: trained on pick-up days, asked on them, and the answer carried over to the later landmarks of "
        "the cycle. All landmarks.\n\n"
        + _table(["recipe", "AUROC", "AUPRC", "lift", "recall at 20 %", "ours ahead in AUPRC"], rows)
    )


def _leaks(outcomes: Sequence[Outcome]) -> str:
    figures = ("auroc", "auprc", "lift")
    rows = []
    for name, honest in LEAKS.items():
        leaky = combine([one.leaks[name] for one in outcomes])
        known = combine(_drawn(outcomes, _at_pickup, honest))
        prevalence = sum(one.leaks[name].prevalence for one in outcomes) / len(outcomes)
        rows.append([
            name, f"{prevalence:.1%}", *(_cell(leaky[figure], figure) for figure in figures),
            *(_cell(known[figure], figure) for figure in figures),
        ])  # fmt: skip
    head = ["as they would judge themselves", "positives", "AUROC", "AUPRC", "lift", "honest AUROC", "AUPRC", "lift"]
    return (
        "What each recipe would have reported of itself, with its own error of method, beside the honest figures at "
        "the pick-up from above. Nothing here can be compared across rows.\n\n" + _table(head, rows)
    )


def seconds(outcomes: Sequence[Outcome]) -> str:
    """Return the seconds of each part, mean over cohorts, on one core each."""
    parts = list(outcomes[0].seconds)
    rows = [[part, f"{sum(one.seconds[part] for one in outcomes) / len(outcomes):.0f}"] for part in parts]
    return "Seconds a cohort, one core each.\n\n" + _table(["part", "s"], rows)
