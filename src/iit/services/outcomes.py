"""Finding out what became of past predictions, day by day."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final
from uuid import UUID

import numpy as np

from iit.domain.access import Principal
from iit.domain.audit import AuditEvent, EventType
from iit.domain.interruption import CycleStatus
from iit.domain.record import day_date, day_number
from iit.features.columns import unpack
from iit.model.outcomes import NO_CYCLE, Judged, judge
from iit.services.days import refuse_future
from iit.store import facilities as facility_store
from iit.store import outcomes as outcome_store
from iit.store.database import Database, Transaction
from iit.store.outcomes import DuePrediction, OutcomeRow

CHUNK: Final = 50_000  # predictions


@dataclass
class OutcomeSummary:
    """How many predictions were looked at, and of how many the outcome was added, changed or taken back."""

    as_of: date
    n_judged: int = 0
    n_added: int = 0
    n_changed: int = 0
    n_reopened: int = 0
    by_status: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Outcomes:
    """Resolves predictions.

    Attributes:
        database: where records and predictions are.
        today: the present day.
    """

    database: Database
    today: Callable[[], date]

    def resolve(self, *, as_of: date | None = None, who: Principal) -> OutcomeSummary:
        """Judge every past prediction whose outcome may have become known or changed. Idempotent.

        Args:
            as_of: nothing known later is used; by default today.
            who: asks.

        Raises:
            InvalidInput: the day lies ahead. Unavailable: no database.
        """
        day = as_of or self.today()
        refuse_future(day, self.today())
        summary = OutcomeSummary(day)
        with self.database.transaction() as reading:
            reach = _reach(reading)
            for chunk in outcome_store.due(reading, as_of=day, chunk=CHUNK):
                rows, reopened = _judged(reading, chunk, reach, day, summary)
                if rows or reopened:
                    told: dict[str, str | int] = {"n": len(rows) + len(reopened), "as_of": str(day)}
                    event = AuditEvent(
                        event_type=EventType.OUTCOMES_RESOLVED, actor=who.name, action="update", target="predictions",
                        detail=told,
                    )  # fmt: skip
                    with self.database.transaction() as tx:
                        outcome_store.save(tx, rows, reopened, audit=event)
        return summary


def _reach(tx: Transaction) -> dict[str, tuple[int, int]]:
    """Return (last day of news, reporting lag in days) of each facility; -1 where nothing was ever told."""
    return {
        one.facility: (
            -1 if one.last_known_on is None else day_number(one.last_known_on),
            one.reporting_lag_days or 0,
        )
        for one in facility_store.all_states(tx)
    }


def _judged(
    tx: Transaction,
    chunk: Sequence[DuePrediction],
    reach: dict[str, tuple[int, int]],
    day: date,
    summary: OutcomeSummary,
) -> tuple[list[OutcomeRow], list[UUID]]:
    """Return the outcomes that say something new, and the predictions whose outcome is open again."""
    stored = outcome_store.facts_of(tx, sorted({one.patient_uuid for one in chunk}))
    place = {uuid: i for i, (uuid, _, _) in enumerate(stored)}
    known = [one for one in chunk if one.patient_uuid in place]
    if not known:
        return [], []
    found = judge(
        unpack([facts for _, _, facts in stored]),
        np.array([reach[facility][0] for _, facility, _ in stored], np.int64),
        np.array([reach[facility][1] for _, facility, _ in stored], np.int64),
        np.array([place[one.patient_uuid] for one in known], np.int64),
        np.array([day_number(one.as_of) for one in known], np.int64),
        as_of=day_number(day),
    )
    summary.n_judged += len(known)
    return _news(zip(known, _rows(known, found, day), strict=True), summary)


def _news(
    judged: Iterable[tuple[DuePrediction, OutcomeRow | None]], summary: OutcomeSummary
) -> tuple[list[OutcomeRow], list[UUID]]:
    rows, reopened = [], []
    for one, row in judged:
        if row is None:
            summary.by_status["open"] += 1
            if one.before is not None:
                reopened.append(one.prediction_id)
            continue
        summary.by_status[row.status] += 1
        is_same = one.before is not None and one.before._replace(judged_on=row.judged_on) == row
        if not is_same:
            summary.n_added += one.before is None
            summary.n_changed += one.before is not None
        if not is_same or row.is_final:  # a final one is marked as looked at since its record changed
            rows.append(row)
    summary.n_reopened += len(reopened)
    return rows, reopened


def _rows(known: Sequence[DuePrediction], found: Judged, day: date) -> Iterable[OutcomeRow | None]:
    names = {int(status): status.name.lower() for status in CycleStatus}
    columns = (found.status, found.label, found.evaluable, found.imputed, found.final, found.index_day,
               found.expected, found.resolved)  # fmt: skip
    for one, (status, label, evaluable, imputed, final, start, expected, resolved) in zip(
        known, zip(*(column.tolist() for column in columns), strict=True), strict=True
    ):
        if status in (CycleStatus.CENSORED, NO_CYCLE):
            yield None
            continue
        yield OutcomeRow(
            one.prediction_id,
            names[status],
            None if label < 0 else label,
            evaluable,
            imputed,
            final,
            day_date(start),
            day_date(expected),
            day_date(resolved),
            day,
        )
