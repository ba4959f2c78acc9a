"""Risks told back to the EMR: an answer on the chart and a mark on the person, each at most once a patient and day."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Final

import stamina

from iit.domain.access import Principal
from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import InvalidInput, NotFound, Unavailable
from iit.ingest.openmrs.rest import Rest
from iit.store import audit as audit_trail
from iit.store import sync as sync_store
from iit.store import write_back as write_back_store
from iit.store.database import Database
from iit.store.write_back import Untold

BATCH: Final = 50  # patients told before it is noted; after an interruption they are looked at again
_V1: Final = "ws/rest/v1"


@dataclass(frozen=True)
class Targets:
    """Where risks go: UUIDs of a numeric concept (percent, 0 to 100) and of a type of person attribute (the band)."""

    concept: str | None
    attribute: str | None


@dataclass
class WriteBackSummary:
    """What became of the risks: told, there already, or of patients whom the site does not take them of."""

    n_told: int = 0
    n_same: int = 0
    n_refused: int = 0


@dataclass(frozen=True)
class WriteBack:
    """Tells an OpenMRS the latest risks. Reads predictions and never waits for or holds up their making.

    Attributes:
        database: where predictions lie and how far they were told.
        rest: the way to the site.
        targets: where they go there.
        facility: only its patients, or None.
        zone: the site's time zone.
        clock: the present time.
    """

    database: Database
    rest: Rest = field(repr=False)
    targets: Targets
    facility: str | None
    zone: tzinfo
    clock: Callable[[], datetime]

    @property
    def name(self) -> str:
        """What is followed: predictions on their way to this site."""
        return f"write-back to {self.rest.address.base}"

    def run(self, *, who: Principal) -> WriteBackSummary:
        """Tell what was predicted since the last run. Idempotent.

        Raises:
            Conflict: another process does. NotAllowed: the site refuses us.
            Unavailable: the site or the database is away; a repeat goes on.
        """
        summary = WriteBackSummary()
        with sync_store.alone(self.database, self.name):
            untold = self._begin()
            for start in range(0, len(untold), BATCH):
                self._tell(untold[start : start + BATCH], summary, who)
            with self.database.transaction() as tx:
                sync_store.finish(tx, self.name, at=self.clock())
        return summary

    def _begin(self) -> Sequence[Untold]:
        with self.database.transaction() as tx:
            mark = sync_store.watermark_of(tx, self.name)
            since, until = mark.reading_since, mark.reading_until
            if until is None:
                since, until = mark.changed_until, self.clock()
                sync_store.begin(tx, self.name, since=since, until=until)
            untold = write_back_store.untold(tx, since=since, until=until, facility=self.facility)
        return [one for one in untold if mark.position is None or one.patient_uuid > mark.position]

    def _tell(self, untold: Sequence[Untold], summary: WriteBackSummary, who: Principal) -> None:
        told = []
        for one in untold:
            try:
                is_new = self._put(one)
            except (NotFound, InvalidInput):
                summary.n_refused += 1
                continue
            told.append(one.patient_uuid)
            summary.n_told += is_new
            summary.n_same += not is_new
        event = AuditEvent(event_type=EventType.PATIENTS_EXPORTED, actor=who.name, action="read", target="predictions",
                           detail={"n": len(told), "why": "write-back"}, patients=told)  # fmt: skip
        with self.database.transaction() as tx:
            sync_store.advance(tx, self.name, untold[-1].patient_uuid)
            audit_trail.write(tx, event)

    def _put(self, one: Untold) -> bool:
        """Bring a patient's answer and mark up to date; tell whether anything changed there.

        A request that got lost may have been done: each try looks first.
        """
        for attempt in stamina.retry_context(on=Unavailable, attempts=3, timeout=120.0, wait_initial=1.0):
            with attempt:
                concept, attribute = self.targets.concept, self.targets.attribute
                has_answered = concept is not None and self._put_answer(one, concept)
                has_marked = attribute is not None and self._put_mark(one, attribute)
                return has_answered or has_marked
        raise AssertionError  # the last try returns or raises

    def _put_answer(self, one: Untold, concept: str) -> bool:
        percent = round(100 * one.risk_score, 1)
        there = self.rest.get(
            f"{_V1}/obs", patient=one.patient_uuid, concept=concept, limit=100, v="custom:(uuid,obsDatetime,value)"
        )
        for known in there.get("results") or ():
            if str(known.get("obsDatetime"))[:10] == one.as_of.isoformat():
                if known.get("value") == percent:
                    return False
                self.rest.post(f"{_V1}/obs/{known['uuid']}", {"value": percent})
                return True
        at = datetime(one.as_of.year, one.as_of.month, one.as_of.day, tzinfo=self.zone)
        written = at.strftime("%Y-%m-%dT%H:%M:%S.000%z")
        self.rest.post(
            f"{_V1}/obs",
            {"person": one.patient_uuid, "concept": concept, "obsDatetime": written, "value": percent},
        )
        return True

    def _put_mark(self, one: Untold, kind: str) -> bool:
        place = f"{_V1}/person/{one.patient_uuid}/attribute"
        for known in self.rest.get(place, v="custom:(uuid,value,attributeType:(uuid))").get("results") or ():
            if (known.get("attributeType") or {}).get("uuid") == kind:
                if known.get("value") == one.risk_band:
                    return False
                self.rest.post(f"{place}/{known['uuid']}", {"value": one.risk_band})
                return True
        self.rest.post(place, {"attributeType": kind, "value": one.risk_band})
        return True
