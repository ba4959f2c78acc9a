"""Facility contexts: computed from all records, kept with the facility, and held in memory while serving."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray

from iit.domain.errors import Unavailable
from iit.domain.record import day_date
from iit.features.columns import Columns, unpack
from iit.features.context import Contexts, FacilityContext, build_contexts
from iit.store import facilities as facility_store
from iit.store import records as record_store
from iit.store.database import Database, Transaction
from iit.store.facilities import ContextWrite, FacilityState
from iit.telemetry import cache_hits_total, cache_misses_total

_HELD: Final = 128  # facilities in memory
_FRESH_SECONDS: Final = 30.0
_HITS: Final = cache_hits_total.labels("facilities")
_MISSES: Final = cache_misses_total.labels("facilities")


@dataclass(frozen=True, repr=False)
class Cohort:
    """All records in memory, for training and batch scoring.

    Attributes:
        patient_uuids: (m,) ids, ascending.
        facilities: (f,) facility states, by code.
        facility: (m,) int32 place in `facilities` of each patient.
        columns: the m patients' facts.
    """

    patient_uuids: list[str]
    facilities: list[FacilityState]
    facility: NDArray[np.int32]
    columns: Columns


def load_cohort(tx: Transaction, *, facility: str | None = None) -> Cohort:
    """Read all records (or one facility's) into typed columns."""
    states = facility_store.all_states(tx)
    places = {state.facility: place for place, state in enumerate(states)}
    uuids: list[str] = []
    facts: list[bytes] = []
    of: list[int] = []
    for chunk in record_store.all_facts(tx, facility=facility):
        for row in chunk:
            uuids.append(row.patient_uuid)
            facts.append(row.facts)
            of.append(places[row.facility])
    return Cohort(uuids, states, np.array(of, np.int32), unpack(facts))


def contexts_of(cohort: Cohort) -> Contexts:
    """Compute the contexts of a cohort's facilities."""
    levels = np.array([np.nan if state.level is None else state.level for state in cohort.facilities], np.float32)
    return build_contexts(cohort.columns, cohort.facility, len(cohort.facilities), levels=levels)


def keep_contexts(tx: Transaction, cohort: Cohort, contexts: Contexts) -> None:
    """Keep each facility's context and how far its data reach."""
    writes = []
    for place, state in enumerate(cohort.facilities):
        context = contexts.facility(place)
        if context.last_known_day < 0:
            continue
        writes.append(
            ContextWrite(
                state.facility,
                day_date(int(context.last_known_day)),
                min(int(context.reporting_lag_days), 366),
                context.pack(),
            )
        )
    facility_store.save_contexts(tx, writes)


def refresh(database: Database) -> int:
    """Compute and keep the contexts of all facilities; return how many patients took part."""
    with database.transaction() as tx:
        cohort = load_cohort(tx)
        if cohort.patient_uuids:
            keep_contexts(tx, cohort, contexts_of(cohort))
    return len(cohort.patient_uuids)


@dataclass(frozen=True)
class HeldFacility:
    """A facility as serving needs it.

    Attributes:
        name: what it is called.
        data_until: last day that its exports cover.
        contexts: its own figures, or none.
        is_current: whether it could be looked up; else this is what was known last, or nothing.
    """

    name: str | None
    data_until: date | None
    contexts: Contexts
    is_current: bool = True


@dataclass(frozen=True)
class ContextCache:
    """Facility contexts in memory, looked up anew every half minute."""

    database: Database
    monotonic: Callable[[], float]
    _held: "OrderedDict[str, tuple[float, HeldFacility | None]]" = field(default_factory=OrderedDict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def get(self, facility: str) -> HeldFacility | None:
        """Return a facility, or None if it is unknown; while the database is away, what was known last."""
        with self._lock:
            found = self._held.get(facility)
        if found is not None and self.monotonic() - found[0] < _FRESH_SECONDS:
            _HITS.inc()
            return found[1]
        _MISSES.inc()
        try:
            with self.database.transaction() as tx:
                state = facility_store.find(tx, facility)
        except Unavailable:
            last = found[1] if found is not None else None
            return replace(last or HeldFacility(None, None, Contexts.of([])), is_current=False)
        held = None if state is None else HeldFacility(state.name, state.data_until, _contexts_of_state(state))
        with self._lock:
            self._held[facility] = (self.monotonic(), held)
            self._held.move_to_end(facility)
            while len(self._held) > _HELD:
                self._held.popitem(last=False)
        return held


def _contexts_of_state(state: FacilityState) -> Contexts:
    packed: Sequence[FacilityContext] = [] if state.context is None else [FacilityContext.unpack(state.context)]
    return Contexts.of(packed)
