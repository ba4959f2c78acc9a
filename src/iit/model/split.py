"""Which rows train, calibrate and test.

By time, with a purge: a row trains if its label was known by T0, calibrates if its cycle began after T0 and its label
was known by T1, and tests if its cycle began after T1. So no label window of one part reaches into the next.
Patients do not straddle: a fifth of them, by hash of their id, are held out of training and calibration, and a tenth of
the facilities likewise (from ten facilities on). The primary test takes every row after T1, as in service; the held-out
patients and facilities of the same window show what is owed to knowing them.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iit.domain.errors import InvalidInput
from iit.domain.interruption import GRACE_DAYS
from iit.model.dataset import Dataset

_LEAST_POSITIVES = 20


@dataclass(frozen=True, repr=False)
class Split:
    """Row masks (r,) and the days between them.

    `early` and `late` divide the training rows by time: trees grow on the early ones and stop by the late ones.
    """

    train_until: int
    calibrate_until: int
    early: NDArray[np.bool_]
    late: NDArray[np.bool_]
    calibrate: NDArray[np.bool_]
    test: NDArray[np.bool_]
    unseen_patient: NDArray[np.bool_]
    unseen_facility: NDArray[np.bool_]


def held_out(names: Sequence[str], share: float) -> NDArray[np.bool_]:
    """Return which names are held out: a share of them by CRC of the name, the same at every training."""
    return np.array([zlib.crc32(name.encode()) / 2**32 < share for name in names], np.bool_)


def split(dataset: Dataset, patients: Sequence[str], facilities: Sequence[str]) -> Split:
    """Divide the trainable rows: the latest fifth of cycles tests, the eighth before calibrates.

    Raises:
        InvalidInput: too few labelled cycles, or interruptions, in a part.
    """
    usable = dataset.trainable
    if not usable.any():
        raise InvalidInput("no cycle has a known label yet", place="training data")
    begins = np.sort(dataset.index_day[usable & (dataset.landmark == 0)])
    if not len(begins):
        raise InvalidInput("no cycle has a known label yet", place="training data")
    calibrate_until = int(begins[int(0.80 * (len(begins) - 1))])
    train_until = int(begins[int(0.65 * (len(begins) - 1))])
    unseen_patient = held_out(patients, 0.2)[dataset.patient]
    unseen_facility = np.zeros(len(dataset), np.bool_)
    if len(facilities) >= 10:
        unseen_facility = held_out(facilities, 0.1)[dataset.facility]
    seen = usable & ~unseen_patient & ~unseen_facility
    train = seen & (dataset.resolved <= train_until) & (dataset.expected + GRACE_DAYS <= train_until)
    late_from = int(np.quantile(dataset.index_day[train], 0.85)) if train.any() else 0
    early = train & (dataset.expected + GRACE_DAYS <= late_from)
    late = train & (dataset.index_day > late_from)
    calibrate = seen & (dataset.index_day > train_until) & (dataset.resolved <= calibrate_until)
    calibrate &= dataset.expected + GRACE_DAYS <= calibrate_until
    test = usable & (dataset.index_day > calibrate_until)
    for name, rows in (("training", early), ("stopping", late), ("calibration", calibrate), ("test", test)):
        positives = int((dataset.label[rows] == 1).sum())
        if positives < _LEAST_POSITIVES or int(rows.sum()) - positives < _LEAST_POSITIVES:
            raise InvalidInput(
                f"the {name} part holds {positives} interrupted landmarks of {int(rows.sum())}; "
                f"at least {_LEAST_POSITIVES} of either label are needed: import more or longer records",
                place="training data",
            )
    return Split(train_until, calibrate_until, early, late, calibrate, test, unseen_patient, unseen_facility)
