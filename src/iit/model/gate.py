"""What a candidate must show before it serves."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from iit.model.segments import FAIRNESS, family_of


@dataclass(frozen=True)
class Limits:
    """How far a model may be off; recorded in its bundle.

    Attributes:
        ece: calibration error, as a probability.
        slope: least and most calibration slope.
        observed_expected: least and most ratio of observed to expected interruptions, over all.
        champion_auroc_loss: AUROC that a better calibrated candidate may lose against the champion.
        champion_brier_loss: Brier score that a better ranking candidate may lose, as a share of the champion's.
        segment_auroc_loss: AUROC that a segment may fall behind the reference.
        segment_observed_expected: as above, in a segment of who and where.
        segment_recall_gap: recall at the top 20 % that such a segment may fall behind that of all.
        segment_rows: landmarks from which on a segment is judged.
        segment_patients: patients from which on; the interval of fewer is too narrow to be believed.
    """

    ece: float = 0.02
    slope: tuple[float, float] = (0.8, 1.25)
    observed_expected: tuple[float, float] = (0.8, 1.25)
    champion_auroc_loss: float = 0.005
    champion_brier_loss: float = 0.01
    segment_auroc_loss: float = 0.03
    segment_observed_expected: tuple[float, float] = (0.67, 1.5)
    segment_recall_gap: float = 0.2
    segment_rows: int = 500
    segment_patients: int = 100

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers."""
        return asdict(self)


LIMITS = Limits()
_RECALL = "recall_top_20"


def objections(evaluation: Mapping[str, Any], limits: Limits = LIMITS) -> list[str]:
    """Return why a model must not be promoted, each a sentence with its figures; none if it may.

    - It ranks better (AUROC) than the simple rivals on the same rows.
    - Where a champion serves, the burden of proof is the candidate's: a 95 % interval of the paired difference shows it
      better in AUROC or in Brier score, and in the other not worse by more than the limit. A candidate that only might
      be better changes everybody's lists for nothing.
    - It is not shown to be badly calibrated: no 95 % interval lies wholly outside the limits.
    - No segment is shown to be behind the reference and is so by more than the limit; and of who people are and where
      they live, no segment is shown to be badly calibrated or to be reached less than others by more than the limit.
    """
    return [
        *_behind_simple_rivals(evaluation),
        *_not_better_than_champion(evaluation["rivals"].get("champion"), limits),
        *_badly_calibrated(evaluation["metrics"], evaluation["intervals"], limits),
        *_segments_behind(evaluation, limits),
    ]


def _behind_simple_rivals(evaluation: Mapping[str, Any]) -> Iterator[str]:
    mine = evaluation["metrics"]["auroc"]
    for name, rival in evaluation["rivals"].items():
        if name != "champion" and not mine > rival["auroc"]:
            yield f"AUROC {mine:.4f} does not beat the {name}'s {rival['auroc']:.4f}"


def _not_better_than_champion(champion: Mapping[str, float] | None, limits: Limits) -> Iterator[str]:
    if champion is None:
        return
    auroc_low, brier_low = champion["auroc_ahead_low"], champion["brier_ahead_low"]
    most_brier = limits.champion_brier_loss * champion["brier"]
    auroc = _difference("AUROC", champion, "auroc_ahead", 4)
    brier = _difference("Brier score", champion, "brier_ahead", 5)
    if not max(auroc_low, brier_low) > 0:
        yield f"not shown to beat the champion: {auroc}; {brier}"
    elif auroc_low < -limits.champion_auroc_loss:
        yield f"may rank worse than the champion by more than {limits.champion_auroc_loss}: {auroc}"
    elif brier_low < -most_brier:
        yield f"may tell worse risks than the champion by more than {most_brier:.5f}: {brier}"


def _difference(what: str, figures: Mapping[str, float], name: str, digits: int) -> str:
    low, high = figures[f"{name}_low"], figures[f"{name}_high"]
    return f"{what} better by {figures[name]:.{digits}f} (95 % interval {low:.{digits}f} to {high:.{digits}f})"


def _badly_calibrated(metrics: Mapping[str, float], intervals: Mapping[str, Any], limits: Limits) -> Iterator[str]:
    low, _ = intervals["ece"]
    if low > limits.ece:
        yield f"calibration error {metrics['ece']:.4f} is surely above {limits.ece} (from {low:.4f})"
    for name, words, (least, most) in (
        ("calibration_slope", "calibration slope", limits.slope),
        ("observed_expected", "ratio of observed to expected interruptions", limits.observed_expected),
    ):
        low, high = intervals[name]
        if high < least or low > most:
            yield f"{words} {metrics[name]:.2f} ({low:.2f} to {high:.2f}) is surely outside {least} to {most}"


def _segments_behind(evaluation: Mapping[str, Any], limits: Limits) -> Iterator[str]:
    for name, figures in evaluation["segments"].items():
        if figures["n"] < limits.segment_rows or figures["n_patients"] < limits.segment_patients:
            continue
        yield from _ranked_worse(name, figures, evaluation["reference"], limits)
        if family_of(name) in FAIRNESS:
            yield from _served_worse(name, figures, evaluation["metrics"][_RECALL], limits)


def _ranked_worse(name: str, figures: Mapping[str, float], reference: str | None, limits: Limits) -> Iterator[str]:
    ahead, high = figures.get("reference_ahead"), figures.get("reference_ahead_high")
    if ahead is not None and high is not None and high < 0 and ahead < -limits.segment_auroc_loss:
        yield (
            f"segment {name}: AUROC {figures['auroc']:.4f} falls behind the {reference}'s "
            f"{figures['reference_auroc']:.4f} by more than {limits.segment_auroc_loss}"
        )


def _served_worse(name: str, figures: Mapping[str, float], recall: float, limits: Limits) -> Iterator[str]:
    least, most = limits.segment_observed_expected
    low, high = figures["observed_expected_low"], figures["observed_expected_high"]
    if high < least or low > most:
        yield (
            f"segment {name}: {figures['observed_expected']:.2f} times as many interruptions as expected "
            f"({low:.2f} to {high:.2f}), surely outside {least} to {most}"
        )
    reached, high = figures[_RECALL], figures[f"{_RECALL}_high"]
    if high < recall - limits.segment_recall_gap:
        yield (
            f"segment {name}: the top 20 % of lists reach {reached:.1%} of its interruptions (at most {high:.1%}), "
            f"{recall:.1%} of all: behind by more than {limits.segment_recall_gap:.0%}"
        )
