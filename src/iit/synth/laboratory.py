"""Viral loads: when a specimen is taken, what it shows and when that becomes known.

A result depends on how late the patient came before, which everybody can see, and never on the hidden frailty.
"""

from typing import Final

import numpy as np

from iit.synth.people import NO_DAY, Bools, Floats, Ints

UNSUPPRESSED_COPIES_ML: Final = 1000.0
_SHARE_NEVER_REPORTED: Final = 0.06


class ViralLoads:
    """The viral loads of n patients as time goes by.

    Attributes:
        known_copies_ml: (n,) latest result known at the pick-up at hand, NaN where there is none.
    """

    def __init__(self, n: int) -> None:
        self.known_copies_ml: Floats = np.full(n, np.nan)
        self._specimen: Ints = np.full(n, NO_DAY)
        self._pending: Floats = np.full(n, np.nan)
        self._reported: Ints = np.full(n, NO_DAY)

    def learn(self, index: Ints, day: Ints) -> None:
        """Take up the results that have been reported by the day."""
        is_new = (self._reported[index] <= day) & ~np.isnan(self._pending[index])
        found = index[is_new]
        self.known_copies_ml[found] = self._pending[found]
        self._pending[found] = np.nan

    def is_unsuppressed(self, index: Ints) -> Bools:
        """Return whether the latest known result is 1000 copies/mL or more."""
        return self.known_copies_ml[index] >= UNSUPPRESSED_COPIES_ML

    def is_unknown(self, index: Ints) -> Bools:
        """Return whether no result is known yet."""
        return np.isnan(self.known_copies_ml[index])

    def take(
        self, index: Ints, day: Ints, *, months: Floats, adherence: Floats, rng: np.random.Generator
    ) -> tuple[Floats, Ints]:
        """Take specimens where one is due.

        Args:
            index: the patients.
            day: day of each one's pick-up.
            months: months since ART start.
            adherence: log-odds of a suppressed result.
            rng: where chance comes from.

        Returns:
            Copies/mL and day of report; NaN and NO_DAY where no specimen was taken, a day of report of NO_DAY beside
            a number where the result never came back.
        """
        n = len(index)
        wait = np.where(self.is_unsuppressed(index), 100, 330)
        is_due = (months >= 5.5) & (day - self._specimen[index] >= wait) & (rng.random(n) < 0.62)
        copies = np.where(is_due, _copies_ml(adherence, rng), np.nan)
        is_reported = is_due & (rng.random(n) >= _SHARE_NEVER_REPORTED)
        reported = np.where(is_reported, day + rng.integers(10, 46, n), NO_DAY)
        self._specimen[index] = np.where(is_due, day, self._specimen[index])
        self._pending[index] = np.where(is_reported, copies, self._pending[index])
        self._reported[index] = np.where(is_reported, reported, self._reported[index])
        return copies, reported


def _copies_ml(log_odds: Floats, rng: np.random.Generator) -> Floats:
    n = len(log_odds)
    is_suppressed = rng.random(n) < 1.0 / (1.0 + np.exp(-log_odds))
    undetected = rng.choice([0.0, 19.0, 20.0, 39.0], size=n)
    low = np.where(rng.random(n) < 0.85, undetected, np.round(np.exp(rng.uniform(np.log(50), np.log(999), n))))
    high = np.round(np.clip(10.0 ** rng.normal(4.1, 0.7, n), UNSUPPRESSED_COPIES_ML, 9_999_999.0))
    return np.where(is_suppressed, low, high)
