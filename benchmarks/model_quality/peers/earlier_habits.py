"""The earlier service judged as it would judge itself, with all its errors at once.

The prediction day is the patient's last recorded day less 30, so that the end of the record chooses the day; laboratory
and clinic facts have no upper bound; facts count before they were known; the label is no contact in 90 days, whatever
was supplied; rows are split at random; and the held-out rows that are judged have also stopped the training.
"""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.model_quality.cohort import Cohort
from benchmarks.model_quality.peers.earlier import inputs_of, learn
from benchmarks.model_quality.peers.known import look
from benchmarks.model_quality.peers.recipe import Inputs, Judged, Lesson, Scene, bounded
from iit.domain.vocabulary import Kind
from iit.model.dataset import Dataset

_BUFFER_DAYS: Final = 30
_WINDOW_DAYS: Final = 90
_HELD_OUT: Final = 0.2
_PERSON_KINDS: Final = (Kind.BIRTH, Kind.SEX, Kind.STATE, Kind.CITY, Kind.PHONE)


def with_its_habits(cohort: Cohort, *, seed: int, threads: int) -> Judged:
    """Return scores as it would have judged itself, one row a patient, with all its errors."""
    scene = Scene(own_days(cohort))
    dataset = scene.cohort.dataset
    told = inputs_without_bound(scene)
    out = _stratified(dataset.label, seed)
    score = learn(Lesson(told, dataset.label, out, dataset.patient, seed, threads))
    judged = dataset.take(out)
    everywhere = np.ones(len(judged), np.bool_)
    return Judged(bounded(score(told[out])), judged.label, judged.facility, judged.patient, everywhere)


def inputs_without_bound(scene: Scene) -> Inputs:
    """Return (r, k) its inputs with clinic and laboratory facts of any later day."""
    dataset = scene.cohort.dataset
    unbounded = np.full(len(dataset), np.iinfo(np.int32).max, np.int64)
    return inputs_of(scene, look(scene.cohort.records.columns, dataset.patient, unbounded), unbounded)


def own_days(cohort: Cohort) -> Cohort:
    """Return the cohort with a row for each patient, on its own prediction day and with its own label.

    Facts count from the day they happened: it knows no other day.
    """
    records = cohort.records
    facts = records.columns
    facts = replace(facts, known=facts.day)
    patient = np.repeat(np.arange(facts.n_patients), np.diff(facts.offsets))
    counted = ~np.isin(facts.kind, _PERSON_KINDS)
    last = np.full(facts.n_patients, -1, np.int64)
    np.maximum.at(last, patient[counted], facts.day[counted])
    has_any = np.flatnonzero(last >= 0)
    on = last - _BUFFER_DAYS
    is_contact = np.isin(facts.kind, (Kind.PICKUP, Kind.VISIT))
    is_after = is_contact & (facts.day > on[patient]) & (facts.day <= on[patient] + _WINDOW_DAYS)
    label = 1 - np.bincount(patient[is_after], minlength=facts.n_patients).clip(max=1)
    none = np.zeros(len(has_any), np.int64)
    dataset = Dataset(
        patient=has_any,
        facility=records.facility[has_any].astype(np.int64),
        as_of=on[has_any],
        index_day=on[has_any],
        expected=on[has_any],
        landmark=none,
        label=label[has_any],
        label_contact=label[has_any],
        resolved=on[has_any],
        settled=on[has_any],
        trainable=np.ones(len(has_any), np.bool_),
    )
    return Cohort(replace(records, columns=facts), cohort.contexts, dataset, cohort.parts)


def _stratified(label: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """Return a random fifth of the rows of either label."""
    rng = np.random.default_rng(seed)
    out = np.zeros(len(label), np.bool_)
    for value in (0, 1):
        rows = np.flatnonzero(label == value)
        out[rng.permutation(rows)[: round(_HELD_OUT * len(rows))]] = True
    return out
