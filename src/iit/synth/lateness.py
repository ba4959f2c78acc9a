"""How late a synthetic patient comes, in closed form: the law, the true risk and the best that can be known of it.

The law: with L the whole days between the expected contact and the return (negative: early), and e standard logistic,
    L = ceil(exp(centre + SPREAD * e) - EARLY_DAYS),
so that P(L > l) = 1 / (1 + exp((log(l + EARLY_DAYS) - centre) / SPREAD)) for every whole l > -EARLY_DAYS.
A patient's frailty, hidden and kept for life, is added to the centre; it takes one of 21 values.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from iit.domain.interruption import GRACE_DAYS
from iit.domain.landmarks import LANDMARK_OFFSETS

Floats = NDArray[np.float64]
Days = NDArray[np.int64]

EARLY_DAYS: Final = 8  # nobody comes this early or earlier
SPREAD: Final = 0.40
FRAILTY_SD: Final = 0.56
GRID_POINTS: Final = 21

_REACH_SDS = 2.6  # the grid ends this many standard deviations from the middle
_TINY = 1e-300  # keeps log() finite where nobody can be back yet


def _weights() -> Floats:
    density: Floats = np.exp(-0.5 * np.linspace(-_REACH_SDS, _REACH_SDS, GRID_POINTS) ** 2)
    density /= density.sum()
    return density


FRAILTIES: Final[Floats] = FRAILTY_SD * np.linspace(-_REACH_SDS, _REACH_SDS, GRID_POINTS)
"""(21,) the values a frailty can take, ascending, on the scale of the centre."""

FRAILTY_WEIGHTS: Final[Floats] = _weights()
"""(21,) how often each occurs; sums to 1."""


def survival(late_days: Floats | Days | int, centre: Floats) -> Floats:
    """Return P(L > late_days): the share not back by the end of that day after the expected contact.

    Args:
        late_days: whole days after the expected contact; 1.0 is returned for -EARLY_DAYS and before.
        centre: centre of the law, frailty included; broadcasts against `late_days`.
    """
    log_days = np.log(np.maximum(np.asarray(late_days, np.float64) + EARLY_DAYS, _TINY))
    result: Floats = 1.0 / (1.0 + np.exp((log_days - centre) / SPREAD))
    return result


def mass(late_days: Days | int, centre: Floats) -> Floats:
    """Return P(L = late_days), for whole days."""
    return survival(np.asarray(late_days) - 1, centre) - survival(late_days, centre)


def draw_late_days(centre: Floats, rng: np.random.Generator) -> Days:
    """Return one lateness for each centre (frailty included): whole days, at least 1 - EARLY_DAYS."""
    continuous = np.exp(centre + SPREAD * rng.logistic(size=centre.shape)) - EARLY_DAYS
    days: Days = np.maximum(np.ceil(continuous), 1 - EARLY_DAYS).astype(np.int64)
    return days


def draw_frailties(n: int, rng: np.random.Generator) -> Floats:
    """Return the hidden frailty of n patients: (n,), values of `FRAILTIES`."""
    return FRAILTIES[rng.choice(GRID_POINTS, size=n, p=FRAILTY_WEIGHTS)]


def prior(n: int) -> Floats:
    """Return what is known of n patients' frailty before any return: (n, 21) log weights."""
    return np.tile(np.log(FRAILTY_WEIGHTS), (n, 1))


def updated(log_weights: Floats, centre: Floats, late_days: Days, *, is_known: NDArray[np.bool_]) -> Floats:
    """Return log weights after one more cycle each.

    Args:
        log_weights: (n, 21).
        centre: (n,) centre of the cycle without the frailty.
        late_days: (n,) lateness; where a competing event ended the cycle, the last day the patient was still out.
        is_known: (n,) True where the lateness was seen, False where only `L > late_days` is known.

    Returns:
        (n, 21) log weights, the largest of each row 0.
    """
    centres = centre[:, None] + FRAILTIES
    days = late_days[:, None]
    likelihood = np.where(is_known[:, None], mass(days, centres), survival(days, centres))
    log_weights = log_weights + np.log(np.maximum(likelihood, _TINY))
    log_weights -= log_weights.max(axis=1, keepdims=True)
    return log_weights


def reachable_risks(log_weights: Floats, centre: Floats) -> Floats:
    """Return the best possible probability of an interruption without knowing the frailty.

    Args:
        log_weights: (n, 21) what past cycles tell of the frailty.
        centre: (n,) centre of this cycle without the frailty; all its covariates are known.

    Returns:
        (n, 7): at the pick-up, then at each of `LANDMARK_OFFSETS` given that the patient is still out that evening.
    """
    weights = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
    centres = centre[:, None] + FRAILTIES
    interrupted = (weights * survival(GRACE_DAYS, centres)).sum(axis=1)
    columns = [interrupted / weights.sum(axis=1)]
    columns += [interrupted / (weights * survival(offset, centres)).sum(axis=1) for offset in LANDMARK_OFFSETS]
    return np.stack(columns, axis=1)
