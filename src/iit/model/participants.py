"""Who and what a model was made from: counts from all landmarks found to those of each part."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from iit.domain.record import day_date
from iit.model.dataset import Dataset
from iit.model.split import Split


def participants_of(found: Dataset, used: Dataset, parts: Split) -> dict[str, Any]:
    """Return the flow of landmarks, ready for JSON.

    Args:
        found: every landmark of every cycle.
        used: those of them with a usable label, thinned to what training can hold.
        parts: what the used ones do.
    """
    named = {
        "training": parts.early | parts.late,
        "calibration": parts.calibrate,
        "test": parts.test,
        "test, patients never trained on": parts.test & parts.unseen_patient,
        "test, facilities never trained on": parts.test & parts.unseen_facility,
    }
    in_no_part = ~(named["training"] | named["calibration"] | named["test"])
    return {
        "found": len(found),
        "without_label": int((found.label < 0).sum()),
        "with_label_set_aside": int(((found.label >= 0) & ~found.trainable).sum()),
        "usable": int(found.trainable.sum()),
        "thinned_away": int(found.trainable.sum()) - len(used),
        "in_no_part": int(in_no_part.sum()),
        "parts": {name: _part(used, chosen) for name, chosen in named.items()},
    }


def _part(dataset: Dataset, chosen: NDArray[np.bool_]) -> dict[str, Any]:
    rows = dataset.take(chosen)
    told: dict[str, Any] = {
        "landmarks": len(rows),
        "cycles": len(np.unique(np.column_stack((rows.patient, rows.index_day)), axis=0)),
        "patients": len(np.unique(rows.patient)),
        "facilities": len(np.unique(rows.facility)),
        "interrupted": int(rows.label.sum()),
    }
    if len(rows):
        told |= {
            "first_pickup": day_date(int(rows.index_day.min())).isoformat(),
            "last_pickup": day_date(int(rows.index_day.max())).isoformat(),
        }
    return told
