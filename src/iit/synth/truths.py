"""The table of true risks beside a synthetic cohort: what a model can be held against.

One row for each exported cycle. A landmark's field is empty where nothing can be asked that day: the patient is back
or has left, or the day lies after the facility's last report.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from iit.domain.landmarks import LANDMARK_OFFSETS
from iit.domain.record import day_date
from iit.synth.people import Bools
from iit.synth.scene import Scene
from iit.synth.sheets import Sheet

COLUMNS: Final = (
    "patient_uuid", "index_date", "expected_date", "risk", "reachable_pickup", "reachable_m14", "reachable_m7",
    "reachable_0", "reachable_p7", "reachable_p14", "reachable_p21",
)  # fmt: skip


def open_landmarks(scene: Scene) -> Bools:
    """Return (c, 7): whether the patient is still out at the end of the pick-up day and of each landmark."""
    cycles = scene.cycles
    days = cycles.expected[:, None] + np.array(LANDMARK_OFFSETS)
    is_open = (days > cycles.pickup[:, None]) & (days < scene.end[:, None]) & (days <= scene.last_day[:, None])
    return np.concatenate([np.ones((len(cycles), 1), np.bool_), is_open], axis=1)


def truth_lines(scene: Scene, sheets: Sequence[Sheet], uuids: Sequence[str]) -> Iterator[str]:
    """Yield the rows of `true_risks.csv` for the sheets, in their order, without line ends."""
    reachable = scene.cycles.reachable.tolist()
    is_open = open_landmarks(scene).tolist()
    risks = scene.cycles.risk.tolist()
    for sheet in sheets:
        visit = sheet.visit
        told = [
            f"{risk:.6f}" if asked else ""
            for risk, asked in zip(reachable[sheet.cycle], is_open[sheet.cycle], strict=True)
        ]
        yield ",".join((
            uuids[sheet.patient],
            day_date(visit.pickup).isoformat(),
            day_date(visit.pickup + visit.supply).isoformat(),
            f"{risks[sheet.cycle]:.6f}",
            *told,
        ))  # fmt: skip
