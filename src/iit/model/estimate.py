"""What a calibrated model expects of its own performance before any label is known (CBPE).

Each row counts as interrupted to the extent of its risk. True as long as the risks are calibrated; what it cannot see
is a world in which the same features mean another risk.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def expected_performance(risk: Floats, flag_from: float) -> dict[str, float]:
    """Return the expected prevalence, AUROC, AUPRC, and PPV and recall of following up risks from a limit on.

    Args:
        risk: (n,) calibrated risks of at least one row.
        flag_from: lowest risk that is followed up: the limit of the band `high`.
    """
    distinct, place, counts = np.unique(risk, return_inverse=True, return_counts=True)
    hits = np.bincount(place, risk, minlength=len(distinct)).astype(np.float64)
    total = float(hits.sum())
    pairs = total * (len(risk) - total)
    own = float((risk * (1 - risk)).sum())  # a row is not compared with itself: such pairs count half a win above
    misses = counts - hits
    wins = float(hits @ (np.cumsum(misses) - misses / 2))  # ties count half
    found, rows = np.cumsum(hits[::-1]), np.cumsum(counts[::-1])
    flagged = risk >= flag_from
    caught = float(risk[flagged].sum())
    return {
        "prevalence": total / len(risk),
        "auroc": (wins - own / 2) / (pairs - own) if pairs > own else float("nan"),
        "auprc": float((found / rows) @ np.diff(found, prepend=0.0) / total),
        "ppv_high": caught / int(flagged.sum()) if flagged.any() else float("nan"),
        "recall_high": caught / total,
    }
