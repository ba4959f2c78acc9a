"""The audit trail: checking that nobody altered it, searching it, and telling whom an incident affects."""

import hmac
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from iit.domain.access import Principal
from iit.domain.audit import AuditEvent, EventType, concerning
from iit.domain.errors import Conflict, ServiceError, Unavailable
from iit.store import audit as audit_store
from iit.store import chain
from iit.store.anchors import Anchor, Anchors, still_binding
from iit.store.audit import Affected, AuditFilter, AuditRow, Head
from iit.store.chain import GENESIS, NOTHING, AuditKeys, Link
from iit.store.database import Database, Transaction

log = logging.getLogger(__name__)

_MOST_FINDINGS: Final = 20
_CHANGE_OF_KEY_SECONDS: Final = 3600  # replicas that start with a new secret one after the other take turns for a while


@dataclass(frozen=True)
class Finding:
    """Something wrong with the trail: at which row, and what."""

    seq: int
    problem: str


@dataclass
class Verdict:
    """What a check found.

    Attributes:
        n_rows: rows checked.
        first_seq: first row checked.
        last_seq: last row checked.
        n_anchors: anchors that were compared with rows.
        n_findings: everything found wrong; the first of it is in `findings`.
        findings: at most twenty, in the order of the rows.
        warnings: what weakens the trail without being a change of it.
    """

    n_rows: int = 0
    first_seq: int = 0
    last_seq: int = 0
    n_anchors: int = 0
    n_findings: int = 0
    findings: list[Finding] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found wrong."""
        return self.n_findings == 0

    def add(self, seq: int, problem: str) -> None:
        """Note something wrong."""
        self.n_findings += 1
        if len(self.findings) < _MOST_FINDINGS:
            self.findings.append(Finding(seq, problem))


@dataclass(frozen=True)
class Audit:
    """Checks and reads the trail.

    Attributes:
        database: where it is.
        anchors: where it ended on earlier days, outside the database.
        now: the present time, aware.
    """

    database: Database
    anchors: Anchors
    now: Callable[[], datetime] = field(repr=False)

    def anchor(self) -> Anchor | None:
        """Write down outside the database where the trail ends, unless it has not grown since the last anchor.

        Raises:
            Conflict: the trail no longer holds the row of the last anchor: nothing is written.
            Unavailable: the database or the folder of anchors cannot be used.
        """
        before, head = self._end()
        if head.seq == (before.seq if before is not None else 0):
            return None
        return self.anchors.add(self.now().date(), head.seq, head.hash)

    def check_anchor(self) -> Anchor | None:
        """Return the last anchor, which the trail still holds; None if there is none.

        Raises:
            Conflict: the trail no longer holds it. Unavailable: as `anchor`.
        """
        return self._end()[0]

    def _end(self) -> tuple[Anchor | None, Head]:
        """Return the last anchor and where the trail ends, which must go on from it."""
        before = self.anchors.latest()
        with self.database.transaction() as tx:
            head = audit_store.head(tx)
            fits = before is None or _fits(tx, before)
        if head is None or not fits:
            raise Conflict("the trail does not go on from its last anchor: see `iit audit verify`", place="audit trail")
        return before, head

    def anchor_daily(self) -> None:
        """Write an anchor if today has none yet. A trail in doubt is told of in the log and stops nothing."""
        try:
            before = self.anchors.latest()
            if before is None or before.date < self.now().date().isoformat():
                self.anchor()
        except ServiceError as problem:
            log.error("audit trail not anchored: %s", problem)  # noqa: TRY400 - expected kinds need no traceback

    def accept_restore(self, *, who: Principal) -> Anchor | None:
        """Let the trail go on after a backup was put back: from the newest anchor that it still holds.

        The anchors after it stay in the file and every later check tells of them; the trail tells who did this.

        Returns:
            The anchor from which the trail goes on; None if it is none.

        Raises:
            Conflict: the trail holds all anchors: there is nothing to accept; or the file of anchors was tampered with.
        """
        anchors = still_binding(self.anchors.read())
        with self.database.transaction() as tx:
            held = next((one for one in reversed(anchors) if _fits(tx, one)), None)
            if not anchors or held == anchors[-1]:
                raise Conflict(
                    "the trail goes on from its last anchor: there is nothing to accept", place="audit trail"
                )
            lost = anchors[-1].seq - (held.seq if held is not None else 0)
            event = _event(EventType.MAINTENANCE, who.name, "update", rows_given_up=lost)
            audit_store.write(tx, event)
        self.anchors.turn_back(self.now().date(), held)
        self.anchor()
        return held

    def note_start(self, settings: Mapping[str, str]) -> None:
        """Put on the trail that a process begins to answer, and which settings differ from those of the start before.

        Args:
            settings: a mark of each that is set, by name: the same for the same value, and telling nothing of it.
        """
        event = AuditEvent(event_type=EventType.SERVICE_STARTED, actor="service", action="execute", target="service",
                           detail=settings)  # fmt: skip
        with self.database.transaction() as tx:
            former = audit_store.last_start(tx)
            audit_store.write(tx, event)
            changed = {name for name, _ in settings.items() ^ (former or settings).items()}
            if changed:
                told = {"settings": ",".join(sorted(changed))}
                audit_store.write(tx, replace(event, event_type=EventType.SETTINGS_CHANGED, detail=told))

    def note_upkeep(self, what: str) -> None:
        """Put on the trail that the service did some upkeep by itself."""
        event = AuditEvent(event_type=EventType.MAINTENANCE, actor="service", action="update", target=what)
        _write(self.database, event)

    def verify(self, since: datetime | None = None, until: datetime | None = None, *, who: Principal) -> Verdict:
        """Check every row, link, the end and all anchors; or those rows of a span of time.

        Finds changed, removed, inserted and exchanged rows, rows cut off at the end, and (by the anchors) rows and head
        rolled back together. The check is itself put on the trail, and a trail that is sound as a whole is anchored.

        Raises:
            Unavailable: the database or the folder of anchors cannot be used.
        """
        verdict = Verdict()
        try:
            told = self.anchors.read()
            anchors = still_binding(told)
            if len(anchors) < len(told):
                verdict.warnings.append(f"{len(told) - len(anchors)} anchors were given up when a backup was put back")
        except Conflict as problem:
            verdict.add(0, str(problem))
            anchors = []
        with self.database.transaction() as tx:
            self._check(tx, verdict, anchors, since, until)
        self._note_check(verdict, who.name)
        if verdict.is_sound and since is None and until is None:
            self.anchor()
        return verdict

    def demand_sound(self, *, who: Principal) -> None:
        """Check the whole trail.

        Raises:
            Conflict: something is wrong with it, and what first. Unavailable: as `verify`.
        """
        verdict = self.verify(who=who)
        if not verdict.is_sound:
            first = verdict.findings[0]
            raise Conflict(f"{verdict.n_findings} findings; row {first.seq}: {first.problem}", place="audit trail")

    def last_link(self) -> str | None:
        """Return number and hash of the trail's last row, as `<seq>:<hex>`; None if its head is gone."""
        with self.database.transaction() as tx:
            head = audit_store.head(tx)
        return None if head is None else f"{head.seq}:{head.hash.hex()}"

    def _note_check(self, verdict: Verdict, actor: str) -> None:
        outcome = "ok" if verdict.is_sound else "failed"
        detail = {"rows": verdict.n_rows, "findings": verdict.n_findings}
        try:
            _write(self.database, _event(EventType.AUDIT_VERIFIED, actor, "read", outcome=outcome, **detail))
        except Unavailable:
            if verdict.is_sound:
                raise
            verdict.warnings.append("the trail is so broken that this check could not be put on it")

    def _check(
        self, tx: Transaction, verdict: Verdict, anchors: list[Anchor], since: datetime | None, until: datetime | None
    ) -> None:
        head = audit_store.head(tx)
        if head is None:
            verdict.add(0, "the head of the chain is missing")
            return
        if audit_store.may_alter(tx):
            verdict.warnings.append("the application's role may change the trail: set IIT_DATABASE_OWNER_URL")
        if since is None and until is None:
            walk = self._walk(tx, verdict, anchors, _whole(head))
            _check_end(verdict, head, walk)
            _check_anchors(verdict, anchors, head)
        else:
            self._walk(tx, verdict, anchors, audit_store.span(tx, since, until))

    def _walk(self, tx: Transaction, verdict: Verdict, anchors: list[Anchor], span: tuple[int, int] | None) -> "_Walk":
        first, last = span or (1, 0)
        before = NOTHING if first <= 1 else audit_store.hash_of(tx, first - 1)
        start = None if before is None else before.hex()
        walk = _Walk(verdict, self.database.trail_keys, _by_seq(anchors), first, start)
        for link in chain.links(tx, first, last):
            walk.step(link)
        verdict.n_anchors = walk.n_anchors
        verdict.first_seq, verdict.last_seq = first, walk.expected - 1
        return walk

    def search(self, wish: AuditFilter, *, limit: int, who: Principal) -> list[AuditRow]:
        """Return the newest rows that fit, newest first."""
        with self.database.transaction() as tx:
            rows = list(audit_store.search(tx, wish, limit=limit, newest=True))
            audit_store.write(tx, _event(EventType.AUDIT_READ, who.name, "read", rows=len(rows), **_told(wish)))
        return rows

    @contextmanager
    def exported(self, wish: AuditFilter, *, who: Principal) -> Iterator[Iterator[AuditRow]]:
        """Yield all rows that fit, oldest first. The export is on the trail before the first row is handed out."""
        with self.database.transaction() as tx:
            audit_store.write(tx, _event(EventType.AUDIT_EXPORTED, who.name, "read", **_told(wish)))
        with self.database.transaction() as tx:
            yield audit_store.search(tx, wish, newest=False)

    def note_export(self, what: str, patient_uuids: Sequence[str], *, who: Principal) -> None:
        """Put on the trail that rows about these patients are about to leave the service as a file."""
        distinct = sorted(set(patient_uuids))
        event = AuditEvent(event_type=EventType.PATIENTS_EXPORTED, actor=who.name, action="read", target=what,
                           detail={"n": len(distinct)})  # fmt: skip
        with self.database.transaction() as tx:
            audit_store.write(tx, *concerning(event, distinct))

    def affected(self, wish: AuditFilter, *, who: Principal) -> list[Affected]:
        """Return the patients whom the acts that fit read or changed."""
        with self.database.transaction() as tx:
            rows = list(audit_store.affected(tx, wish))
            event = _event(EventType.AUDIT_READ, who.name, "read", patients=len(rows), **_told(wish))
            audit_store.write(tx, event)
        return rows


