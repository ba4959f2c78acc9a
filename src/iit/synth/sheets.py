"""Everything that is written down of a refill cycle."""

from typing import NamedTuple

import numpy as np

from iit.synth.aftermath import Departure, Result, Tracing, departures, results, tracings
from iit.synth.scene import Scene
from iit.synth.visits import Visit, visits
from iit.synth.vitals import Vitals, vitals


class Sheet(NamedTuple):
    """One cycle as it is written down; `cycle` is its row in `Cycles`, `patient` the patient's in `People`."""

    cycle: int
    patient: int
    visit: Visit
    vitals: Vitals
    result: Result
    tracing: Tracing
    departure: Departure

    def __repr__(self) -> str:
        return "Sheet()"


def sheets(scene: Scene) -> list[Sheet]:
    """Return the sheets of the cycles whose pick-up was typed in while the facility reported, by patient and time."""
    seen = list(visits(scene))
    entered = np.array([visit.created for visit in seen], np.int64)
    rows = zip(
        scene.cycles.patient.tolist(),
        seen,
        vitals(scene),
        results(scene, entered),
        tracings(scene),
        departures(scene),
        (entered <= scene.last_day).tolist(),
        strict=True,
    )
    return [Sheet(cycle, *row) for cycle, (*row, is_exported) in enumerate(rows) if is_exported]
