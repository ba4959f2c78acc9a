"""What every peer is: inputs from what was known on the day, and a way to learn from them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.model_quality.cohort import Cohort
from benchmarks.model_quality.peers.known import Known, look
from iit.features.registry import INDEX

Inputs = NDArray[np.float32]
Scores = NDArray[np.float64]
Scorer = Callable[[Inputs], Scores]


@dataclass(frozen=True, repr=False)
class Scene:
    """A cohort with what was known on the day of each of its r landmarks.

    Attributes:
        cohort: with the product's features, records and facility contexts.
    """

    cohort: Cohort

    @cached_property
    def known(self) -> Known:
        """What was known on each row's prediction day."""
        dataset = self.cohort.dataset
        return look(self.cohort.records.columns, dataset.patient, dataset.as_of)

    def feature(self, name: str) -> Inputs:
        """Return (r,) a feature of the product, where a peer's input is the same thing by another name."""
        return self.cohort.features[:, INDEX[name]]

    @property
    def asked_on(self) -> Inputs:
        """(r,) which landmark is asked, 0 to 6.

        Peers are made to be asked once a cycle. Each is told this beside its own inputs, so that it can be asked on
        every landmark and is not beaten by the calendar alone.
        """
        return self.cohort.dataset.landmark.astype(np.float32)


@dataclass(frozen=True, repr=False)
class Lesson:
    """Rows to learn from.

    Attributes:
        inputs: (n, k).
        label: (n,) 0 or 1.
        is_late: (n,) the latest rows, for stopping or stacking.
        patient: (n,) whose rows they are.
        seed: of all chance.
        threads: to use.
    """

    inputs: Inputs
    label: NDArray[np.int64]
    is_late: NDArray[np.bool_]
    patient: NDArray[np.int64]
    seed: int
    threads: int


@dataclass(frozen=True)
class Peer:
    """A recipe.

    Attributes:
        name: as in the table.
        inputs: of all landmarks of a cohort, (r, k).
        learn: from training rows; returns what scores others.
        tells_risk: whether scores are meant as probabilities; a mere rank is not judged by calibration.
    """

    name: str
    inputs: Callable[[Scene], Inputs] = field(repr=False)
    learn: Callable[[Lesson], Scorer] = field(repr=False)
    tells_risk: bool = True


@dataclass(frozen=True, repr=False)
class Judged:
    """Scores of t rows with what became of them.

    Attributes:
        score: (t,) in (0, 1).
        label: (t,) 0 or 1.
        facility: (t,) place of the facility.
        patient: (t,) whose row it is.
        at_pickup: (t,) rows of pick-up days.
        tells_risk: whether the scores are meant as probabilities.
    """

    score: Scores
    label: NDArray[np.int64]
    facility: NDArray[np.int64]
    patient: NDArray[np.int64]
    at_pickup: NDArray[np.bool_]
    tells_risk: bool = True


def lesson_of(
    cohort: Cohort, inputs: Inputs, *, seed: int, threads: int, among: NDArray[np.bool_] | None = None
) -> Lesson:
    """Return the rows that our own model grows trees on, with a peer's inputs; `among` (r,) keeps only some."""
    parts = cohort.parts
    rows = parts.early | parts.late
    if among is not None:
        rows = rows & among
    dataset = cohort.dataset.take(rows)
    return Lesson(inputs[rows], dataset.label, parts.late[rows], dataset.patient, seed, threads)


def judge(cohort: Cohort, score: Scores, *, tells_risk: bool = True, among: NDArray[np.bool_] | None = None) -> Judged:
    """Return scores of the test rows with what became of them; `among` (r,) keeps only some."""
    rows = cohort.parts.test if among is None else cohort.parts.test & among
    dataset = cohort.dataset.take(rows)
    risk = bounded(score) if tells_risk else ranks(score)
    return Judged(risk, dataset.label, dataset.facility, dataset.patient, dataset.landmark == 0, tells_risk)


def carried_over(cohort: Cohort, at_pickup: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return scores of all test rows from those of the test rows on the day of their cycle's pick-up."""
    dataset = cohort.dataset.take(cohort.parts.test)
    cycle = dataset.patient << 32 | dataset.index_day
    asked = cycle[dataset.landmark == 0]
    order = np.argsort(asked)
    return at_pickup[order][np.searchsorted(asked[order], cycle)]


def some_rows(judged: Judged, rows: NDArray[np.bool_]) -> Judged:
    """Return some of the rows."""
    arrays = ("score", "label", "facility", "patient", "at_pickup")
    return replace(judged, **{name: getattr(judged, name)[rows] for name in arrays})


def bounded(risk: Scores) -> Scores:
    """Return risks just inside (0, 1), where their log-odds are finite."""
    return np.clip(risk.astype(np.float64), 1e-6, 1 - 1e-6)


def ranks(score: Scores) -> Scores:
    """Return scores as places in (0, 1); equal ones share theirs."""
    _, place = np.unique(score, return_inverse=True)
    told: Scores = (place + 1.0) / (place.max() + 2.0)
    return told


def one_hot(places: NDArray[np.float32], n: int) -> Inputs:
    """Return (r, n) zeros and ones: the place of an answer in its table, 0 to n - 1; all zeros for unknown."""
    return np.equal(places[:, None], np.arange(n)).astype(np.float32)


def columns(*parts: NDArray[Any]) -> Inputs:
    """Return (r,) columns and (r, k) blocks side by side."""
    return np.column_stack(parts).astype(np.float32)
