"""Scoring with trees and, as the last resort, with the table of points."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from model_cases import a_dataset, bundle_files

from iit.domain.errors import InvalidInput
from iit.model.bundle import Bundle, load_bundle, write_bundle
from iit.model.scorer import AnyScorer, ScorecardScorer, Scorer

ROWS = a_dataset(n=20, seed=4)[1]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("models")
    write_bundle(folder, "v1", bundle_files("v1"))
    return load_bundle(folder, "v1")


@pytest.fixture(scope="module", params=[Scorer, ScorecardScorer], ids=["trees", "points"])
def scorer(request: pytest.FixtureRequest, bundle: Bundle) -> AnyScorer:
    made: AnyScorer = request.param(bundle)
    return made


def test_risks_lie_between_0_and_1(scorer: AnyScorer) -> None:
    risks = scorer.score(ROWS)
    assert risks.shape == (len(ROWS),)
    assert ((risks > 0) & (risks < 1)).all()


def test_reasons_are_known_features_strongest_first(scorer: AnyScorer) -> None:
    for reasons, row in zip(scorer.explain(ROWS, 5), ROWS, strict=True):
        strengths = [abs(reason.contribution) for reason in reasons]
        assert strengths == sorted(strengths, reverse=True)
        assert 0 < len(reasons) <= 5
        assert all(np.isfinite(reason.value) and reason.value in row for reason in reasons)


def test_one_row_gives_what_it_gives_among_others(scorer: AnyScorer) -> None:
    together, explained = scorer.score(ROWS), scorer.explain(ROWS, 3)
    for i in range(0, len(ROWS), 37):
        assert scorer.score(ROWS[i : i + 1])[0] == together[i]
        assert scorer.explain(ROWS[i : i + 1], 3)[0] == explained[i]


def test_contributions_of_trees_add_up_to_the_raw_score(bundle: Bundle) -> None:
    scorer = Scorer(bundle)
    np.testing.assert_allclose(scorer.contributions(ROWS).sum(axis=1), scorer.raw(ROWS), rtol=0, atol=1e-9)


def test_points_add_up_to_the_log_odds(bundle: Bundle) -> None:
    scorer = ScorecardScorer(bundle)
    risks = scorer.score(ROWS)
    np.testing.assert_allclose(scorer.contributions(ROWS).sum(axis=1), np.log(risks / (1 - risks)), atol=1e-9)


def test_trees_of_other_features_are_refused(bundle: Bundle) -> None:
    text = bundle.model_text.replace("late_days_mean_3", "late_days_mean_9")
    with pytest.raises(InvalidInput, match="other features"):
        Scorer(Bundle(**{**vars(bundle), "model_text": text}))


def test_trees_that_do_not_load_name_the_model_and_the_place(bundle: Bundle) -> None:
    with pytest.raises(InvalidInput, match=r"model v1: .*cut off"):
        Scorer(Bundle(**{**vars(bundle), "model_text": bundle.model_text[:500]}))


@pytest.mark.parametrize("cases", [None, {}, {"features": [], "risks": []}, {"features": [[1.0]], "risks": [0.5]}])
def test_a_bundle_without_a_whole_self_test_is_refused(bundle: Bundle, cases: object) -> None:
    with pytest.raises(InvalidInput, match="self-test"):
        Scorer(Bundle(**{**vars(bundle), "manifest": {**bundle.manifest, "self_test": cases}}))


def test_serving_needs_neither_lightgbm_nor_scikit_learn(tmp_path: Path) -> None:
    """In a fresh process in which both cannot be found, the service's own modules load and score."""
    write_bundle(tmp_path, "v1", bundle_files("v1"))
    code = f"""
import sys
for name in ("lightgbm", "sklearn", "scipy.stats", "pandas", "pyarrow"):
    sys.modules[name] = None
import iit.asgi, iit.cli.operations, iit.cli.records, iit.cli.modelling, iit.cli.access
from pathlib import Path
import numpy as np
from iit.model.bundle import load_bundle
from iit.model.scorer import Scorer
print(Scorer(load_bundle(Path({str(tmp_path)!r}), "v1")).explain(np.zeros((1, 98), np.float32), 1)[0][0].feature)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
