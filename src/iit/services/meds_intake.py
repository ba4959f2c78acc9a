"""Taking in MEDS datasets: our own give the same records again, those of others give facts of the source `meds`."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final

from iit.domain.access import Principal
from iit.domain.errors import InvalidInput
from iit.domain.record import Patient, make_record
from iit.domain.status import status_of
from iit.ingest import nmrs
from iit.ingest.fhir.reading import is_uuid
from iit.ingest.hl7.reading import Identifier, Mapped
from iit.ingest.meds import Dataset, History, histories, open_dataset
from iit.ingest.nmrs import Imported
from iit.ingest.nmrs.reading import CLOCK_TOLERANCE
from iit.ingest.sources import SourceDocument
from iit.ingest.statement import Statement
from iit.services.identities import Identities
from iit.services.intake import BATCH, Intake, IntakeSummary
from iit.services.statements import OnRejected, Statements
from iit.store import facilities as facility_store
from iit.store.database import Database

_NO_FACILITY: Final = "no facility is told: give --facility"
_NO_UUID: Final = "patient_uuid is no UUID, and facts of this source need one"


@dataclass(frozen=True)
class MedsIntake:
    """Takes datasets into the database.

    Attributes:
        database: where records are kept.
        intake: takes in full histories.
        identities: who a stranger's subject is.
        clock: the present time, aware, in the facilities' zone.
    """

    database: Database
    intake: Intake
    identities: Identities
    clock: Callable[[], datetime]

    def take(
        self,
        root: Path,
        *,
        who: Principal,
        facility: str | None = None,
        summary: IntakeSummary | None = None,
        on_rejected: OnRejected | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> IntakeSummary:
        """Take in the dataset in a folder; a subject at fault is rejected with its place, and the others go on.

        With `subjects.csv` beside it, each fact belongs to the source and patient that it was exported of: where NMRS
        told a patient's history, a newer one here stands. Without it, subjects become patients of their own, the same
        in each dataset of that name, and their facts the source `meds`'s. Idempotent.

        Args:
            root: folder of the dataset.
            who: imports; a subject of a patient outside their scope is rejected.
            facility: code of the facility of strangers where the dataset names none.
            summary: of what was taken in before, to which this is added.
            on_rejected: is handed each subject that is not taken.
            on_progress: is told the number of histories done.

        Returns:
            What became of every history: all that one source tells of one subject.

        Raises:
            InvalidInput: the folder holds no dataset. Unavailable: the database went away, or the libraries are not
                installed; what was taken before is kept, and a repeat continues.
        """
        now = self.clock()
        dataset = open_dataset(root, zone=self.intake.zone)
        taking = _Taking(self, dataset, who, facility, on_rejected, summary or IntakeSummary())
        found = histories(dataset, zone=self.intake.zone, latest=now + CLOCK_TOLERANCE)
        while batch := list(islice(found, BATCH)):
            taking.take(batch)
            if on_progress is not None:
                on_progress(len(batch))
        with self.database.transaction() as tx:
            facility_store.tell(tx, dataset.facilities)
        return taking.summary


@dataclass(repr=False)
class _Taking:
    parts: MedsIntake
    dataset: Dataset
    who: Principal
    facility: str | None
    on_rejected: OnRejected | None
    summary: IntakeSummary

    def take(self, batch: Iterable[History]) -> None:
        readable = [one for one in batch if self._is_readable(one)]
        whole = [
            (one.place, _imported(one, one.patient)) for one in readable if one.patient and one.source == nmrs.SOURCE
        ]
        if whole:
            self.parts.intake.take_read(whole, self.summary, who=self.who, before=lambda _: None)
        others = [one for one in readable if one.patient is None or one.source != nmrs.SOURCE]
        for source in sorted({one.source for one in others}):
            statements = Statements(self.parts.database, self.parts.identities, source, self.who, self.on_rejected)
            statements.summary = self.summary
            statements.take(self._statements(one for one in others if one.source == source))

    def _is_readable(self, one: History) -> bool:
        self.summary.warnings.update(one.caveats)
        problem = one.problem or self._problem(one)
        if problem is None:
            return True
        self.summary.n_read += 1
        rejection = self.summary.reject(one.place, problem)
        if self.on_rejected is not None:
            self.on_rejected(SourceDocument(one.place, b""), rejection)
        return False

    def _problem(self, one: History) -> InvalidInput | None:
        if one.patient is None:
            return None if one.facility or self.facility else InvalidInput(_NO_FACILITY)
        if one.source != nmrs.SOURCE and not is_uuid(one.patient.patient_uuid):
            return InvalidInput(_NO_UUID)
        return None

    def _statements(self, found: Iterable[History]) -> Iterator[Statement]:
        for one in found:
            facility = one.facility or self.facility or ""
            yield Statement(one.place, Mapped(facility, (self._identifier(one),), (), one.facts, ()))

    def _identifier(self, one: History) -> Identifier:
        if one.patient is not None:
            return Identifier(one.patient.patient_uuid, "UUID")
        return Identifier(str(one.subject_id), f"MEDS\0{self.dataset.name}".upper())


def _imported(one: History, patient: Patient) -> Imported:
    """Return a patient's history as NMRS told it."""
    record = make_record(patient, [fact.event for fact in one.facts])
    known = patient._replace(status=status_of(record.events))
    return Imported(record._replace(patient=known), (), len(one.facts), 0, known.facility_name, None,
                    known.exported_at)  # fmt: skip
