"""Work that outlasts a request: asked for, run in a process of its own, watched, cancelled, taken up after a crash."""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event, Thread
from typing import Any, Final
from uuid import UUID, uuid4

from iit.domain.access import Principal, on_behalf_of
from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import Conflict, NotFound, ServiceError, Unavailable
from iit.store import jobs as job_store
from iit.store.database import Database
from iit.store.jobs import JobRow
from iit.traces import span

log = logging.getLogger(__name__)

Tell = Callable[[str, int, int], None]
Work = Callable[[Mapping[str, Any], Principal, Tell], dict[str, Any]]
"""Does a job: is given its arguments, who asked, and whom to tell (stage, done, of); returns what came of it."""

_BEAT_SECONDS: Final = 5.0
_TOLD_EVERY_SECONDS: Final = 1.0
_STALE_AFTER: Final = timedelta(seconds=60)  # twelve missed beats: the process is gone
_ENDED: Final = {"done": EventType.JOB_DONE, "failed": EventType.JOB_FAILED, "cancelled": EventType.JOB_CANCELLED}


class JobCancelled(Exception):
    """Somebody has cancelled the job; what it had published stays, the rest is left."""


@dataclass(frozen=True)
class Jobs:
    """Queues jobs, has them run and tells of them.

    Attributes:
        database: where jobs are kept.
        kinds: what to do for each kind. One job of a kind runs at a time.
        launch: starts a process that calls `run` for a job, and returns at once.
        monotonic: seconds, for how often progress is written down.
    """

    database: Database
    kinds: Mapping[str, Work]
    launch: Callable[[UUID], None] = field(repr=False)
    monotonic: Callable[[], float]

    def submit(self, kind: str, arguments: Mapping[str, Any], *, who: Principal) -> JobRow:
        """Queue a job, start its process and return it.

        Raises:
            Conflict: one of its kind is under way.
        """
        job_id = uuid4()
        with self.database.transaction() as tx:
            other = job_store.open_of_kind(tx, kind)
            if other is not None:
                raise Conflict(f"job {other} is under way: wait for it or cancel it", place=kind)
            event = _event(EventType.JOB_SUBMITTED, who.name, job_id, kind=kind)
            job_store.add(tx, job_id, kind, arguments, audit=event)
        self.launch(job_id)
        return self.get(job_id)

    def get(self, job_id: UUID) -> JobRow:
        """Return a job.

        Raises:
            NotFound: there is none.
        """
        with self.database.transaction() as tx:
            found = job_store.find(tx, job_id)
        if found is None:
            raise NotFound("there is no such job", place="job_id")
        return found

    def listing(self, *, kind: str | None = None, limit: int = 50) -> list[JobRow]:
        """Return the newest jobs."""
        with self.database.transaction() as tx:
            return job_store.page(tx, kind=kind, limit=limit)

    def cancel(self, job_id: UUID, *, who: Principal) -> JobRow:
        """Ask a job to stop: one that waits ends at once, one that runs at its next step.

        Raises:
            NotFound: there is none. Conflict: it has ended.
        """
        self.get(job_id)
        with self.database.transaction() as tx:
            if not job_store.cancel(tx, job_id, audit=_event(EventType.JOB_CANCELLED, who.name, job_id)):
                raise Conflict("the job has ended", place="job_id")
        return self.get(job_id)

    def resume(self) -> int:
        """Start the jobs that nobody works on, as after a crash; return how many."""
        with self.database.transaction() as tx:
            waiting = job_store.waiting(tx, stale_after=_STALE_AFTER)
        for job_id in waiting:
            self.launch(job_id)
        return len(waiting)

    def run(self, job_id: UUID) -> JobRow:
        """Do a job here and now, and return how it ended. A job runs again from its start after a crash.

        Raises:
            Conflict: another process has it, or it has ended.
        """
        with self.database.transaction() as tx:
            job = job_store.claim(tx, job_id, stale_after=_STALE_AFTER)
        if job is None:
            raise Conflict("the job is not waiting", place="job_id")
        with span("job", kind=job.kind), _Pulse(self.database, job_id) as pulse:
            state, result, reason = self._outcome(job, pulse)
        event = _event(_ENDED[state], job.requested_by, job_id, kind=job.kind)
        with self.database.transaction() as tx:
            job_store.finish(tx, job_id, state, result=result, reason=reason, audit=event)
        return self.get(job_id)

    def _outcome(self, job: JobRow, pulse: "_Pulse") -> tuple[str, dict[str, Any] | None, str | None]:
        try:
            who = on_behalf_of(job.requested_by)
            return "done", self.kinds[job.kind](job.arguments, who, self._teller(job.job_id, pulse)), None
        except JobCancelled:
            return "cancelled", None, None
        except ServiceError as error:
            return "failed", None, str(error)
        except Exception:  # the rim of a job
            log.exception("job failed", extra={"job_id": str(job.job_id), "kind": job.kind})
            return "failed", None, "the service failed; its log tells more"

    def _teller(self, job_id: UUID, pulse: "_Pulse") -> Tell:
        told_at, told_stage = float("-inf"), ""

        def tell(stage: str, done: int, of: int) -> None:
            nonlocal told_at, told_stage
            if pulse.unwanted.is_set():
                raise JobCancelled
            now = self.monotonic()
            if stage == told_stage and now - told_at < _TOLD_EVERY_SECONDS:
                return
            told_at, told_stage = now, stage
            with self.database.transaction() as tx:
                job_store.progress(tx, job_id, stage, done, of)

        return tell


class _Pulse:
    """Says every few seconds that the job's process lives, and hears whether it is still wanted."""

    def __init__(self, database: Database, job_id: UUID) -> None:
        self.unwanted = Event()
        self._ended = Event()
        self._database, self._job_id = database, job_id
        self._thread = Thread(target=self._beat, name="job-pulse", daemon=True)

    def __enter__(self) -> "_Pulse":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT_SECONDS):
            with suppress(Unavailable), self._database.transaction() as tx:
                if not job_store.beat(tx, self._job_id):
                    self.unwanted.set()


def _event(event_type: EventType, actor: str, job_id: UUID, **detail: str) -> AuditEvent:
    return AuditEvent(event_type=event_type, actor=actor, action="execute", target=f"job:{job_id}", detail=detail)
