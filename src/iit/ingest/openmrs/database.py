"""Records read from the database of an OpenMRS or NMRS: who has changed, and all that is kept of them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from functools import partial
from typing import Final

import stamina

from iit.domain.errors import InvalidInput, Unavailable
from iit.domain.vocabulary import Kind
from iit.ingest.nmrs import read_document
from iit.ingest.nmrs.concepts import Form, Part, concept_known, form_of
from iit.ingest.nmrs.document import Data, Demographics, Document
from iit.ingest.openmrs import statements
from iit.ingest.openmrs.address import Address
from iit.ingest.openmrs.assembly import Tables, assemble
from iit.ingest.openmrs.dictionary import Dictionary, read_dictionary
from iit.ingest.openmrs.snapshot import Snapshot, snapshot
from iit.ingest.openmrs.told import Batch, Told, Treated

_patiently: Final = partial(
    stamina.retry, on=Unavailable, attempts=5, timeout=120.0, wait_initial=1.0, wait_max=15.0, wait_jitter=1.0
)


@dataclass(frozen=True)
class OpenmrsDatabase:
    """Reads an OpenMRS 2 database. Each batch is read in a short snapshot of its own: none holds the site up.

    A database that is away is asked again up to four times within two minutes.

    Attributes:
        address: where it is.
        facility: code of the facility; None is what the database says itself.
        zone: the facility's time zone, in which its rows are dated.
        clock: the present time.
        limit_seconds: how long one statement may take.
    """

    address: Address
    facility: str | None
    zone: tzinfo
    clock: Callable[[], datetime]
    limit_seconds: float = 600.0
    _words: list[Dictionary] = field(default_factory=list, repr=False)

    @property
    def name(self) -> str:
        """What the source is called."""
        return self.address.name

    @_patiently()
    def present(self) -> datetime:
        """Return the present time by the clock that stamps the source's rows.

        Raises:
            Unavailable, NotAllowed, NotFound, InvalidInput: as `snapshot`, here and in all that follows.
        """
        with self._view() as view:
            ((written,),) = view.rows(statements.NOW)
        return datetime.fromisoformat(str(written)).replace(tzinfo=self.zone)

    @_patiently()
    def changed(self, since: datetime | None) -> Sequence[str]:
        """Return the numbers of those whom rows added, changed or voided since then are about, in their order.

        Without a moment these are all patients.
        """
        with self._view() as view:
            return [str(number) for number in sorted(set(_changed(view, since, self.zone)))]

    def after(self, keys: Sequence[str], position: str) -> Sequence[str]:
        """Return those of the numbers that come after a position."""
        return [key for key in keys if int(key) > int(position)]

    @_patiently()
    def read(self, keys: Sequence[str]) -> Batch:
        """Return all that is told of these patients. Whoever is no patient is left out."""
        numbers = [int(key) for key in keys]
        with self._view() as view:
            words = self._dictionary(view)
            documents = assemble(_tables(view, words, numbers), words, read_at=self.clock().astimezone(self.zone))
            merges = [(str(loser), str(winner)) for loser, winner in view.rows(statements.MERGED, patients=numbers)]
        return Batch([told_by(document, self.zone) for document in documents], merges)

    @_patiently()
    def facility_code(self) -> str:
        """Return the code of the facility whose patients these are."""
        with self._view() as view:
            return self._dictionary(view).facility

    @_patiently()
    def treated(self) -> Sequence[Treated]:
        """Return what the site itself counts of each patient, without our reader of rows."""
        with self._view() as view:
            words = self._dictionary(view)
            meanings = {number: concept_known(number, words.names.get(number, "")) for number in words.questions}
            told = view.rows(
                statements.TREATED,
                forms=[number for number, name in words.forms.items() if form_of(number, None, name) is Form.PHARMACY],
                encounter_types=[number for number in range(1, 100) if form_of(None, number, None) is Form.PHARMACY],
                lines=[number for number, one in meanings.items() if one and one.kind is Kind.REGIMEN_LINE],
                durations=[number for number, one in meanings.items() if one and one.part is Part.SUPPLY_DAYS],
                groups=[number for number, one in meanings.items() if one and one.part is Part.ARV_GROUP],
            )
            return [Treated(str(uuid), n, None if on is None else date.fromisoformat(on)) for uuid, n, on in told]

    def _view(self) -> AbstractContextManager[Snapshot]:
        return snapshot(self.address, limit_seconds=self.limit_seconds)

    def _dictionary(self, view: Snapshot) -> Dictionary:
        if not self._words:
            self._words.append(read_dictionary(view, facility=self.facility))
        return self._words[0]


def told_by(document: Document, zone: tzinfo) -> Told:
    """Return what a document of a site tells of its patient."""
    data = document.message_data
    person = data.demographics if isinstance(data, Data) else None
    place = f"patient {person.patient_uuid}" if isinstance(person, Demographics) else "patient"
    try:
        return Told(place, read_document(document, zone=zone))
    except InvalidInput as problem:
        return Told(place, problem)


def _changed(view: Snapshot, since: datetime | None, zone: tzinfo) -> Iterator[int]:
    if since is None:
        yield from (number for (number,) in view.rows(statements.PATIENTS))
        return
    moment = f"'{since.astimezone(zone):%Y-%m-%d %H:%M:%S}'"
    for statement in statements.CHANGED:
        asked = statement.replace(":changed", statements.STAMPS).replace(":since", moment)
        yield from (number for (number,) in view.rows(asked) if number is not None)


def _tables(view: Snapshot, words: Dictionary, numbers: list[int]) -> Tables:
    return Tables(
        persons=list(view.rows(statements.PERSONS, patients=numbers)),
        places=list(view.rows(statements.PLACES, patients=numbers)),
        phones=list(view.rows(statements.PHONES, patients=numbers, phone_types=words.phone_types)),
        identifier_types=list(view.rows(statements.IDENTIFIER_TYPES, patients=numbers)),
        programs=list(view.rows(statements.PROGRAMS, patients=numbers)),
        encounters=list(view.rows(statements.ENCOUNTERS, patients=numbers)),
        obs=list(view.rows(statements.OBS, patients=numbers, questions=words.questions, phones=words.telephones)),
    )
