"""PID, PV1, MRG: who it is, what is told of the person, visits, death, and records that are one."""

from typing import Final

from iit.domain.errors import InvalidInput
from iit.domain.record import city_hash
from iit.domain.vocabulary import Kind
from iit.ingest.hl7.parse import Segment
from iit.ingest.hl7.reading import Identifier, Reading
from iit.ingest.nmrs.person import state_number
from iit.ingest.nmrs.scalars import text as plain

_SUREST: Final = ("MR", "PI", "PT", "MRN", "PE")  # HL7 table 0203: numbers a facility or programme gave the person
_NOT_THE_PERSON: Final = frozenset({"AN", "VN", "ANON", "AM", "BC", "CONSUMER"})  # accounts, visits, cards
_MOST: Final = 20  # identifiers of one person
_LONGEST: Final = 200
_SEXES: Final = {"M": 1.0, "F": 2.0}
_EXPIRED: Final = frozenset({"20", "40", "41", "42"})  # HL7 table 0112
_MOST_DIGITS_IN_A_TOWN: Final = 4  # more look like a phone number


def identifiers_of(segment: Segment, field: int, facility: str) -> tuple[Identifier, ...]:
    """Return the identifiers of a field of type CX, the surest first.

    An identifier is unique in its assigning authority; one whose authority has no universal id, in that of the
    assigning facility, else of the sender's.
    """
    found: dict[Identifier, int] = {}
    for repetition in segment.repetitions(field)[:_MOST]:
        value, kind = segment.part(repetition).strip(), segment.part(repetition, 5).strip().upper()
        if not value or len(value) > _LONGEST or kind in _NOT_THE_PERSON:
            continue
        authority, universal = segment.part(repetition, 4), segment.part(repetition, 4, 2)
        scope = universal or "\0".join((segment.part(repetition, 6) or facility, authority or kind))
        found.setdefault(Identifier(value, scope.upper()), _SUREST.index(kind) if kind in _SUREST else len(_SUREST))
    return tuple(sorted(found, key=lambda one: found[one]))


def person_of(reading: Reading) -> tuple[Identifier, ...]:
    """Return the identifiers of the person the message is about, and take what PID tells.

    Raises:
        InvalidInput: the message names nobody.
    """
    pid = reading.message.first("PID")
    if pid is None:
        raise InvalidInput("the segment is missing", place="PID")
    identifiers = identifiers_of(pid, 3, reading.facility) or identifiers_of(pid, 2, reading.facility)
    if not identifiers:
        raise InvalidInput("the patient's identifier is missing", place="PID-3")
    _take_person(pid, reading)
    _take_death(pid, reading)
    return identifiers


def take_visit(reading: Reading) -> None:
    """Take the visit of an admission, registration or discharge; a discharge may tell a death."""
    pv1, evn = reading.message.first("PV1"), reading.message.first("EVN")
    is_discharge = reading.header.trigger == "A03"
    told = [] if pv1 is None else [pv1.text(45 if is_discharge else 44)]
    told += [] if evn is None else [evn.text(6), evn.text(2)]
    occurred = reading.day(*told) or reading.at
    number = pv1.text(19) if pv1 is not None else ""
    moment = number or occurred.date().isoformat()
    reading.add(Kind.VISIT, occurred, reading.named("visit", moment, "out" if is_discharge else "in"))
    if is_discharge and pv1 is not None and pv1.text(36) in _EXPIRED:
        reading.add(Kind.DEATH, occurred, "person:DEATH")


def merged_of(reading: Reading) -> tuple[Identifier, ...]:
    """Return the identifiers of the record that is taken over.

    Raises:
        InvalidInput: none is named.
    """
    mrg = reading.message.first("MRG")
    merged = identifiers_of(mrg, 1, reading.facility) if mrg is not None else ()
    if not merged:
        raise InvalidInput("the identifier of the other record is missing", place="MRG-1")
    return merged


def _take_person(pid: Segment, reading: Reading) -> None:
    born = reading.moments[pid.text(7)] if pid.text(7) else None
    if born is not None and born <= reading.latest:
        reading.add_standing(Kind.BIRTH, float("nan"), occurred=born)
    sex = _SEXES.get(pid.text(8).upper())
    if sex is not None:
        reading.add_standing(Kind.SEX, sex)
    state = state_number(pid.text(11, 4))
    if state is not None:
        reading.add_standing(Kind.STATE, float(state))
    city = plain(pid.text(11, 3), longest=80)
    if city and sum(letter.isdigit() for letter in city) <= _MOST_DIGITS_IN_A_TOWN:
        reading.add_standing(Kind.CITY, float(city_hash(city)), text=city)
    if pid.raw(13) or pid.raw(14):
        has_phone = any(one not in ("", '""') for one in (pid.raw(13), pid.raw(14)))
        reading.add_standing(Kind.PHONE, float(has_phone))


def _take_death(pid: Segment, reading: Reading) -> None:
    told, dead = pid.text(29), pid.text(30).upper()
    if dead == "N":
        reading.add(Kind.DEATH, reading.at, "person:DEATH", is_retracted=True)
    elif dead == "Y" or told:
        occurred = reading.day(told) or reading.at
        reading.add(Kind.DEATH, occurred, "person:DEATH")