@contextmanager
def recorded(database: Database, event: AuditEvent) -> Iterator[None]:
    """Put an act on the trail that no transaction can hold, such as one on files.

    It is noted as `started` before it begins and as `ok` or `failed` when it has ended: nothing is done unseen.
    """
    _write(database, replace(event, outcome="started"))
    try:
        yield
    except BaseException:
        _write(database, replace(event, outcome="failed"))
        raise
    _write(database, event)


def _write(database: Database, event: AuditEvent) -> None:
    with database.transaction() as tx:
        audit_store.write(tx, event)


@dataclass
class _Walk:
    """A walk along the chain: each row against its own hash, its number, and the row before."""

    verdict: Verdict
    keys: AuditKeys
    anchors: dict[int, str]
    expected: int
    last: str | None
    newest_key: int = 0
    changed_at: float = 0.0
    latest_at: float = 0.0
    n_anchors: int = 0

    def __post_init__(self) -> None:
        self._age = {key_id: place for place, key_id in enumerate(self.keys.keys)}

    def step(self, link: Link) -> None:
        self.verdict.n_rows += 1
        problem = self._problem(link)
        if problem is not None:
            self.verdict.add(link.seq if link.seq == self.expected else self.expected, problem)
        self.expected = link.seq + 1
        self.last = link.hash

    def _problem(self, link: Link) -> str | None:
        if link.seq != self.expected:
            return f"rows before {link.seq} are missing"
        key = self.keys.keys.get(link.key_id)
        if key is None:
            return (
                f"sealed with the key {link.key_id}, which is not known: former secrets belong behind the present one"
            )
        if link.hash != hmac.digest(key, link.line, "sha256").hex():
            return "changed after it was written"
        if link.prev_hash != self.last:
            return "does not follow the row before it"
        return self._order_problem(link)

    def _order_problem(self, link: Link) -> str | None:
        age = self._age[link.key_id]
        self.latest_at = max(self.latest_at, link.at)
        if age > self.newest_key:
            self.newest_key, self.changed_at = age, link.at
        is_late = link.key_id == GENESIS or self.latest_at - self.changed_at > _CHANGE_OF_KEY_SECONDS
        if age < self.newest_key and is_late:
            return "sealed with a former key after a newer one was in use"
        anchored = self.anchors.get(link.seq)
        self.n_anchors += anchored is not None
        return None if anchored in (None, link.hash) else "not the row that was anchored outside the database"


