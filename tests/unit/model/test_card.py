"""A model card says everything, in figures that are known, and says so where they are not."""

import json
import re
import subprocess
import sys
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from model_cases import a_model, a_patient_flow

from iit.domain.errors import Unavailable
from iit.model.baselines import fit_baseline
from iit.model.card import as_markdown
from iit.model.card_page import as_page
from iit.model.card_process import draw_page
from iit.model.evaluate import TestRows, evaluate
from iit.model.gate import LIMITS
from iit.model.importance import importance_of
from iit.model.learning import learning_curve
from iit.model.train import manifest_of

TRAINED, DATASET, FEATURES, PARTS = a_model()
HEADINGS = [
    "# Model card: v1", "## Abstract", "## Introduction", "### Background and intended use", "### Objectives",
    "## Methods", "### Data: source and dates", "### Participants", "### Outcome", "### Predictors", "### Sample size",
    "### Missing data", "### Analytical methods", "### Class imbalance", "### Fairness", "### Model output",
    "### Training versus evaluation", "## Ethical approval and open science", "## Results", "### Participants: flow",
    "### Performance", "### Performance by facility", "### Calibration", "### Net benefit", "### Precision and recall",
    "### Beside other models", "### Learning curve", "### Sensitivity", "### Fairness: results",
    "### Treatment and time: results", "## Model specification", "### What moves the risk", "### Scorecard",
    "## Model updating", "## Discussion", "### Interpretation", "### Limitations", "### Usability",
    "## Objections to service",
]  # fmt: skip


def risks(features: np.ndarray) -> np.ndarray:
    return TRAINED.calibrator.apply(TRAINED.booster.predict(features, raw_score=True))


def a_manifest(*, synthetic: bool = True) -> dict[str, Any]:
    """Return the manifest of a small model, as read back from its bundle."""
    grown, tested = PARTS.early | PARTS.late, FEATURES[PARTS.test]
    rows = TestRows(
        DATASET.take(PARTS.test), tested, PARTS.unseen_patient[PARTS.test], PARTS.unseen_facility[PARTS.test]
    )
    rivals = {
        "scorecard": TRAINED.scorecard.risk(tested),
        "single feature": TRAINED.single.score(tested),
        "logistic regression": fit_baseline(FEATURES[grown], DATASET.label[grown]).risk(tested),
    }
    manifest = manifest_of(TRAINED, version="v1", features=FEATURES[grown]) | {
        "created_at": "2025-07-01T08:00:00+00:00", "label_policy": "1 if interrupted.", "seed": 1,
        "limits": LIMITS.as_dict(), "participants": a_patient_flow(DATASET, PARTS),
        "importance": importance_of(TRAINED.booster, tested),
        "evaluation": evaluate(risks(tested), rows, rivals, rounds=20),
        "learning_curve": learning_curve(
            DATASET, FEATURES, PARTS, grow=lambda _parts: risks, whole=risks(tested), seed=1
        ),
        "window": {
            "as_of": "2025-06-30", "train_until": "2024-06-30", "calibrate_until": "2024-12-31", "n_patients": 400,
            "grace_days": 28, "synthetic": synthetic,
        },
    }  # fmt: skip
    return json.loads(json.dumps(manifest, allow_nan=False))


MANIFEST = a_manifest()
CARD = as_markdown(MANIFEST, MANIFEST["evaluation"], [])
PAGE = as_page(CARD, MANIFEST)


def test_it_has_all_headings_in_order() -> None:
    assert [line for line in CARD.splitlines() if line.startswith("#")] == HEADINGS


def test_a_learning_curve_that_was_not_measured_is_not_mentioned() -> None:
    manifest = {name: one for name, one in MANIFEST.items() if name != "learning_curve"}
    card = as_markdown(manifest, MANIFEST["evaluation"], [])
    assert "earning curve" not in card
    assert as_page(card, manifest).count("<figure") == 4


def test_nothing_stands_for_a_figure_that_is_not_known() -> None:
    assert not re.search(r"\bnan\b|\bNone\b(?!\.)|\binf\b|Undefined|TODO|TBD|\{\{|\{%|<[a-z]", CARD)
    assert "\n\n\n" not in CARD


def test_tables_have_as_many_cells_as_heads() -> None:
    widths = [line.count("|") for line in CARD.splitlines() if line.startswith("|")]
    blocks = re.findall(r"(?:^\|.*\n)+", CARD, re.MULTILINE)
    assert sum(len(block.splitlines()) for block in blocks) == len(widths)
    for block in blocks:
        assert len({line.count("|") for line in block.splitlines()}) == 1, block


def test_figures_are_those_of_the_evaluation() -> None:
    metrics, (low, high) = MANIFEST["evaluation"]["metrics"], MANIFEST["evaluation"]["intervals"]["auroc"]
    assert f"| {metrics['auroc']:.3f} | {low:.3f} to {high:.3f} |" in CARD
    women = MANIFEST["evaluation"]["segments"]["sex: female"]
    assert f"| sex: female | {women['n']:,.0f} | {women['n_patients']:.0f} |" in CARD


def test_synthetic_data_are_called_so_first() -> None:
    assert CARD.splitlines()[2].startswith("> **Synthetic cohort.**")
    real = a_manifest(synthetic=False)
    assert "ynthetic" not in as_markdown(real, real["evaluation"], [])


def test_objections_are_listed() -> None:
    assert "- too little\n" in as_markdown(MANIFEST, MANIFEST["evaluation"], ["too little"])
    assert CARD.endswith("## Objections to service\n\nNone.\n")


@pytest.mark.parametrize("key", ["segments_omitted", "facilities", "limits"])
def test_a_part_that_is_missing_stops_the_card(key: str) -> None:
    fewer = {name: one for name, one in MANIFEST["evaluation"].items() if name != key}
    manifest = {name: one for name, one in MANIFEST.items() if name != key}
    with pytest.raises((KeyError, Exception), match=key):
        as_markdown(manifest, fewer, [])


def test_the_same_card_has_the_same_bytes() -> None:
    assert as_page(CARD, a_manifest()) == PAGE


def test_the_page_stands_alone_and_shows_every_plot() -> None:
    assert PAGE.count("<figure") == PAGE.count("<svg") == 5
    assert not re.search(r'(?:src|href)="(?!#)(?!http://www\.w3\.org)', PAGE.replace("xlink:href", "href"))
    for drawn in re.findall(r"<svg.*?</svg>", PAGE, re.DOTALL):
        ElementTree.fromstring(drawn)  # noqa: S314 our own
    assert len(PAGE) < 1_000_000


def test_the_page_drawn_in_a_process_of_its_own_is_the_same() -> None:
    assert draw_page(CARD, MANIFEST) == PAGE


def test_a_page_that_cannot_be_drawn_is_said_to_be_so() -> None:
    with pytest.raises(Unavailable, match="could not be drawn"):
        draw_page(CARD, {"version": "v1", "evaluation": {}})


def test_neither_the_service_nor_a_command_loads_the_chart_library() -> None:
    asked = "import sys, iit.asgi, iit.cli.main; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", asked], check=True)
