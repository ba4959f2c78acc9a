"""Which rows train, calibrate and test.

By time, with a purge. Two days, T0 and T1, divide whole cycles.
- A cycle trains if it was settled by T0: its window of 28 days after the expected day had ended and the facility's
  reporting lag had passed, so that either label would have been known. (Choosing by the day the label itself became
  known would take returns early and interruptions late, and so teach too low a risk.)
- It calibrates if it was settled after T0 and by T1. Its pick-up may lie before T0: were cycles asked to begin and end
  between the two days, six months' supply would never be calibrated.
- It tests if it began after T1; so no label of training or calibration reaches into a test cycle, and nothing that
  happened in the test window was known when the model was made. Cycles under way on T1 belong to no part.

Patients do not straddle: a fifth of them, by hash of their id, are held out of training and calibration, and a tenth of
the facilities likewise (from ten facilities on). The primary test takes every row after T1, as in service, where most
patients are known; the held-out patients and facilities of the same window show what is owed to knowing them.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iit.domain.errors import InvalidInput
from iit.model.dataset import Dataset

_LEAST_POSITIVES = 20
_TEST_SHARE = 0.20  # of cycles, the latest
_CALIBRATE_SHARE = 0.15  # of the cycles settled before the test begins, the latest
_LATE_SHARE = 0.15  # of the training cycles, the latest
_LEAST_TEST_DAYS = 120


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
    """Return which names are held out: a share of them by CRC of the name, the same at every training.

    At least one is, where the share amounts to one or more: ten facilities are too few to leave that to chance.
    """
    hashes = np.array([zlib.crc32(name.encode()) for name in names], np.int64)
    chosen = hashes < share * 2**32
    if not chosen.any() and share * len(names) >= 1:
        chosen[hashes.argmin()] = True
    return chosen


def split(dataset: Dataset, patients: Sequence[str], facilities: Sequence[str]) -> Split:
    """Divide the trainable rows by time, patient and facility.

    Args:
        dataset: r rows.
        patients: ids, by the places that `dataset.patient` names.
        facilities: codes, by the places that `dataset.facility` names.

    Raises:
        InvalidInput: too few labelled cycles, or interruptions, in a part.
    """
    usable = dataset.trainable
    train_until, calibrate_until = _days(dataset)
    unseen_patient = held_out(patients, 0.2)[dataset.patient]
    unseen_facility = np.zeros(len(dataset), np.bool_)
    if len(facilities) >= 10:
        unseen_facility = held_out(facilities, 0.1)[dataset.facility]
    seen = usable & ~unseen_patient & ~unseen_facility
    train = seen & (dataset.settled <= train_until)
    late_from = int(np.quantile(dataset.settled[train], 1 - _LATE_SHARE)) if train.any() else 0
    parts = Split(
        train_until=train_until,
        calibrate_until=calibrate_until,
        early=train & (dataset.settled <= late_from),
        late=train & (dataset.settled > late_from),
        calibrate=seen & (dataset.settled > train_until) & (dataset.settled <= calibrate_until),
        test=usable & (dataset.index_day > calibrate_until),
        unseen_patient=unseen_patient,
        unseen_facility=unseen_facility,
    )
    _check_sizes(dataset, parts)
    return parts


def _days(dataset: Dataset) -> tuple[int, int]:
    """Return T0 and T1: the latest fifth of cycles tests, over 120 days or more where half of all cycles allow it."""
    chosen = dataset.trainable & (dataset.landmark == 0)
    if not chosen.any():
        raise InvalidInput("no cycle has a known label yet", place="training data")
    begins, settled = np.sort(dataset.index_day[chosen]), dataset.settled[chosen]
    fifth, half = (int(begins[int(share * (len(begins) - 1))]) for share in (1 - _TEST_SHARE, 0.5))
    calibrate_until = max(half, min(fifth, int(begins[-1]) - _LEAST_TEST_DAYS))
    known = settled[settled <= calibrate_until]
    train_until = int(np.quantile(known, 1 - _CALIBRATE_SHARE)) if len(known) else calibrate_until
    return train_until, calibrate_until


def _check_sizes(dataset: Dataset, parts: Split) -> None:
    named = (
        ("training", parts.early), ("stopping", parts.late), ("calibration", parts.calibrate), ("test", parts.test),
    )  # fmt: skip
    for name, rows in named:
        positives = int((dataset.label[rows] == 1).sum())
        if positives < _LEAST_POSITIVES or int(rows.sum()) - positives < _LEAST_POSITIVES:
            raise InvalidInput(
                f"the {name} part holds {positives} interrupted landmarks of {int(rows.sum())}; "
                f"at least {_LEAST_POSITIVES} of either label are needed: import more or longer records",
                place="training data",
            )
