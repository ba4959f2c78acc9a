"""An earlier public service for NMRS exports: its inputs and its LightGBM.

The 42 inputs it is spoken of with are 37 in the code that could be read: age and its decade, sex, whether state, town
and phone are on record; pick-ups so far, in 90 and 180 days, mean and last days supplied, share of supplies of 56 days
or more, days since the last, kind of regimen, counselling sessions; visits so far, in 90, 180 and 365 days, days since
the last, regularity of their distances; WHO stage, viral loads, tuberculosis, functional status, pregnancy and
adherence of the last 365 days; month, quarter, weekday and three seasons. LightGBM with learning rate 0.05, 31 leaves,
20 rows a leaf, 0.8 of rows and columns, penalties 0.1, positives weighed up to balance, early stopping after 50.

Set by us: its search for words misses the names that NMRS uses; facts are found by concept instead, as was meant. Two
of its inputs are constant in its code and left out. `early_stopping_rounds` as an argument, which LightGBM 4 refuses,
is the callback of the same meaning.
"""

from typing import Final

import lightgbm
import numpy as np
from numpy.typing import NDArray

from benchmarks.model_quality.peers.contacts import contacts, tests
from benchmarks.model_quality.peers.known import Known
from benchmarks.model_quality.peers.recipe import (
    Inputs,
    Lesson,
    Peer,
    Scene,
    Scorer,
    Scores,
    columns,
)
from iit.domain.vocabulary import Kind
from iit.features.answers import DTG_REGIMENS

_ROUNDS: Final = 1000
_PATIENCE: Final = 50
_YEAR: Final = 365
_NO_CONTACT_DAYS: Final = 365  # what its code says where there is none
_CLINICAL: Final = {  # what its code says where nothing was told
    Kind.WHO_STAGE: 1204.0, Kind.TB_STATUS: 1660.0, Kind.FUNCTIONAL_STATUS: 162750.0, Kind.PREGNANCY: 165047.0,
    Kind.ADHERENCE: 165287.0,
}  # fmt: skip


def inputs(scene: Scene) -> Inputs:
    """Return (r, k) its inputs, of what was known on the day."""
    return inputs_of(scene, scene.known, scene.cohort.dataset.as_of)


def inputs_of(scene: Scene, clinical: Known, clinical_until: NDArray[np.int64]) -> Inputs:
    """Return (r, k) its inputs, clinic and laboratory facts as known until days of their own."""
    dataset, known = scene.cohort.dataset, scene.known
    age = np.nan_to_num(scene.feature("age"), nan=35.0)
    as_of = dataset.as_of
    month = as_of.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    since_pickup = np.where(known.start >= 0, as_of - known.start, _NO_CONTACT_DAYS)
    return columns(
        scene.asked_on,
        age,
        np.minimum(age // 10, 7),
        scene.feature("sex"),
        ~np.isnan(known.value(Kind.STATE)),
        ~np.isnan(known.value(Kind.CITY)),
        known.value(Kind.PHONE) == 1,
        known.n_pickups,
        np.where(known.start >= 0, known.supply, 0),
        since_pickup,
        np.isin(known.value(Kind.REGIMEN), DTG_REGIMENS),
        contacts(scene.cohort.records.columns, dataset.patient, as_of),
        *(_recent(clinical, kind, otherwise, as_of) for kind, otherwise in _CLINICAL.items()),
        tests(scene.cohort.records.columns, dataset.patient, as_of, clinical_until),
        month,
        (month - 1) // 3,
        np.isin(month, (11, 12, 1)),
        np.isin(month, (6, 7, 8, 9)),
        (as_of + 3) % 7,
        month == 12,
    )


def _recent(clinical: Known, kind: Kind, otherwise: float, as_of: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the latest answer that is not older than a year before the prediction day."""
    is_recent = clinical.day(kind) >= as_of - _YEAR
    return np.where(is_recent, clinical.value(kind), otherwise).astype(np.float32)


def learn(lesson: Lesson) -> Scorer:
    """Return what its booster says of rows; the late rows stop it."""
    early = ~lesson.is_late
    positives = float(lesson.label[early].mean())
    parameters = {
        "objective": "binary", "metric": "auc", "verbosity": -1, "learning_rate": 0.05, "num_leaves": 31,
        "min_child_samples": 20, "subsample": 0.8, "colsample_bytree": 0.8, "reg_alpha": 0.1, "reg_lambda": 0.1,
        "scale_pos_weight": (1 - positives) / max(positives, 1e-6), "seed": lesson.seed,
        "num_threads": lesson.threads, "deterministic": True, "force_row_wise": True,
    }  # fmt: skip
    grown = lightgbm.Dataset(lesson.inputs[early], lesson.label[early])
    stop = lightgbm.Dataset(lesson.inputs[lesson.is_late], lesson.label[lesson.is_late], reference=grown)
    booster = lightgbm.train(
        parameters,
        grown,
        num_boost_round=_ROUNDS,
        valid_sets=[stop],
        callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False)],
    )

    def score(inputs: Inputs) -> Scores:
        return np.asarray(booster.predict(inputs, num_threads=lesson.threads), np.float64)

    return score


PEER: Final = Peer("Earlier service, LightGBM", inputs, learn)
