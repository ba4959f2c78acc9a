"""The state of reading one document: its clock, its facility and the doubts that arise."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from iit.domain.errors import InvalidInput
from iit.domain.record import Event
from iit.domain.vocabulary import Kind
from iit.ingest.nmrs.moments import LATEST_YEAR, Fault, Moments
from iit.ingest.nmrs.scalars import Scalar

SOURCE: Final = "nmrs"
NO_VALUE: Final = float("nan")
_EXPORTED: Final = "messageHeader.messageCreationDateTime"
CLOCK_TOLERANCE: Final = timedelta(days=1)  # clocks of an exporting server and its clients differ


class Caveat(NamedTuple):
    """Something in a document that was left out or read with doubt. Holds no value of the patient.

    Attributes:
        place: where, for example `messageData.obs[3].valueNumeric`.
        reason: why; one of a small number of sentences, good for counting.
    """

    place: str
    reason: str


@dataclass(slots=True, repr=False)
class Reading:
    """What all parts of the reader share while one document is read.

    Attributes:
        moments: the dates of the facility's time zone.
        facility: DATIM code of the facility.
        exported_at: when the document was made, or None.
        latest: the last credible moment of a fact: a day after the export.
        is_on_art: False where the identifiers say that the patient takes ARVs to prevent HIV only.
        caveats: what was left out or read with doubt.
    """

    moments: Moments
    facility: str
    exported_at: datetime | None
    latest: datetime
    is_on_art: bool = True
    caveats: list[Caveat] = field(default_factory=list)

    def doubt(self, place: str, reason: str) -> None:
        """Note something left out or read with doubt."""
        self.caveats.append(Caveat(place, reason))

    def moment(self, written: Scalar, place: str) -> datetime | None:
        """Return a usable moment, not in the future; otherwise None, with a caveat unless nothing is written."""
        moment = self.moments[written]
        if isinstance(moment, Fault):
            self.doubt(place, moment.value)
            return None
        if moment is not None and moment > self.latest:
            self.doubt(place, "a date lies after the export")
            return None
        return moment

    def created(self, written: Scalar, place: str) -> datetime | None:
        """Return when a row was made, or None; a time after the export is kept: `known` brings it back."""
        moment = self.moments[written]
        if isinstance(moment, Fault):
            self.doubt(place, moment.value)
            return None
        return moment

    def required_form(self, written: Scalar, place: str) -> datetime | None:
        """Return a usable moment as `moment` does, of a field whose form must be right.

        Raises:
            InvalidInput: the date is written in a form that would have to be guessed; so will be all the others.
        """
        if self.moments[written] is Fault.FORM:
            raise InvalidInput(Fault.FORM.value, place=place)
        return self.moment(written, place)

    def known(self, occurred: datetime, created: datetime | None) -> datetime:
        """Return when a fact became known: when its row was made, not before it happened nor after the export."""
        if created is None:
            return occurred
        if self.exported_at is not None and created > self.exported_at:
            created = self.exported_at
        return created if created > occurred else occurred

    def own_event(self, kind: Kind, name: str, occurred: datetime, known: datetime, value: float = NO_VALUE) -> Event:
        """Return a fact told by the person's own block, named by its field."""
        return Event(kind, occurred, known, value, SOURCE, f"demographics:{name}")


def start_reading(moments: Moments, facility: str, exported: Scalar, received: datetime | None) -> Reading:
    """Return the reading of a document of a facility; an unusable time of export is noted and ignored.

    Raises:
        InvalidInput: the export is from the future: a clock is wrong, and what it says would hide later exports.
    """
    moment = moments[exported]
    exported_at = moment if isinstance(moment, datetime) else None
    latest = datetime(LATEST_YEAR, 12, 31, tzinfo=moments.zone) if received is None else received + CLOCK_TOLERANCE
    reading = Reading(moments, facility, exported_at, latest)
    if isinstance(moment, Fault):
        reading.doubt(_EXPORTED, moment.value)
    if exported_at is not None and received is not None and exported_at > latest:
        raise InvalidInput("lies in the future", place=_EXPORTED)
    if exported_at is not None:
        reading.latest = min(latest, exported_at + CLOCK_TOLERANCE)
    return reading
