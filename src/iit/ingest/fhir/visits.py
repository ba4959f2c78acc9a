"""Encounter, EpisodeOfCare, Appointment: contacts, enrolment, days agreed upon and not kept."""

from typing import Final

from iit.domain.record import day_number
from iit.domain.vocabulary import Kind
from iit.ingest.fhir.moments import moment_of
from iit.ingest.fhir.reading import Reading
from iit.ingest.fhir.resources import Appointment, CodeableConcept, Encounter, EpisodeOfCare
from iit.ingest.hl7.reading import TIE_BITS
from iit.ingest.nmrs.concepts import Form, form_of
from iit.ingest.nmrs.scalars import normal

_HAPPENED: Final = frozenset({"arrived", "triaged", "in-progress", "onleave", "finished", None})
_NO_CONTACT: Final = frozenset({Form.PHARMACY, Form.TRACKING})
"""Forms that prove no clinical contact: a pick-up is told by its dispense, and tracking happens elsewhere."""

_VIRTUAL: Final = "VR"  # HL7 ActCode: by phone or video
_OPENMRS_VISIT: Final = "http://fhir.openmrs.org/code-system/visit-type"  # holds encounters, which are told themselves
_MADE: Final = frozenset({"proposed", "pending", "booked", "waitlist", None})
_CAME_TO_PASS: Final = frozenset({"arrived", "fulfilled", "checked-in", "noshow"})
_HIV: Final = frozenset({"hiv", "hivcare", "hivprogram", "hivprogramme", "hivtreatment", "art", "arthivprogram"})


def take_encounter(encounter: Encounter, reading: Reading) -> None:
    """Take the visit that an Encounter tells."""
    if reading.is_withdrawn:
        reading.retract(Kind.VISIT, "")
        return
    is_virtual = encounter.class_ is not None and encounter.class_.code == _VIRTUAL
    if is_virtual or not all(_is_contact(one) for one in encounter.type):
        reading.notes.append("it is no clinical contact by itself: left out")
        return
    occurred = reading.moment(None if encounter.period is None else encounter.period.start)
    if encounter.status not in _HAPPENED or occurred is None:
        reading.notes.append("it has not happened, or has no usable time: left out")
        return
    reading.add(Kind.VISIT, occurred)


def take_episode(episode: EpisodeOfCare, reading: Reading) -> None:
    """Take the enrolment that an EpisodeOfCare of HIV care tells."""
    named = [normal(name) for one in episode.type for name in (one.text, *(c.display for c in one.coding)) if name]
    if not _HIV & set(named):
        reading.notes.append("it is no episode of HIV care: left out")
        return
    if reading.is_withdrawn:
        reading.retract(Kind.ENROLMENT, "")
        return
    began = reading.moment(None if episode.period is None else episode.period.start)
    if began is None:
        reading.notes.append("it has no usable time: left out")
        return
    reading.add(Kind.ENROLMENT, began, value=float(day_number(began)))


def take_appointment(appointment: Appointment, reading: Reading) -> None:
    """Take the day agreed upon, and that it was not kept.

    What came to pass is told of a day agreed upon long before: it counts as known since the appointment was made, and
    does not replace what was told then.
    """
    if reading.is_withdrawn:
        reading.retract(Kind.APPOINTMENT, "")
        reading.retract(Kind.NO_SHOW, "no-show")
        return
    start = moment_of(appointment.start, reading.zone)
    if start is None or appointment.status not in _MADE | _CAME_TO_PASS:
        reading.notes.append("it has no usable day, or a status that is not known: left out")
        return
    made = reading.moment(appointment.created)
    day = float(day_number(start))
    if appointment.status in _CAME_TO_PASS and made is not None:
        past = int(made.timestamp()) << TIE_BITS
        reading.add(Kind.APPOINTMENT, made, value=day, known=made, sequence=past)
    else:
        reading.add(Kind.APPOINTMENT, made or reading.at, value=day)
    if appointment.status == "noshow":
        reading.add(Kind.NO_SHOW, min(start, reading.at), part="no-show", value=day)


def _is_contact(kind: CodeableConcept) -> bool:
    if any(one.system == _OPENMRS_VISIT for one in kind.coding):
        return False
    names = [kind.text, *(one.display for one in kind.coding), *(one.code for one in kind.coding)]
    return all(form_of(None, name, name) not in _NO_CONTACT for name in names if name)
