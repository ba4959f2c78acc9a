"""FHIR resources: stored first, merged within the request, and answered with what became of each."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from iit.domain.access import Principal
from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import NotAllowed, ServiceError, Unavailable
from iit.ingest.fhir.bundle import BATCH, TRANSACTION, Contents, Entry, bundle_of, read_contents
from iit.ingest.fhir.map import FhirMapper
from iit.ingest.fhir.reading import Told
from iit.ingest.fhir.resources import MAPPED, Request
from iit.ingest.fhir.responses import (
    EntryResponse,
    Issue,
    bundle_response,
    etag_of,
    issue_of,
    outcome,
    status_of,
)
from iit.ingest.fhir.strict import validate
from iit.services.fhir_work import Done, faults, merge, shares, standing
from iit.services.identities import Identities
from iit.services.inbox_work import FHIR
from iit.services.message_keys import MessageKeys
from iit.services.refusals import note_refused_patient
from iit.store import inbox as inbox_store
from iit.store.database import Database, Transaction
from iit.store.inbox import Arrival, Content, Key, Waiting
from iit.telemetry import messages_total

log = logging.getLogger(__name__)

_REST: Final = timedelta(seconds=5)
"""After which workers take what the request that stored it has not finished: it was killed."""

_DELAYED: Final = Issue("information", "incomplete", "it is stored for good and will be worked on soon")


class Reply(NamedTuple):
    """An answer over HTTP: its status, the resource in its body and headers besides."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]

    def __repr__(self) -> str:
        return "Reply()"


class _Unit(NamedTuple):
    """Entries that are stored and merged together, by their places, as they are stored."""

    places: list[int]
    arrival: Arrival

    def __repr__(self) -> str:
        return f"_Unit({len(self.places)} entries)"


Fate = Done | ServiceError | None
"""What became of an entry; None while it is stored and not worked on yet."""


