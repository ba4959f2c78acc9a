"""What a cohort holds, in figures."""

from dataclasses import dataclass, field

from iit.domain.interruption import NEVER, CycleStatus, cycle_status
from iit.synth.blocks import Block


@dataclass(frozen=True, kw_only=True)
class CohortSummary:
    """A cohort in figures.

    Attributes:
        patients: documents written, one for each.
        facilities: patients by facility code.
        cycles: refill cycles with an exported pick-up; rows of `true_risks.csv`.
        resolved: cycles with a label: returned in time or interrupted.
        interruptions: of these, interrupted.
        competing: cycles ended by death, transfer or stop.
        n_bytes: size of all documents.
    """

    patients: int
    facilities: dict[str, int]
    cycles: int
    resolved: int
    interruptions: int
    competing: int
    n_bytes: int

    @property
    def prevalence(self) -> float:
        """Share of the resolved cycles that were interrupted; 0.0 where none is resolved."""
        return self.interruptions / self.resolved if self.resolved else 0.0


@dataclass
class Tally:
    """The figures of a cohort while it is being written."""

    patients: int = 0
    cycles: int = 0
    n_bytes: int = 0
    facilities: dict[str, int] = field(default_factory=dict)
    statuses: dict[int, int] = field(default_factory=dict)

    def count_document(self, datim: str, n_bytes: int) -> None:
        """Count a document."""
        self.patients += 1
        self.n_bytes += n_bytes
        self.facilities[datim] = self.facilities.get(datim, 0) + 1

    def count_cycles(self, block: Block) -> None:
        """Count what really became of each exported cycle."""
        cycles = block.scene.cycles
        expected, back = cycles.expected.tolist(), cycles.back.tolist()
        exits, last = cycles.exit_day.tolist(), block.scene.last_day.tolist()
        for sheet in block.sheets:
            i = sheet.cycle
            returned = back[i] if back[i] <= last[i] else NEVER
            left = exits[i] if exits[i] <= last[i] else NEVER
            status = cycle_status(sheet.visit.pickup, expected[i], returned, left, last[i])
            self.statuses[status] = self.statuses.get(status, 0) + 1
            self.cycles += 1

    def summary(self) -> CohortSummary:
        """Return the figures so far."""
        interrupted = self.statuses.get(CycleStatus.INTERRUPTED, 0)
        return CohortSummary(
            patients=self.patients,
            facilities=dict(sorted(self.facilities.items())),
            cycles=self.cycles,
            resolved=interrupted + self.statuses.get(CycleStatus.RETURNED, 0),
            interruptions=interrupted,
            competing=self.statuses.get(CycleStatus.COMPETING, 0),
            n_bytes=self.n_bytes,
        )
