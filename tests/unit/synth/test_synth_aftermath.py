import numpy as np
import pytest

from iit.domain.interruption import NEVER
from iit.synth.aftermath import departures, results, tracings
from iit.synth.course import Cycles
from iit.synth.facilities import Facility
from iit.synth.people import People
from iit.synth.scene import Scene
from iit.synth.visits import Visit, entry_days, visits


@pytest.fixture(scope="module")
def scene(world: tuple[tuple[Facility, ...], People, Cycles]) -> Scene:
    facilities, people, cycles = world
    return Scene(cycles=cycles, people=people, facilities=facilities, rng=np.random.default_rng(8))


def test_patients_are_traced_only_while_they_are_out_and_long_enough(scene: Scene) -> None:
    traced = np.array([tracing.attempted for tracing in tracings(scene)])
    asked = traced > 0

    late = (traced - scene.cycles.expected)[asked]
    assert asked.sum() > 500
    assert late.min() >= 14 and late.max() <= 60
    assert (traced < scene.end)[asked].all()
    assert (traced <= scene.last_day).all()


def test_a_return_is_noted_only_once_it_has_happened(scene: Scene) -> None:
    returned = np.array([tracing.returned for tracing in tracings(scene)])
    noted = returned > 0

    assert noted.sum() > 100
    assert (returned == scene.cycles.back)[noted].all()
    assert (returned <= scene.last_day).all()


def test_files_are_closed_as_lost_long_after_the_interruption(scene: Scene) -> None:
    closed = np.array([tracing.closed for tracing in tracings(scene)])

    assert (closed > 0).sum() > 100
    assert (closed - scene.cycles.expected)[closed > 0].min() >= 28 + 60
    assert (closed < scene.end)[closed > 0].all()
    assert (closed <= scene.last_day).all()


def test_an_end_of_care_is_written_down_within_three_weeks_or_not_yet(scene: Scene) -> None:
    found = list(departures(scene))
    documented = np.array([one.documented for one in found])
    has_left = scene.cycles.exit_day < NEVER

    told = documented > 0
    assert not told[~has_left].any()
    assert (documented <= scene.last_day).all()
    assert set((documented - scene.cycles.exit_day)[told].tolist()) == set(range(21))
    assert all(one.is_on_form or one.is_in_person_block for one in found if one.documented)
    assert {one.reason for one in found if one.is_in_person_block} == {165889}


def test_results_are_known_weeks_after_the_specimen(scene: Scene) -> None:
    entered = entry_days(scene)
    found = list(results(scene, entered))
    reported = np.array([one.reported for one in found])
    created = np.array([one.created for one in found])

    known = reported > 0
    assert set((reported - scene.cycles.pickup)[known].tolist()) == set(range(10, 46))
    assert (created >= np.maximum(reported, entered))[known].all()
    assert (created <= scene.last_day).all()
    assert 0.80 < known.sum() / (~np.isnan([one.copies_ml for one in found])).sum() < 0.96


def test_one_facility_types_in_weeks_late_and_the_others_mostly_at_once(scene: Scene) -> None:
    facility = scene.people.facility[scene.cycles.patient]
    lag = np.where(scene.cycles.number > 0, entry_days(scene) - scene.cycles.pickup, 0)
    typical = [float(np.median(lag[(facility == f) & (scene.cycles.number > 0)])) for f in range(14)]

    assert sorted(typical)[-1] > 14
    assert sorted(typical)[-2] <= 1


def test_appointments_are_mostly_the_end_of_the_supply(scene: Scene) -> None:
    seen: list[Visit] = list(visits(scene))
    off = np.array([visit.appointment - visit.pickup - visit.supply for visit in seen])

    assert (off == 0).mean() > 0.78
    assert set(np.unique(off).tolist()) <= {-7, -6, 0, 1, 7, 8}