@dataclass(frozen=True)
class Exchange:
    """Takes resources in.

    Attributes:
        database: where they lie and are merged.
        mapper: what they say.
        identities: whose they are.
        clock: the present time, aware.
    """

    database: Database
    mapper: FhirMapper
    identities: Identities = field(repr=False)
    clock: Callable[[], datetime]
    keys: MessageKeys = field(default_factory=MessageKeys)

    def receive(self, data: bytes, *, who: Principal, is_strict: bool = False, request: Request | None = None) -> Reply:
        """Take a bundle or a single resource in and tell what became of it.

        A transaction counts as a whole or not at all; of other bundles each entry by itself. All that is taken is
        committed before it is worked on.

        Args:
            data: the body, JSON.
            who: sends; a patient outside their scope is refused.
            is_strict: hold each resource to its full definition too.
            request: what is to be done with the single resource that the body must be then.

        Raises:
            InvalidInput: the body is no resource, or a bundle of a type that is not read.
            Unavailable: it cannot be stored now; nothing of it is.
        """
        contents = read_contents(data, request)
        if request is not None:
            data = bundle_of(contents.entries, BATCH, None)
        told, fates = self.take(contents, data, who=who, is_strict=is_strict)
        return _reply(contents.type, told, fates)

    def take(
        self,
        contents: Contents,
        data: bytes,
        *,
        who: Principal,
        is_strict: bool = False,
        beside: Sequence[Entry] = (),
    ) -> tuple[list[Told], list[Fate]]:
        """Take entries in as `receive` does; return what each says and what became of it.

        Args:
            contents: the entries.
            data: the body that is stored of a transaction or a single resource.
            who: sends.
            is_strict: hold each resource to its full definition too.
            beside: other resources that entries may refer to.

        Raises:
            Unavailable: it cannot be stored now; nothing of it is.
        """
        received = self.clock()
        mapped = self.mapper.map(contents, received=received, beside=beside)
        told = [_strictly(one) if is_strict else one for one in mapped]
        fates: list[Fate] = [one.error for one in told]
        waiting = self._store(contents, told, fates, data, who, received)
        if waiting:
            self._work(contents.type, told, fates, waiting, who.name)
        _count(told, fates)
        return told, fates

    def merge_waiting(self, tx: Transaction, message: Waiting) -> None:
        """Merge what the request that stored it could not.

        Raises:
            ServiceError: an entry cannot be merged any more; nothing is.
        """
        contents = read_contents(bytes(message.raw))
        told = self.mapper.map(contents, received=message.received_at)
        for fate in merge(tx, told, self.identities, actor="inbox"):
            if isinstance(fate, ServiceError):
                raise fate

    def _store(
        self, contents: Contents, told: list[Told], fates: list[Fate], data: bytes, who: Principal, received: datetime
    ) -> list[tuple[_Unit, Waiting | None]] | None:
        """Check what the database knows, store what can be taken; None where a transaction cannot."""
        refused: dict[int, str] = {}
        units: list[_Unit] = []
        waiting: list[Waiting] = []
        with self.database.transaction() as tx:
            found = shares(tx, told, self.identities, is_final=False)
            for place, error in faults(tx, told, found, standing(tx, found), who.scope).items():
                fates[place] = error
                if isinstance(error, NotAllowed):
                    refused[place] = next(one.delta.patient_uuid for one in found if place in one.places)
            is_refused = contents.type == TRANSACTION and any(isinstance(one, ServiceError) for one in fates)
            if not is_refused:
                units = self._units(contents, told, fates, data, who.name)
            if units:
                event = AuditEvent(event_type=EventType.MESSAGES_RECEIVED, actor=who.name, action="create",
                                   target="inbox", detail={"n": len(units)})  # fmt: skip
                arrivals = self.keys.sealed([unit.arrival for unit in units])
                waiting = inbox_store.add_for_now(tx, arrivals, received=received, due=received + _REST, audit=event)
        for uuid in sorted(set(refused.values())):
            note_refused_patient(self.database, who, action="update", patient_uuid=uuid)
        by_hash = {bytes(one.content_hash): one for one in waiting}
        return None if is_refused else [(unit, by_hash.get(unit.arrival.key.content_hash)) for unit in units]

    def _units(self, contents: Contents, told: list[Told], fates: list[Fate], data: bytes, sender: str) -> list[_Unit]:
        useful = [at for at, one in enumerate(told) if fates[at] is None and (one.facts or one.merged)]
        if contents.type in ("", TRANSACTION):
            groups = [useful] if useful else []
        else:
            by_person: dict[object, list[int]] = {}
            for at in useful:
                by_person.setdefault(told[at].person[0], []).append(at)
            groups = list(by_person.values())
        units = []
        for places in groups:
            raw = data
            if contents.type not in ("", TRANSACTION):
                raw = bundle_of(_with_what_they_need([told[at] for at in places]), BATCH, contents.timestamp)
            kind = "Bundle" if contents.type else told[places[0]].entry.kind
            key = Key(sender, "", hashlib.sha256(raw).digest())
            patient_key = self.identities.patient_key(told[places[0]].person[0])
            units.append(_Unit(places, Arrival(key, f"{FHIR}^{kind}", patient_key, Content(raw, None))))
        return units

    def _work(
        self,
        kind: str,
        told: list[Told],
        fates: list[Fate],
        units: Sequence[tuple[_Unit, Waiting | None]],
        actor: str,
    ) -> None:
        """Merge the units, together if that goes well, else each alone; what fails for other reasons stays stored."""
        merged: dict[int, Fate] = {}
        try:
            with self.database.transaction() as tx:
                for unit, message in units:
                    merged |= self._merge(tx, kind, told, unit, message, actor)
        except Unavailable:
            return
        except Exception as error:  # noqa: BLE001 - the rim of a message: of many, only the one at fault fails
            if len(units) == 1:
                self._fail(units[0], fates, error)
                return
            for one in units:
                self._work(kind, told, fates, [one], actor)
        else:
            for place, fate in merged.items():
                fates[place] = fate

    def _merge(
        self, tx: Transaction, kind: str, told: list[Told], unit: _Unit, message: Waiting | None, actor: str
    ) -> dict[int, Fate]:
        done = merge(tx, [told[at] for at in unit.places], self.identities, actor=actor)
        wrong = next((one for one in done if isinstance(one, ServiceError)), None)
        if wrong is not None and (kind in ("", TRANSACTION) or len(done) == 1):
            raise wrong
        if message is not None:
            inbox_store.finish(tx, [message.id], now=self.clock())
        return dict(zip(unit.places, done, strict=True))

    def _fail(self, one: tuple[_Unit, Waiting | None], fates: list[Fate], error: Exception) -> None:
        """Refuse a unit that is at fault itself; one that fails otherwise stays stored for the workers."""
        unit, message = one
        if not isinstance(error, ServiceError):
            log.error("resources could not be merged", exc_info=error)
            return
        for place in unit.places:
            fates[place] = error
        if message is not None:
            with self.database.transaction() as tx:
                inbox_store.refuse(tx, message.id, error=str(error), now=self.clock())


