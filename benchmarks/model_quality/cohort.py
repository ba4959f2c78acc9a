"""A synthetic cohort ready to train on: labelled landmarks and their split, made as `iit train` makes them.

`train(cohort.dataset, cohort.features, cohort.parts)` trains on `cohort = make_cohort(patients=20_000, seed=1)`.
"""

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from benchmarks.model_quality.records import Records, cached_records
from iit.features.context import Contexts, build_contexts
from iit.model.dataset import Dataset, build_dataset, features_of, thinned
from iit.model.split import Split, split
from iit.synth import DEFAULT_UNTIL
from iit.synth.blocks import Plan


@dataclass(frozen=True, repr=False)
class Cohort:
    """A cohort of r labelled landmarks.

    Attributes:
        records: of all patients.
        contexts: of all facilities.
        dataset: the trainable landmarks, as training takes them.
        parts: which rows do what.
    """

    records: Records
    contexts: Contexts
    dataset: Dataset
    parts: Split

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """(r, 98) features of the product."""
        return features_of(self.dataset, self.records.columns, self.records.facility, self.contexts)

    @cached_property
    def truth(self) -> NDArray[np.float64]:
        """(r, 2) true and reachable risk; NaN where the cohort tells none."""
        return truth_of(self.records, self.dataset)


def make_cohort(*, patients: int = 20_000, seed: int = 1, until: date = DEFAULT_UNTIL) -> Cohort:
    """Return a cohort; its records come from the cache where the same sources have made them before.

    Raises:
        InvalidInput: too few patients for a split.
    """
    return prepare(cached_records(Plan(patients=patients, seed=seed, until=until)))


def prepare(records: Records, *, as_of: int | None = None) -> Cohort:
    """Return the labelled landmarks of records and their split.

    Args:
        records: of all patients.
        as_of: day of judgement; by default the last day on which anything became known.

    Raises:
        InvalidInput: too little data for a split.
    """
    contexts = build_contexts(records.columns, records.facility, len(records.facilities))
    last = int(contexts.last_known_day.max()) if as_of is None else as_of
    everything = build_dataset(records.columns, records.facility, contexts, as_of=last)
    dataset = thinned(everything.take(everything.trainable))
    return Cohort(records, contexts, dataset, split(dataset, records.patients, records.facilities))


def truth_of(records: Records, dataset: Dataset) -> NDArray[np.float64]:
    """Return (r, 2) true and reachable risk of a dataset's rows; NaN where the cohort tells none."""
    keys = records.cycle_patient << 32 | records.cycle_day
    wanted = dataset.patient << 32 | dataset.index_day
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    told = np.column_stack((records.truth[place, 0], records.truth[place, 1 + dataset.landmark]))
    told[keys[place] != wanted] = np.nan
    return told
