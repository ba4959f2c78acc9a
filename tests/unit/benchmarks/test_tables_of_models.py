"""The written comparison names every model, says that people are invented, and is strict about its goals."""

import numpy as np
import pytest
from benchmarks.model_quality.figures import NAMES, Drawn

pytest.importorskip("xgboost", reason="the extra `bench` is not installed (make bench-model installs it)")

from benchmarks.model_quality import one_cohort, tables
from benchmarks.model_quality.one_cohort import BESIDE_LIMIT, LEAKS, LIMIT, OURS, PEERS, RECIPES, Outcome


def drawn(auprc: float, n: int = 100) -> Drawn:
    """Return figures of a model, all 0.005 but its AUPRC and recall."""
    point = np.full(len(NAMES), 0.005)
    point[NAMES.index("auprc")] = point[NAMES.index("recall_top_20")] = auprc
    return Drawn(point, np.tile(point, (4, 1)), n, 0.1)


def outcome(seed: int, ours: float) -> Outcome:
    told = one_cohort.Outcome(seed)
    for where in (told.everywhere, told.at_pickup):
        where |= {peer.name: drawn(0.5) for peer in PEERS}
        where |= {OURS: drawn(ours), LIMIT: drawn(0.7, 90), BESIDE_LIMIT: drawn(ours, 90)}
    told.once |= {peer.name: drawn(0.4) for peer in RECIPES}
    told.leaks |= {name: drawn(0.9) for name in LEAKS}
    told.seconds |= {"records": 2.0}
    return told


ONCE, OFTEN = "| AUPRC 10 %", "| the same, were it trained on our landmarks"


@pytest.mark.parametrize(
    ("ours", "goal", "share", "reached"),
    [
        pytest.param(0.56, OFTEN, "+12.0%", "yes", id="12 % ahead"),
        pytest.param(0.54, OFTEN, "+8.0%", "**no**", id="8 % ahead"),
        pytest.param(0.40, OFTEN, "-20.0%", "**no**", id="behind"),
        pytest.param(0.45, ONCE, "+12.5%", "yes", id="12.5 % ahead of once a visit"),
        pytest.param(0.43, ONCE, "+7.5%", "**no**", id="7.5 % ahead of once a visit"),
    ],
)
def test_a_goal_is_reached_or_not(ours: float, goal: str, share: str, reached: str) -> None:
    text = tables.report([outcome(1, ours), outcome(2, ours)], patients=2_000, rounds=4)
    (line,) = [line for line in text.splitlines() if line.startswith(goal)]
    assert share in line
    assert line.endswith(f"| {reached} |")


def test_every_model_is_told_and_that_people_are_invented() -> None:
    text = tables.report([outcome(1, 0.56)], patients=2_000, rounds=4)
    assert "events are invented" in " ".join(text.split())
    for peer in PEERS:
        assert text.count(f"| {peer.name} |") >= 3
    for name in LEAKS:
        assert f"| {name} | 10.0% |" in text
    assert "on the 90% of test rows that tell it" in text