def _whole(head: Head) -> tuple[int, int] | None:
    """Return the span of all rows, also of such as stand before the first or after the head; None if there are none."""
    if head.first_row is None or head.last_row is None:
        return None
    return min(1, head.first_row), max(head.seq, head.last_row)


def _check_end(verdict: Verdict, head: Head, walk: _Walk) -> None:
    last = walk.expected - 1
    if last != head.seq:
        verdict.add(min(last, head.seq) + 1, f"the rows end at {last}, the head of the chain is at {head.seq}")
    elif walk.last != head.hash.hex():
        verdict.add(last, "the last row is not the one that the head of the chain names")


def _check_anchors(verdict: Verdict, anchors: list[Anchor], head: Head) -> None:
    beyond = [one for one in anchors if one.seq > head.seq]
    if beyond:
        verdict.add(head.seq + 1, f"rows up to {beyond[0].seq} were there on {beyond[0].date}, as its anchor tells")
    if not anchors:
        verdict.warnings.append("no anchor is kept: rows and head rolled back together would not be seen")


def _by_seq(anchors: list[Anchor]) -> dict[int, str]:
    return {one.seq: one.hash for one in anchors}


def _fits(tx: Transaction, anchor: Anchor) -> bool:
    found = audit_store.hash_of(tx, anchor.seq)
    return found is not None and found.hex() == anchor.hash


def _event(event_type: EventType, actor: str, action: str, outcome: str = "ok", **detail: Any) -> AuditEvent:
    return AuditEvent(
        event_type=event_type, actor=actor, action=action, target="audit trail", outcome=outcome, detail=detail
    )


def _told(wish: AuditFilter) -> dict[str, str]:
    """Return what was looked for, without text that a caller may have filled with anything."""
    told = {
        "since": None if wish.since is None else wish.since.isoformat(),
        "until": None if wish.until is None else wish.until.isoformat(),
        "event_types": ",".join(wish.event_types) or None,
    }
    return {name: value for name, value in told.items() if value is not None}
