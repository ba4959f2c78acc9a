"""What reaches the paper of each refill cycle, when it is typed in, and what goes wrong on the way.

Only later than the day it is known does a fact stand in an export: everything here carries its day of entry.
"""

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np

from iit.domain.interruption import NEVER
from iit.domain.vocabulary import TERMINATION_DIED
from iit.synth import concepts
from iit.synth.course import Cycles
from iit.synth.facilities import Facility
from iit.synth.people import NO_DAY, Bools, Floats, Ints, People
from iit.synth.vitals import Vitals, measure

_SHARE_DURATION_NULL: Final = 0.018
_SHARE_SUPPLY_MISSING: Final = 0.006
_SHARE_DUPLICATE: Final = 0.02
_SHARE_VOIDED_COPY: Final = 0.018
_SHARE_VOIDED_ANSWER: Final = 0.015
_SHARE_BACKLOG: Final = 0.01
_SHARE_SICK_VISIT: Final = 0.04
_REASONS: Final = (1737, 162192, 165896, 165031, 160586, 165898, 165897, 5622)
_REASON_SHARES: Final = (0.27, 0.20, 0.20, 0.10, 0.05, 0.08, 0.04, 0.06)
_CARD_AFTER_DAYS: Final = 150  # a clinic visit at least twice a year


class SupplyFault(IntEnum):
    """What is wrong with the days supplied on a pharmacy form."""

    NONE = 0
    DURATION_NULL = 1  # exported as 0, the quantity is there
    MISSING = 2  # neither duration nor quantity


class Sheet(NamedTuple):
    """One cycle as it is written down. Days count from 1970-01-01; 0 stands for something that did not happen.

    Attributes:
        created: day the visit was typed in.
        voided_copy: day of a second, voided pharmacy form.
        appointment: next appointment as given at the visit.
        tracked: day of an attempt to reach the patient; `contacted` whether somebody answered.
        returned: day of return that the tracking form tells.
        closed: day the file was ended as lost to follow-up.
        documented: day a death, transfer or stop was written down; `exit_day` the day it happened.
        on_form, in_person_block: where it was written down.
    """

    patient: int
    pickup: int
    supply: int
    regimen: int
    line: int
    is_substitution: bool
    is_new: bool
    pregnancy: int
    created: int
    has_card: bool
    appointment: int
    missed_doses: int
    adherence: int
    has_oi_drugs: bool
    supply_fault: int
    has_duplicate: bool
    voided_copy: int
    has_voided_answer: bool
    sick_visit: int
    viral_load: float | None
    reported: int
    result_created: int
    tracked: int
    contacted: bool
    mode: int
    reason: int
    returned: int
    closed: int
    documented: int
    exit_day: int
    exit_reason: int
    on_form: bool
    in_person_block: bool
    vitals: Vitals

    def __repr__(self) -> str:
        return "Sheet()"


class Paperwork:
    """The sheets of all cycles that reached the export.

    Attributes:
        is_exported: (c,) whether the cycle's pick-up was typed in while the facility still reported.
        sheets: one for each exported cycle, by patient and then in time.
    """

    def __init__(
        self, cycles: Cycles, people: People, facilities: tuple[Facility, ...], rng: np.random.Generator
    ) -> None:
        self._cycles = cycles
        self._people = people
        self._rng = rng
        self._facility = people.facility[cycles.patient]
        self._last = np.array([f.reports_until for f in facilities])[self._facility]
        self._facilities = facilities
        created = self._created()
        self.is_exported: Bools = created <= self._last
        columns = [column.tolist() for column in self._columns(created).values()]
        rows = zip(*columns, measure(cycles, people, rng), strict=True)
        self.sheets = [Sheet._make(row) for row, stays in zip(rows, self.is_exported.tolist(), strict=True) if stays]

    def _chance(self, share: float | Floats) -> Bools:
        drawn: Bools = self._rng.random(len(self._cycles)) < share
        return drawn

    def _of_facility(self, name: str) -> Floats:
        values: Floats = np.array([getattr(f, name) for f in self._facilities], np.float64)[self._facility]
        return values

    def _created(self) -> Ints:
        """Return the day each pick-up was typed in; a patient's first while the facility still reports."""
        typical = self._of_facility("entry_lag_days")
        lag = np.floor(self._rng.exponential(typical)) + np.where(typical > 7, 10, 0)
        lag = np.where(self._chance(_SHARE_BACKLOG), lag + self._rng.integers(25, 90, len(lag)), lag)
        created = self._cycles.pickup + lag.astype(np.int64)
        return np.where(self._cycles.number == 0, np.minimum(created, self._last), created)

    def _columns(
        self, created: Ints
    ) -> dict[str, Ints | Bools | Floats | np.ndarray[tuple[int], np.dtype[np.object_]]]:
        cycles, rng, n = self._cycles, self._rng, len(self._cycles)
        day = cycles.pickup
        missed = self._missed_doses()
        return {
            "patient": cycles.patient,
            "pickup": day,
            "supply": cycles.supply,
            "regimen": cycles.regimen,
            "line": cycles.line,
            "is_substitution": cycles.is_substitution,
            "is_new": cycles.number == 0,
            "pregnancy": cycles.pregnancy,
            "created": created,
            "has_card": self._has_card(),
            "appointment": self._appointments(),
            "missed_doses": missed,
            "adherence": missed - 165833 + 165287,  # good, fair and poor stand beside few, some and many missed
            "has_oi_drugs": self._chance(np.where(self._people.cd4[cycles.patient] < 350, 0.5, 0.12)),
            "supply_fault": rng.choice(3, n, p=_shares(_SHARE_DURATION_NULL, _SHARE_SUPPLY_MISSING)),
            "has_duplicate": self._chance(_SHARE_DUPLICATE),
            "voided_copy": np.where(
                self._chance(_SHARE_VOIDED_COPY), np.minimum(day + rng.integers(1, 4, n), created), 0
            ),
            "has_voided_answer": self._chance(_SHARE_VOIDED_ANSWER),
            "sick_visit": self._sick_visits(),
            **self._results(created),
            **self._tracing(),
            **self._exits(),
        }
