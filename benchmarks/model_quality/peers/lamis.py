"""LAMIS+ (lamisplus/HIV-Module-2.0.0, IITMlService): baseline attributes only.

As there: age group at registration (under 14, to 20, to 35, over), sex, marital status, schooling, occupation, first
WHO stage, first tuberculosis status, point of entry to care, whether the home lies in another local government area
than the facility, and the facility, of which five attributes are looked up (type, level, ownership, setting, state).
Nothing that happens during treatment.

Set by us: NMRS exports hold no attributes of facilities; the facility's own number, which decides over all five, and
the patient's state take their place. Their service names its inputs as R does and reads a PMML file whose kind of model
its code does not tell: gradient boosting with the defaults of LightGBM is at least as strong as what such files hold.
"""

from typing import Final

import lightgbm
import numpy as np

from benchmarks.model_quality.peers.recipe import Inputs, Lesson, Peer, Scene, Scorer, Scores, columns
from iit.domain.vocabulary import Kind

_AGE_EDGES: Final = (14.0, 21.0, 36.0)
_WORDS: Final = (Kind.WHO_STAGE, Kind.TB_STATUS, Kind.MARITAL_STATUS, Kind.EDUCATION, Kind.OCCUPATION, Kind.CARE_ENTRY)


def inputs(scene: Scene) -> Inputs:
    """Return (r, 13) LAMIS+'s inputs; answers as their concept ids, which float32 holds exactly."""
    known = scene.known
    age = scene.feature("age") - scene.feature("months_at_facility") / 12
    return columns(
        scene.asked_on,
        np.where(np.isnan(age), np.nan, np.searchsorted(_AGE_EDGES, age, side="right")),
        scene.feature("sex"),
        *(known.baseline(kind) for kind in _WORDS),
        known.baseline(Kind.STATE),
        scene.feature("lives_outside_facility_lga"),
        scene.cohort.dataset.facility.astype(np.float32),
    )


def learn(lesson: Lesson) -> Scorer:
    """Return what LightGBM with its defaults says of rows."""
    rows = lightgbm.Dataset(lesson.inputs, lesson.label)
    parameters = {
        "objective": "binary",
        "verbosity": -1,
        "seed": lesson.seed,
        "num_threads": lesson.threads,
        "deterministic": True,
        "force_row_wise": True,
    }
    booster = lightgbm.train(parameters, rows)

    def score(inputs: Inputs) -> Scores:
        return np.asarray(booster.predict(inputs, num_threads=lesson.threads), np.float64)

    return score


PEER: Final = Peer("LAMIS+, baseline only", inputs, learn)