def _with_what_they_need(told: Sequence[Told]) -> list[Entry]:
    """Return entries with those that they refer to, each once: read again, they say the same."""
    own = [one.entry for one in told]
    needed = {id(one): one for each in told for one in each.beside}
    return own + [one for key, one in needed.items() if key not in {id(entry) for entry in own}]


def _strictly(one: Told) -> Told:
    if one.error is not None:
        return one
    try:
        validate(one.entry)
    except ServiceError as error:
        return one._replace(error=error)
    return one


def _count(told: Sequence[Told], fates: Sequence[Fate]) -> None:
    for one, fate in zip(told, fates, strict=True):
        kind = one.entry.kind if one.entry.kind in MAPPED else "other"
        result = "delayed" if _is_delayed(one, fate) else "refused" if isinstance(fate, ServiceError) else "taken"
        messages_total.labels(f"{FHIR}^{kind}", result).inc()


def _is_delayed(one: Told, fate: Fate) -> bool:
    return fate is None and bool(one.facts or one.merged)


def _reply(kind: str, told: Sequence[Told], fates: Sequence[Fate]) -> Reply:
    errors = [(one, fate) for one, fate in zip(told, fates, strict=True) if isinstance(fate, ServiceError)]
    if errors and kind in ("", TRANSACTION):
        status = max(status_of(error) for _, error in errors)
        return Reply(status, outcome(issue_of(error, one.entry.place) for one, error in errors), {})
    entries = [_response(one, fate) for one, fate in zip(told, fates, strict=True)]
    if kind:
        return Reply(HTTPStatus.OK, bundle_response(kind, entries), {})
    (entry,) = entries
    headers = {} if entry.location is None else {"Location": entry.location}
    if entry.version is not None:
        headers["ETag"] = etag_of(entry.version)
    return Reply(entry.status, outcome(entry.issues), headers)


def _response(one: Told, fate: Fate) -> EntryResponse:
    place = one.entry.place
    notes = tuple(Issue("warning", "informational", note, place) for note in one.notes)
    if isinstance(fate, ServiceError):
        return EntryResponse(status_of(fate), None, None, (issue_of(fate, place),))
    if _is_delayed(one, fate):
        return EntryResponse(HTTPStatus.ACCEPTED, None, None, (_DELAYED, *notes))
    if fate is None:
        return EntryResponse(HTTPStatus.OK, None, None, notes)
    status = HTTPStatus.CREATED if fate.is_new else HTTPStatus.OK
    history = "" if fate.version is None else f"/_history/{fate.version}"
    return EntryResponse(status, None if fate.location is None else f"{fate.location}{history}", fate.version, notes)
