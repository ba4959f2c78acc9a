"""The person's own block: birth, sex, place, phone, enrolment, death, and whose patient it is."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from msgspec import UnsetType

from iit.domain.record import Event, city_hash, day_number, record_order
from iit.domain.vocabulary import NIGERIAN_STATES, TERMINATION_DIED, Kind
from iit.ingest.nmrs.document import Demographics, Identifier, Program
from iit.ingest.nmrs.reading import SOURCE, Reading
from iit.ingest.nmrs.scalars import Scalar, flag, identity, is_blank, normal, row_number, text
from iit.ingest.nmrs.standing import Rows

PLACE: Final = "messageData.demographics"
HIV_PROGRAM: Final = 1
ART_NUMBER: Final = 4  # identifier types
PREVENTION_NUMBERS: Final = frozenset({7, 9})  # exposed infant, PEP

_SEXES: Final = {"m": "M", "male": "M", "f": "F", "female": "F"}
_STATES: Final = {normal(name): place for place, name in enumerate(NIGERIAN_STATES, 1)} | {
    alias: NIGERIAN_STATES.index(name) + 1
    for name, aliases in {
        "FCT": ("abuja", "federalcapitalterritory", "fctabuja", "abujafct", "abujafederalcapitalterritory"),
        "Nasarawa": ("nassarawa",),
        "Akwa Ibom": ("akwaibon",),
        "Cross River": ("crossrivers",),
        "Rivers": ("river",),
    }.items()
    for alias in aliases
}
_MOST_DIGITS_IN_A_TOWN: Final = 4  # more look like a phone number


class Person(NamedTuple):
    """What the block tells of a person."""

    born: datetime | None
    sex: str | None
    state: int | None
    city: str | None
    has_phone: bool | None

    def __repr__(self) -> str:
        return "Person()"


def read_person(block: Demographics, reading: Reading) -> Person:
    """Return the person. Raises InvalidInput where the birthdate would have to be guessed."""
    born = reading.required_form(block.birthdate, f"{PLACE}.birthdate")
    sex = _SEXES.get(normal(text(block.gender) or ""))
    state = state_number(block.state_province)
    city = text(block.city_village, longest=80)
    if sex is None and not is_blank(block.gender):
        reading.doubt(f"{PLACE}.gender", "a sex is not known")
    if state is None and not is_blank(block.state_province):
        reading.doubt(f"{PLACE}.stateProvince", "a state is not known")
    if city is not None and sum(letter.isdigit() for letter in city) > _MOST_DIGITS_IN_A_TOWN:
        reading.doubt(f"{PLACE}.cityVillage", "a town looks like a number")
        city = None
    phone = block.phone_number
    has_phone = None if isinstance(phone, UnsetType) else not is_blank(phone) and str(phone).strip() != "0"
    return Person(born, sex, state, city, has_phone)


def state_number(name: Scalar) -> int | None:
    """Return a state's place in `NIGERIAN_STATES`, from 1, however it is written; None where it is none of them."""
    plain = normal(str(name or ""))
    return _STATES.get(plain) or _STATES.get(plain.removesuffix("state"))


def takes_treatment(identifiers: Rows[Identifier]) -> bool:
    """Return False for those known by a PEP or exposed-infant number but no ART number."""
    types = {row_number(row.identifier_type) for _, row in identifiers if flag(row.voided) is False}
    return ART_NUMBER in types or not types & PREVENTION_NUMBERS


def person_events(person: Person, block: Demographics, others: Sequence[Event], reading: Reading) -> Iterator[Event]:
    """Yield the facts of the person, dated by the day the row was made, for it tells only today's state.

    Without such a day they are dated by the first of the other facts, else by the export.
    """
    made = reading.moment(block.date_created, f"{PLACE}.dateCreated")
    if made is None:
        made = min(others, key=record_order).occurred_at if others else reading.exported_at
    if made is None:
        reading.doubt(f"{PLACE}.dateCreated", "nothing tells when the person was registered")
        return
    if person.born is not None:
        yield reading.own_event(Kind.BIRTH, "birthdate", person.born, max(made, person.born))
    values = (
        (Kind.SEX, "gender", None if person.sex is None else 1 + (person.sex == "F")),
        (Kind.STATE, "stateProvince", person.state),
        (Kind.CITY, "cityVillage", None if person.city is None else city_hash(person.city)),
        (Kind.PHONE, "phoneNumber", person.has_phone),
    )
    for kind, name, value in values:
        if value is not None:
            yield reading.own_event(kind, name, made, made, float(value))


def enrolment_events(programs: Rows[Program], reading: Reading) -> Iterator[Event]:
    """Yield the enrolments in the HIV programme."""
    for index, row in programs:
        place = f"messageData.patientPrograms[{index}]"
        program = row_number(row.program_id)
        if program != HIV_PROGRAM and not (program is None and normal(str(row.program_name)) == "hiv"):
            continue
        enrolled = reading.moment(row.date_enrolled, f"{place}.dateEnrolled")
        if enrolled is None:
            continue
        number = row_number(row.patient_program_id) or 0
        source_id = identity(row.patient_program_uuid) or (number and f"program:{reading.facility}:{number}")
        if not source_id:
            reading.doubt(f"{place}.patientProgramUuid", "a row has no id")
            continue
        known = reading.known(enrolled, reading.created(row.date_created, f"{place}.dateCreated"))
        yield Event(Kind.ENROLMENT, enrolled, known, float(day_number(enrolled)), SOURCE, source_id, number)


def death_events(block: Demographics, others: Sequence[Event], reading: Reading) -> Iterator[Event]:
    """Yield the death, if the block tells one.

    Without a date of death it is dated by the last termination by death, else by the day it became known.
    """
    dead = flag(block.dead)
    if dead is None:
        reading.doubt(f"{PLACE}.dead", "a mark is neither yes nor no")
    if not dead:
        if not is_blank(block.death_date):
            reading.doubt(f"{PLACE}.deathDate", "a date of death is told of somebody alive")
        return
    learnt = reading.moment(block.date_changed, f"{PLACE}.dateChanged") or reading.exported_at
    died = reading.moment(block.death_date, f"{PLACE}.deathDate")
    if died is None:
        reading.doubt(f"{PLACE}.deathDate", "a death has no usable date")
        ends = [one.occurred_at for one in others if one.kind is Kind.TERMINATION and one.value == TERMINATION_DIED]
        died = max(ends) if ends else learnt or max((one.known_at for one in others), default=None)
    if died is None:
        return
    known = died if learnt is None else max(died, learnt)
    yield reading.own_event(Kind.DEATH, "dead", died, known)
