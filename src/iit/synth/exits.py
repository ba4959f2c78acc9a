"""Leaving care otherwise than by an interruption: death, transfer out, documented stop.

None of the hazards depends on the hidden frailty.
"""

from typing import Final

import numpy as np

from iit.domain.vocabulary import TERMINATION_DIED, TERMINATION_STOPPED, TERMINATION_TRANSFERRED_OUT
from iit.synth import parameters as world
from iit.synth.people import Bools, Ints

_YEAR_DAYS: Final = 365.25


def draw_exits(day: Ints, *, is_ill: Bools, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Return when each patient would leave, counted from a pick-up, and why.

    Args:
        day: (n,) day of the pick-up.
        is_ill: (n,) CD4 below 200 cells/uL at the start and in the first 6 months.
        rng: where chance comes from.

    Returns:
        The day, at least one after the pick-up, and the concept of the reason for termination.
    """
    deaths = world.DEATHS_A_YEAR * np.where(is_ill, world.DEATH_FACTOR_LOW_CD4, 1.0)
    total = deaths + world.TRANSFERS_A_YEAR + world.STOPS_A_YEAR
    leaves = day + np.ceil(rng.exponential(1.0, len(day)) / total * _YEAR_DAYS).astype(np.int64)
    which = rng.random(len(day)) * total
    reason = np.select(
        [which < deaths, which < deaths + world.TRANSFERS_A_YEAR],
        [TERMINATION_DIED, TERMINATION_TRANSFERRED_OUT],
        TERMINATION_STOPPED,
    )
    return np.maximum(leaves, day + 1), reason.astype(np.int64)


def draw_restarts(reason: Ints, rng: np.random.Generator) -> Bools:
    """Return which of those who stopped take treatment up again."""
    restarts: Bools = (reason == TERMINATION_STOPPED) & (rng.random(len(reason)) < world.RESTART_AFTER_STOP)
    return restarts
