"""What a site of OpenMRS told, whichever way it was asked."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from iit.domain.errors import InvalidInput
from iit.ingest.nmrs import Imported


class Told(NamedTuple):
    """What was told of one patient: the record, or why it cannot be read. `place` names the patient by UUID."""

    place: str
    outcome: Imported | InvalidInput

    def __repr__(self) -> str:
        return "Told()"


class Batch(NamedTuple):
    """What was told of some patients.

    Attributes:
        told: of each.
        merges: pairs (voided patient, patient whose record goes on) by UUID, in the order in which they were made.
    """

    told: Sequence[Told]
    merges: Sequence[tuple[str, str]] = ()

    def __repr__(self) -> str:
        return f"Batch({len(self.told)} patients)"


class Treated(NamedTuple):
    """How many pick-ups a patient has had, and the day of the last; None where there was none."""

    patient_uuid: str
    n_pickups: int
    last_on: date | None

    def __repr__(self) -> str:
        return "Treated()"
