"""SIU: appointments made, moved, changed, cancelled, and not kept."""

from typing import Final

from iit.domain.errors import InvalidInput
from iit.domain.record import day_number
from iit.domain.vocabulary import Kind
from iit.ingest.hl7.reading import Reading

_CANCELLED: Final = "S15"
_NOT_KEPT: Final = "S26"
_STARTS: Final = {"TQ1": (7,), "AIS": (4,), "AIL": (6,), "AIP": (6,), "AIG": (8,)}


def take_appointment(reading: Reading) -> None:
    """Take what a message says of one appointment.

    Raises:
        InvalidInput: it names no appointment, or no day where it must.
    """
    sch = reading.message.first("SCH")
    if sch is None:
        raise InvalidInput("the segment is missing", place="SCH")
    number = sch.text(2) or sch.text(1)
    if not number:
        raise InvalidInput("the appointment's number is missing", place="SCH-2")
    told = [sch.text(11, 4)]
    told += [
        segment.text(place)
        for segment in reading.message.segments(*_STARTS)
        for place in _STARTS[segment.name]
    ]  # fmt: skip
    start = next((moment for one in told if one and (moment := reading.moments.exact(one)) is not None), None)
    trigger = reading.header.trigger
    if start is None and trigger != _CANCELLED:
        raise InvalidInput("the day of the appointment is missing", place="SCH-11")
    value = float("nan") if start is None else float(day_number(start))
    is_off = trigger == _CANCELLED
    if trigger == _NOT_KEPT:
        reading.add(Kind.NO_SHOW, reading.at, reading.named("no-show", number), value=value)
    else:
        reading.add(
            Kind.APPOINTMENT, reading.at, reading.named("appointment", number), value=value, is_retracted=is_off
        )
