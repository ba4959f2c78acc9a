"""The model card: what a model is for, what it was made from, how good it is and where it is not."""

from collections.abc import Mapping
from typing import Any

SHOWN = (
    "auroc", "auprc", "lift", "brier", "ece", "calibration_intercept", "calibration_slope",
    "recall_top_10", "recall_top_20", "recall_top_25", "ppv_top_10", "ppv_top_20", "ppv_top_25",
)  # fmt: skip


def as_markdown(manifest: Mapping[str, Any], evaluation: Mapping[str, Any], objections: list[str]) -> str:
    """Return the card of a model as Markdown."""
    window = manifest["window"]
    lines = [
        f"# Model {manifest['version']}",
        "",
        "## Intended use",
        "",
        "Ranks patients on HIV treatment by the probability that the current refill cycle ends in an interruption",
        "(no pick-up within 28 days after the expected day), so that a facility can call, remind or visit those it",
        "can reach. It supports people who decide; it is no reason to withhold care, and says nothing about",
        "transferred-out patients, pre- or post-exposure prophylaxis.",
        "",
        "## Data",
        "",
        f"- Records judged as of {window['as_of']}; {window['n_patients']} patients, {window['n_rows']} landmarks.",
        f"- Trained on labels known by {window['train_until']}, calibrated to {window['calibrate_until']},",
        "  tested on cycles that began later.",
        f"- {'Synthetic cohort: these figures say nothing about people.' if window['synthetic'] else 'Real records.'}",
        f"- Label: {manifest['label_policy']}",
        "",
        "## Figures on the test window",
        "",
        "| figure | value | 95 % interval |",
        "|---|---|---|",
    ]
    for name in SHOWN:
        low, high = evaluation["intervals"].get(name, (float("nan"), float("nan")))
        lines.append(f"| {name} | {evaluation['metrics'][name]:.4f} | {low:.4f} to {high:.4f} |")
    lines += ["", "## Beside others, AUROC on the same rows", "", "| model | AUROC |", "|---|---|"]
    lines += [f"| {name} | {figures['auroc']:.4f} |" for name, figures in evaluation["rivals"].items()]
    lines += ["", "## Segments", "", "| segment | rows | interrupted | mean risk | AUROC |", "|---|---|---|---|---|"]
    lines += [
        f"| {name} | {one['n']:.0f} | {one['prevalence']:.4f} | {one['mean_risk']:.4f} | {one['auroc']:.4f} |"
        for name, one in evaluation["segments"].items()
    ]
    lines += ["", "## Scorecard", "", "The last resort when the trees cannot score. Log-odds; add the base.", ""]
    lines += _points(manifest["scorecard"])
    lines += ["", "## Objections to service", ""]
    lines += [f"- {one}" for one in objections] or ["None."]
    return "\n".join(lines) + "\n"


def _points(card: Mapping[str, Any]) -> list[str]:
    lines = ["| feature | from | points |", "|---|---|---|", f"| base | | {card['base']:+.2f} |"]
    for name, edges, points in zip(card["features"], card["edges"], card["points"], strict=True):
        starts = ["lowest", *(f"{edge:g}" for edge in edges), "unknown"]
        lines += [f"| {name} | {start} | {point:+.2f} |" for start, point in zip(starts, points, strict=True)]
    return lines
