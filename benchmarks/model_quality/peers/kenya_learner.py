"""Kenya's XGBoost as trained for production there (src/training/refresh_model.py).

`eta` 0.01, depth 6, half the rows and 0.6 of the columns a tree, positives weighing 10, at most 3,000 trees, stopped
after 100 without a better AUCPR on the latest visits; scores are not calibrated. There the last six months train, the
latest of them to stop; here all training rows serve, for the cohort is small, and our own latest 15 % stop.

Their thresholds (75th and 50th percentile of a site's raw scores) only choose how many are flagged; the share of each
facility's list that the table flags takes their place.
"""

from typing import Final

import numpy as np
import xgboost

from benchmarks.model_quality.peers import kenya
from benchmarks.model_quality.peers.recipe import Inputs, Judged, Lesson, Peer, Scene, Scorer, Scores, judge, lesson_of

PARAMETERS: Final = {
    "eta": 0.01,
    "max_depth": 6,
    "subsample": 0.5,
    "colsample_bytree": 0.6,
    "lambda": 1,
    "scale_pos_weight": 10,
    "objective": "binary:logistic",
    "eval_metric": "aucpr",
    "tree_method": "hist",
}
ROUNDS: Final = 3000
PATIENCE: Final = 100


def learn(lesson: Lesson) -> Scorer:
    """Return what their booster says of rows."""
    early = xgboost.DMatrix(lesson.inputs[~lesson.is_late], lesson.label[~lesson.is_late])
    late = xgboost.DMatrix(lesson.inputs[lesson.is_late], lesson.label[lesson.is_late])
    booster = xgboost.train(
        {**PARAMETERS, "seed": lesson.seed, "nthread": lesson.threads},
        early,
        num_boost_round=ROUNDS,
        evals=[(late, "late")],
        early_stopping_rounds=PATIENCE,
        verbose_eval=False,
    )
    last = booster.best_iteration + 1

    def score(inputs: Inputs) -> Scores:
        return np.asarray(booster.predict(xgboost.DMatrix(inputs), iteration_range=(0, last)), np.float64)

    return score


PEER: Final = Peer("Kenya, XGBoost", kenya.inputs, learn)


def with_leak(scene: Scene, *, seed: int, threads: int) -> Judged:
    """Return scores as they would have judged them: the site's figures of the month after, in training and in test.

    Pick-up days only: they ask once a visit.
    """
    cohort = scene.cohort
    told = kenya.inputs_with_leak(scene)
    at_pickup = cohort.dataset.landmark == 0
    lesson = lesson_of(cohort, told, seed=seed, threads=threads, among=at_pickup)
    return judge(cohort, learn(lesson)(told[cohort.parts.test & at_pickup]), among=at_pickup)
