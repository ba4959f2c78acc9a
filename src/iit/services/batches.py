"""Scoring a facility, a state or everyone in the background, and handing out what came of it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from iit.domain.access import Principal
from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import Conflict, NotAllowed, NotFound
from iit.services.days import refuse_future
from iit.services.jobs import Jobs
from iit.services.refusals import note_refusal
from iit.store import audit as audit_trail
from iit.store import predictions as prediction_store
from iit.store.database import Database
from iit.store.jobs import JobRow
from iit.store.predictions import BatchFilter, PredictionRow

KIND: Final = "score"
_PAGE: Final = 2000


@dataclass(frozen=True)
class Batches:
    """Batch scoring as a job, and its results."""

    database: Database
    jobs: Jobs
    today: Callable[[], date]

    def submit(self, wish: Mapping[str, Any], *, who: Principal) -> JobRow:
        """Start scoring in the background; `wish` as `Scoring.run` takes it.

        Raises:
            InvalidInput: the day lies in the future. NotAllowed: they may not see all whom it would score.
            Conflict: a batch is under way.
        """
        if wish.get("as_of") is not None:
            refuse_future(date.fromisoformat(wish["as_of"]), self.today())
        if not _covers(who, wish):
            note_refusal(self.database, who, action="execute", target="batches")
            raise NotAllowed("name a facility or state that you may see", place="facility")
        return self.jobs.submit(KIND, wish, who=who)

    def get(self, batch_id: UUID, *, who: Principal) -> JobRow:
        """Return a batch.

        Raises:
            NotFound: there is none in scope.
        """
        job = self.jobs.get(batch_id)
        if job.kind != KIND or not _covers(who, job.arguments):
            raise NotFound("there is no such batch", place="batch_id")
        return job

    def cancel(self, batch_id: UUID, *, who: Principal) -> JobRow:
        """Stop a batch; what it has stored stays.

        Raises:
            NotFound: there is none in scope. Conflict: it has ended.
        """
        self.get(batch_id, who=who)
        return self.jobs.cancel(batch_id, who=who)

    def results(self, batch_id: UUID, *, who: Principal) -> Iterator[list[PredictionRow]]:
        """Yield the newest prediction of each patient for a finished batch's days, model and place.

        Pages are in the order of patients' ids; memory stays flat. Predictions asked for singly on the same day are
        among them: a batch run again stores nothing twice, so that its predictions are not its own.

        Raises:
            NotFound: there is no such batch in scope. Conflict: it is not done.
        """
        job = self.get(batch_id, who=who)
        if job.state != "done" or job.result is None:
            raise Conflict(f"the batch is {job.state}, not done", place="batch_id")
        n, target = job.result["n_scored"], f"batch:{batch_id}"
        event = AuditEvent(
            event_type=EventType.PATIENTS_EXPORTED, actor=who.name, action="read", target=target, detail={"n": n}
        )
        with self.database.transaction() as tx:
            audit_trail.write(tx, event)
        return self._pages(job, job.result)

    def _pages(self, job: JobRow, result: Mapping[str, Any]) -> Iterator[list[PredictionRow]]:
        if result["first_day"] is None:
            return
        first, last = date.fromisoformat(result["first_day"]), date.fromisoformat(result["last_day"])
        whose = job.arguments.get("facility"), job.arguments.get("state")
        wanted = BatchFilter(result["model_version"], first, last, *whose)
        after = ""
        while True:
            with self.database.transaction() as tx:
                rows = prediction_store.of_batch(tx, wanted, after=after, limit=_PAGE)
            if not rows:
                return
            yield rows
            after = str(rows[-1].patient_uuid)


def _covers(who: Principal, wish: Mapping[str, Any]) -> bool:
    return who.scope.covers(wish.get("facility"), wish.get("state"))
