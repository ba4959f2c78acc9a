"""What all parts share while one report is read."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from iit.domain.vocabulary import Kind
from iit.ingest.ndr.codes import answer
from iit.ingest.ndr.parse import Part
from iit.ingest.nmrs.moments import Moments
from iit.ingest.nmrs.scalars import number
from iit.ingest.statement import Saying

SOURCE: Final = "ndr"


@dataclass(frozen=True, repr=False)
class Report:
    """The state of reading one report.

    Attributes:
        saying: what it says so far.
        moments: times of the facility's zone.
    """

    saying: Saying
    moments: Moments

    def any_day(self, part: Part, name: str) -> datetime | None:
        """Return a day that may lie ahead; None, with a caveat unless nothing is written, where it is none."""
        found = self.moments[part.text(name)]
        if isinstance(found, datetime):
            return found.replace(hour=0, minute=0, second=0, microsecond=0)
        if found is not None:
            self.saying.caveats.append(f"{name}: {found.value}")
        return None

    def day(self, part: Part, *names: str) -> datetime | None:
        """Return the first day that is told and had come when the message was made."""
        for name in names:
            found = self.any_day(part, name)
            if found is not None and found <= self.saying.at:
                return found
            if found is not None:
                self.saying.caveats.append(f"{name}: lies after the message")
        return None

    def coded(self, part: Part, name: str, kind: Kind, on: datetime, source_id: str) -> None:
        """Take a coded answer."""
        code = part.text(name)
        found = answer(kind, code) if code else None
        if found is not None:
            self.saying.add(kind, on, source_id, value=float(found))
        elif code:
            self.saying.caveats.append(f"{name}: a code is none of the known ones")

    def measured(self, kind: Kind, written: str, bounds: tuple[float, float], on: datetime, source_id: str) -> None:
        """Take a number that is credible."""
        value = number(written)
        if value is not None and bounds[0] <= value <= bounds[1]:
            self.saying.add(kind, on, source_id, value=value)
        elif written:
            self.saying.caveats.append(f"{kind.name}: a value is not credible")
