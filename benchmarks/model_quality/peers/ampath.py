"""AMPATH (AMPATH/clinical-prediction-ml-models, V9 to V11): its inputs, and a stand-in for its stacked ensemble.

As there: age, sex, county, signed days late of the last visit, how many of the last three visits were 1, 7 and 28 or
more days late, number of visits, log10 size of the facility, days since the last viral load and CD4 count, log10 of the
viral load plus one, CD4, BMI from 10 to 35, tuberculosis status, month of the next appointment; a flag beside each
input that may be unknown.

Set by us: a visit is an ARV pick-up (they dropped drug refills in V9B, which are all that NMRS dates reliably); state
for county; one model for adults and minors; disclosure, programme and kind of facility are not in NMRS exports. H2O
AutoML's ensemble of the best of each family is stood for by gradient boosting, a random forest (50 trees, depth 20,
H2O's defaults) and a logistic regression, stacked by a logistic regression over their log-odds on the latest rows, and
then grown again on all.

Their known weakness: folds by patient, so that the model is judged on the same months it was trained on.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.model_quality.peers.kenya import bmi
from benchmarks.model_quality.peers.recipe import (
    Inputs,
    Judged,
    Lesson,
    Peer,
    Scene,
    Scorer,
    Scores,
    bounded,
    columns,
    one_hot,
)
from iit.domain.vocabulary import Kind
from iit.features.answers import TABLES
from iit.model.split import held_out

_LEAST_DAYS: Final = (1, 7, 28)
_FOLD: Final = 0.2


def inputs(scene: Scene) -> Inputs:
    """Return (r, k) AMPATH's inputs."""
    known = scene.known
    as_of = scene.cohort.dataset.as_of
    mass = bmi(known.value(Kind.WEIGHT_KG), known.value(Kind.HEIGHT_CM))
    may_be_unknown = columns(
        scene.feature("age"),
        known.late[:, 0],
        as_of - known.day(Kind.VIRAL_LOAD),
        as_of - known.day(Kind.CD4),
        np.log10(np.maximum(known.value(Kind.VIRAL_LOAD), 0) + 1),
        known.value(Kind.CD4),
        np.where((mass >= 10) & (mass <= 35), mass, np.nan),
        scene.feature("state_code"),
    )
    return columns(
        scene.asked_on,
        scene.feature("sex"),
        *((known.late[:, :3] >= least).sum(1) for least in _LEAST_DAYS),
        known.n_pickups,
        np.log10(np.maximum(scene.feature("fac_tx_curr"), 1)),
        scene.feature("ecd_month"),
        one_hot(scene.feature("tb_status"), len(TABLES[Kind.TB_STATUS]) + 1),
        may_be_unknown,
        np.isnan(may_be_unknown),
    )


def learn(lesson: Lesson) -> Scorer:
    """Return what the stacked ensemble says of rows."""
    early = ~lesson.is_late
    trial = [_fitted(base, lesson.inputs[early], lesson.label[early]) for base in _bases(lesson)]
    stack = LogisticRegression().fit(_log_odds(trial, lesson.inputs[lesson.is_late]), lesson.label[lesson.is_late])
    bases = [_fitted(base, lesson.inputs, lesson.label) for base in _bases(lesson)]

    def score(inputs: Inputs) -> Scores:
        return np.asarray(stack.predict_proba(_log_odds(bases, inputs))[:, 1], np.float64)

    return score


def _bases(lesson: Lesson) -> list[Any]:
    seed, threads = lesson.seed, lesson.threads
    scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression(max_iter=200))
    forest = RandomForestClassifier(
        n_estimators=50, max_depth=20, min_samples_leaf=5, max_samples=0.632, random_state=seed, n_jobs=threads
    )
    return [HistGradientBoostingClassifier(random_state=seed), forest, scaled]


def _fitted(base: Any, inputs: Inputs, label: NDArray[np.int64]) -> Callable[[Inputs], Scores]:
    base.fit(inputs, label)
    return lambda rows: np.asarray(base.predict_proba(rows)[:, 1], np.float64)


def _log_odds(bases: Sequence[Callable[[Inputs], Scores]], inputs: Inputs) -> Scores:
    risks = np.clip(np.column_stack([base(inputs) for base in bases]), 1e-4, 1 - 1e-4)
    odds: Scores = np.log(risks / (1 - risks))
    return odds


PEER: Final = Peer("AMPATH, stacked ensemble", inputs, learn)


def with_patient_folds(scene: Scene, all_inputs: Inputs, *, seed: int, threads: int) -> Judged:
    """Return scores as they would have judged them: a fifth of patients held out, all months on both sides.

    Pick-up days only: they ask once a visit.
    """
    dataset = scene.cohort.dataset
    at_pickup = dataset.landmark == 0
    out = held_out(scene.cohort.records.patients, _FOLD)[dataset.patient]
    train, test = at_pickup & ~out, at_pickup & out
    told = dataset.take(train)
    is_late = told.as_of > np.quantile(told.as_of, 0.85)
    score = learn(Lesson(all_inputs[train], told.label, is_late, told.patient, seed, threads))
    judged = dataset.take(test)
    everywhere = np.ones(len(judged), np.bool_)
    return Judged(bounded(score(all_inputs[test])), judged.label, judged.facility, judged.patient, everywhere)
