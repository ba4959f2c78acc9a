"""Plain rivals over the product's own features: the scorecard, one feature, a logistic regression over all."""

from typing import Final

from benchmarks.model_quality.peers.recipe import Inputs, Lesson, Peer, Scene, Scorer
from iit.features.registry import INDEX
from iit.model.baselines import fit_baseline, single_feature
from iit.model.train import fit_scorecard

_SINGLE: Final = "n_late14_3"  # Kenya's late14_last3


def all_features(scene: Scene) -> Inputs:
    """Return (r, 98) the product's features."""
    return scene.cohort.features


def learn_scorecard(lesson: Lesson) -> Scorer:
    """Return what a table of points says of rows, fitted as the product's own."""
    return fit_scorecard(lesson.inputs, lesson.label).risk


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
