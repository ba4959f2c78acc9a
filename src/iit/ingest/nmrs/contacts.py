"""Encounters: the forms that answers belong to. Voided ones fall away with all that is in them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from iit.domain.record import Event
from iit.domain.vocabulary import Kind
from iit.ingest.nmrs.concepts import Concept, Form, Part, form_of
from iit.ingest.nmrs.document import Encounter, Obs
from iit.ingest.nmrs.reading import NO_VALUE, SOURCE, Reading
from iit.ingest.nmrs.scalars import Scalar, identity, row_number, words

_NOT_TREATMENT = frozenset({"prep", "pep", "exposed", "exposure", "prophylaxis"})
_CLINICAL = frozenset({
    Form.CARE, Form.LABORATORY, Form.SAMPLE, Form.ENROLMENT, Form.INITIAL, Form.COMMENCEMENT, Form.PMTCT,
})  # fmt: skip


class Found(NamedTuple):
    """An answer with what its question means, its place among the rows, its day and the time its row was made."""

    row: Obs
    at: int
    concept: Concept
    occurred: datetime
    created: datetime | None

    def __repr__(self) -> str:
        return "Found()"

    def place(self, name: str) -> str:
        """Return where a field of the row lies in the document."""
        return f"messageData.obs[{self.at}].{name}"

    def source_id(self, reading: Reading) -> str | None:
        """Return the row's id: its UUID, else its number at the facility; None, with a caveat, where it has neither."""
        uuid = identity(self.row.obs_uuid)
        if uuid is not None:
            return uuid
        number = row_number(self.row.obs_id)
        if number is not None:
            return f"obs:{reading.facility}:{number}"
        reading.doubt(self.place("obsUuid"), "a row has no id")
        return None


@dataclass(slots=True, repr=False)
class Contact:
    """One form filled in on one day.

    Attributes:
        source_id: its UUID, else its number at the facility; "" where answers name no encounter.
        sequence: its number at the facility, or 0.
        form: what the form is for.
        form_name: the words of the form's name.
        occurred: its day; where it tells none, the first day of its answers.
        created: when its row was made; where it tells none, when the last of its answers was.
        parts: answers that are read together.
        usable: False where the whole form is left out.
    """

    source_id: str
    sequence: int
    form: Form
    form_name: frozenset[str]
    occurred: datetime | None = None
    created: datetime | None = None
    parts: dict[Part, list[Found]] = field(default_factory=dict)
    usable: bool = True
    is_dated: bool = True
    is_stamped: bool = True

    @property
    def has_uuid(self) -> bool:
        """Whether the source gave the form a UUID."""
        return bool(self.source_id) and not self.source_id.startswith("encounter:")

    @property
    def is_prevention(self) -> bool:
        """Whether the form dispenses ARVs to people without HIV: PrEP, PEP, exposed infants."""
        return bool(self.form_name & _NOT_TREATMENT)

    def learn(self, occurred: datetime, created: datetime | None) -> None:
        """Take from an answer what the encounter itself does not tell."""
        if not self.is_dated and (self.occurred is None or occurred < self.occurred):
            self.occurred = occurred
        if not self.is_stamped and created is not None and (self.created is None or created > self.created):
            self.created = created

    def of(self, part: Part) -> list[Found]:
        """Return the answers of a part."""
        return self.parts.get(part, [])

    def visit(self, reading: Reading) -> Event | None:
        """Return the clinical contact that the form proves, if it proves one. Tracking is no contact with a clinic."""
        if self.form not in _CLINICAL or not self.source_id or self.occurred is None:
            return None
        known = reading.known(self.occurred, self.created)
        return Event(Kind.VISIT, self.occurred, known, NO_VALUE, SOURCE, self.source_id, self.sequence)


class Contacts:
    """The encounters of a document, found by the answers that belong to them."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._by_uuid: dict[Scalar, Contact] = {}
        self._by_number: dict[int, Contact] = {}
        self._nameless: list[Contact] = []

    def add(self, index: int, row: Encounter) -> None:
        """Take an encounter. Raises InvalidInput where its date would have to be guessed."""
        place = f"messageData.encounters[{index}]"
        form_type = row.encounter_type_id or row.encounter_type
        contact = self._start(row.encounter_uuid, row.encounter_id, form_of(row.form_id, form_type, row.pmm_form))
        if not contact.source_id:
            self._reading.doubt(f"{place}.encounterUuid", "a row has no id")
            return
        contact.form_name = words(row.pmm_form)
        contact.occurred = self._reading.required_form(row.encounter_datetime, f"{place}.encounterDatetime")
        contact.created = self._reading.created(row.date_created, f"{place}.dateCreated")
        contact.is_dated, contact.is_stamped = contact.occurred is not None, contact.created is not None
        contact.usable = contact.is_dated or self._reading.moments[row.encounter_datetime] is None
        self._keep(contact, row.encounter_uuid)

    def of(self, row: Obs) -> Contact:
        """Return the encounter of an answer; one that the document does not list is made up from its answers."""
        contact = self._by_uuid.get(row.encounter_uuid) if row.encounter_uuid else None
        if contact is None:
            contact = self._by_number.get(row_number(row.encounter_id) or 0)
            if contact is not None and contact.has_uuid and identity(row.encounter_uuid):
                contact = None  # numbers repeat, UUIDs do not
        return contact or self._from_answer(row)

    def all(self) -> list[Contact]:
        """Return the usable encounters, each once."""
        known = [contact for contact in self._by_uuid.values() if contact.usable]
        numbered = [contact for contact in self._by_number.values() if contact.usable]
        return list({id(contact): contact for contact in (*known, *numbered, *self._nameless)}.values())

    def _from_answer(self, row: Obs) -> Contact:
        form = form_of(row.form_id, row.encounter_type, row.pmm_form)
        contact = self._start(row.encounter_uuid, row.encounter_id, form)
        contact.form_name = words(row.pmm_form)
        contact.is_dated = contact.is_stamped = False
        if contact.source_id:
            self._keep(contact, row.encounter_uuid)
        else:
            self._nameless.append(contact)
        return contact

    def _start(self, uuid: Scalar, number: Scalar, form: Form) -> Contact:
        sequence = row_number(number) or 0
        fallback = f"encounter:{self._reading.facility}:{sequence}" if sequence else ""
        return Contact(identity(uuid) or fallback, sequence, form, frozenset())

    def _keep(self, contact: Contact, uuid: Scalar) -> None:
        if identity(uuid) is not None:
            self._by_uuid[uuid] = contact
        if contact.sequence:
            self._by_number.setdefault(contact.sequence, contact)
