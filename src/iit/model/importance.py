"""What the features do in a model: for its card, not for a patient."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from iit.features.registry import FEATURE_NAMES
from iit.model.contributions import contributions
from iit.model.dataset import evenly
from iit.model.trees import Trees

if TYPE_CHECKING:
    import lightgbm

_MOST_ROWS = 2_000


def importance_of(booster: "lightgbm.Booster", features: NDArray[np.float32]) -> dict[str, dict[str, float]]:
    """Return for each feature its mean absolute contribution in log-odds, and its share of the gain in training.

    Args:
        booster: a trained one.
        features: (n, 98) rows that trained nothing; of many, some at even distances.
    """
    rows = features[evenly(len(features), _MOST_ROWS)]
    told = contributions(Trees.from_model_text(booster.model_to_string()), rows)
    mean = np.abs(told[:, :-1]).mean(axis=0)
    gain = np.asarray(booster.feature_importance("gain"), np.float64)
    share = gain / gain.sum() if gain.sum() else gain
    return {
        name: {"contribution": float(mean[place]), "gain_share": float(share[place])}
        for place, name in enumerate(FEATURE_NAMES)
    }
