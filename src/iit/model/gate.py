"""What a candidate must show before it serves."""

from collections.abc import Mapping
from typing import Any, Final

_MOST_ECE: Final = 0.02
_SLOPE: Final = (0.8, 1.25)
_SEGMENT_LOSS: Final = 0.03  # AUROC a segment may fall behind the champion
_SEGMENT_ROWS: Final = 500


def objections(evaluation: Mapping[str, Any]) -> list[str]:
    """Return why a model must not be promoted; none if it may.

    By AUROC on the same test rows it must beat the champion (where there is one), the scorecard and the best single
    feature. It must not be shown to be badly calibrated (a 95 % interval wholly outside the limits), and no segment of
    500 or more rows may fall behind the champion by more than 0.03.
    """
    mine = evaluation["metrics"]
    found = []
    for name, rival in evaluation["rivals"].items():
        if not mine["auroc"] > rival["auroc"]:
            found.append(f"AUROC {mine['auroc']:.4f} does not beat the {name}'s {rival['auroc']:.4f}")
    intervals = evaluation["intervals"]
    if intervals["ece"][0] > _MOST_ECE:
        found.append(f"calibration error {mine['ece']:.4f} is surely above {_MOST_ECE}")
    low, high = intervals["calibration_slope"]
    if high < _SLOPE[0] or low > _SLOPE[1]:
        found.append(f"calibration slope {mine['calibration_slope']:.2f} is surely outside {_SLOPE[0]} to {_SLOPE[1]}")
    for segment, figures in evaluation["segments"].items():
        before = figures.get("champion_auroc")
        if before is not None and figures["n"] >= _SEGMENT_ROWS and figures["auroc"] < before - _SEGMENT_LOSS:
            found.append(f"segment {segment}: AUROC {figures['auroc']:.4f} falls behind the champion's {before:.4f}")
    return found
