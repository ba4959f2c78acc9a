"""The model card: what a model is for, what it was made from, how good it is and where it is not.

Headings follow TRIPOD+AI (Collins et al., BMJ 2024;385:e078378). The text is generated: what the software cannot know,
it says it does not know.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from iit.features.registry import FEATURES
from iit.model import card_tables
from iit.model.evaluate import LEAST_EITHER, LEAST_ROWS, ROUNDS

PLOTS_UNDER: Final[Mapping[str, str]] = {
    "Calibration": "reliability",
    "Net benefit": "decision_curve",
    "Precision and recall": "precision_recall",
    "Fairness: results": "segments",
    "Learning curve": "learning_curve",
}
"""Which plot stands under which heading, where a page can show plots."""

_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    undefined=StrictUndefined,  # a figure that is not there stops the card instead of leaving a hole
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701 Markdown of numbers and words of our own
)


def as_markdown(manifest: Mapping[str, Any], evaluation: Mapping[str, Any], objections: Sequence[str]) -> str:
    """Return the card of a model as Markdown.

    Args:
        manifest: of the bundle.
        evaluation: as `evaluate` told of the test window.
        objections: of the gate.
    """
    rivals = evaluation["rivals"].items()
    return _TEMPLATES.get_template("card.md.jinja").render(
        manifest=manifest,
        evaluation=evaluation,
        objections=objections,
        window=manifest["window"],
        flow=manifest["participants"],
        test=manifest["participants"]["parts"]["test"],
        limits=manifest["limits"],
        metrics=evaluation["metrics"],
        intervals=evaluation["intervals"],
        not_shown=[name for name, one in rivals if not one.get("auroc_ahead_low", 0.0) > 0],
        n_features=len(FEATURES),
        rounds=ROUNDS,
        least_rows=LEAST_ROWS,
        least_either=LEAST_EITHER,
        tables=card_tables,
        count="{:,}".format,
        percent=card_tables.percent,
    )
