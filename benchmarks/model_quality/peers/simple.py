"""Plain rivals over the product's own features: the scorecard, one feature, a logistic regression over all."""

from typing import Final

import numpy as np

from benchmarks.model_quality.peers.recipe import Inputs, Lesson, Peer, Scene, Scorer
from iit.features.registry import INDEX
from iit.model import scorecard
from iit.model.baselines import fit_baseline, single_feature
from iit.model.logistic import fit_logistic

_SINGLE: Final = "n_late14_3"  # Kenya's late14_last3


def all_features(scene: Scene) -> Inputs:
    """Return (r, 98) the product's features."""
    return scene.cohort.features


def learn_scorecard(lesson: Lesson) -> Scorer:
    """Return what a table of points says of rows, fitted as the product's own."""
    edges = scorecard.bin_edges(lesson.inputs)
    bins = scorecard.indicators(lesson.inputs, edges).astype(np.float64)
    weights = fit_logistic(np.column_stack((bins, np.ones(len(bins)))), lesson.label, ridge=1.0)
    return scorecard.from_weights(edges, weights[:-1], float(weights[-1])).risk


def learn_logistic(lesson: Lesson) -> Scorer:
    """Return what a logistic regression over all features says of rows."""
    return fit_baseline(lesson.inputs, lesson.label).risk


def learn_single(lesson: Lesson) -> Scorer:
    """Return the rank of rows by one feature: returns 14 or more days late among the last three."""
    return single_feature(lesson.inputs, INDEX[_SINGLE], 1).score


PEERS: Final = (
    Peer("Logistic regression, our features", all_features, learn_logistic),
    Peer("Scorecard", all_features, learn_scorecard),
    Peer("late14_last3 alone", all_features, learn_single, tells_risk=False),
)
