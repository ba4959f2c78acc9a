"""Landmarks with labels and features: what models are trained and judged on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iit.domain.interruption import GRACE_DAYS, CycleStatus, DaysSource
from iit.features.columns import Columns
from iit.features.context import Contexts
from iit.features.vector import matrix
from iit.model.landmark_rows import COLUMNS, collect

MAX_ROWS = 2_000_000


@dataclass(frozen=True, repr=False)
class Dataset:
    """Labelled landmarks, r rows.

    Attributes:
        patient: (r,) int64 place of the patient.
        facility: (r,) int64 place of the facility.
        as_of: (r,) int64 prediction day.
        index_day: (r,) int64 day of the pick-up that began the cycle.
        expected: (r,) int64 day of expected contact.
        landmark: (r,) int64: 0 the pick-up day, then 14 and 7 days before the expected day, on it, 7, 14, 21 after.
        label: (r,) int64: 1 interrupted, 0 returned; -1 unknown (competing, censored or not at risk).
        label_contact: (r,) int64, the same counting any clinical contact as a return (sensitivity).
        resolved: (r,) int64 day on which the label became known.
        settled: (r,) int64 day from which either label would have been known: the end of the window and the facility's
            reporting lag, or a return's report if that came later still. Parts are cut by it, for `resolved` is early
            for returns alone.
        trainable: (r,) bool: label known, days supplied not imputed, and the window closed while observed: a return
            is known at once and an absence only later, so that open windows would tell of returns alone.
    """

    patient: NDArray[np.int64]
    facility: NDArray[np.int64]
    as_of: NDArray[np.int64]
    index_day: NDArray[np.int64]
    expected: NDArray[np.int64]
    landmark: NDArray[np.int64]
    label: NDArray[np.int64]
    label_contact: NDArray[np.int64]
    resolved: NDArray[np.int64]
    settled: NDArray[np.int64]
    trainable: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.patient)

    @property
    def days_to_expected(self) -> NDArray[np.int64]:
        """(r,) days from the prediction day to the expected contact; negative is overdue."""
        return self.expected - self.as_of

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Dataset":
        """Return some of the rows."""
        return Dataset(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def build_dataset(
    columns: Columns, facility: NDArray[np.int32], contexts: Contexts, *, as_of: int, policy: int = 0
) -> Dataset:
    """Return all landmarks of all cycles, labelled as far as can be known by a day.

    Args:
        columns: records of m patients.
        facility: (m,) place of each patient's facility in `contexts`.
        contexts: tell how far each facility's reports reach and how late they run.
        as_of: day of judgement, since 1970-01-01.
        policy: an `ExpectedPolicy`.
    """
    arguments = (
        as_of, policy, columns.offsets, columns.day, columns.known, columns.kind, columns.value,
        facility, contexts.last_known_day, contexts.reporting_lag_days,
    )  # fmt: skip
    n = collect(*arguments, np.empty((0, len(COLUMNS)), np.int64))
    rows = np.empty((n, len(COLUMNS)), np.int64)
    if n:
        collect(*arguments, rows)
    patient, on, index_day, expected, landmark, status, label_contact, source, resolved, settled = rows.T
    observed_until = (np.minimum(as_of, contexts.last_known_day) - contexts.reporting_lag_days)[facility[patient]]
    is_closed = expected + GRACE_DAYS <= observed_until
    is_known = (status == CycleStatus.RETURNED) | (status == CycleStatus.INTERRUPTED)
    return Dataset(
        patient=patient,
        facility=facility[patient].astype(np.int64),
        as_of=on,
        index_day=index_day,
        expected=expected,
        landmark=landmark,
        label=np.where(is_known, status, -1),
        label_contact=label_contact,
        resolved=resolved,
        settled=settled,
        trainable=is_known & is_closed & (source < DaysSource.APPOINTMENT),
    )


def row_hash(dataset: Dataset) -> NDArray[np.uint64]:
    """Return a number for each row that depends on its patient, cycle and landmark only (splitmix64)."""
    mixed = dataset.patient.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed += dataset.index_day.astype(np.uint64) * np.uint64(8) + dataset.landmark.astype(np.uint64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def evenly(n: int, most: int) -> slice:
    """Return what takes at most `most` of n rows, at even distances."""
    return slice(None, None, max(1, -(-n // most)))


def thinned(dataset: Dataset, most: int = MAX_ROWS) -> Dataset:
    """Return at most about `most` rows, chosen by hash, so that neither order nor chance decides."""
    if len(dataset) <= most:
        return dataset
    keep = row_hash(dataset) < np.uint64(int(most / len(dataset) * 2**64))
    return dataset.take(keep)


def features_of(
    dataset: Dataset, columns: Columns, facility: NDArray[np.int32], contexts: Contexts, policy: int = 0
) -> NDArray[np.float32]:
    """Return the (r, 98) features of a dataset's rows."""
    return matrix(columns, facility, dataset.patient, dataset.as_of.astype(np.int32), contexts, policy)
