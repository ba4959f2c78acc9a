"""One cohort: train every model, judge all on the same rows, and time each part."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.model_quality.cohort import Cohort, make_cohort
from benchmarks.model_quality.figures import Drawn, draw
from benchmarks.model_quality.peers import ampath, earlier, earlier_habits, kenya_learner, lamis, simple
from benchmarks.model_quality.peers.recipe import (
    Judged,
    Peer,
    Scene,
    bounded,
    carried_over,
    judge,
    lesson_of,
    some_rows,
)
from iit.model.train import train

OURS: Final = "**Ours**"
LIMIT: Final = "Reachable limit"
BESIDE_LIMIT: Final = "Ours, on the rows of the limit"
RECIPES: Final[tuple[Peer, ...]] = (kenya_learner.PEER, ampath.PEER, earlier.PEER, lamis.PEER)
PEERS: Final[tuple[Peer, ...]] = (*RECIPES, *simple.PEERS)
LEAKS: Final = {
    "Kenya, site figures of the month after": kenya_learner.PEER.name,
    "AMPATH, folds by patient": ampath.PEER.name,
    "Earlier service, with its habits": earlier.PEER.name,
}


@dataclass(repr=False)
class Outcome:
    """What came of one cohort.

    Attributes:
        seed: of the cohort and of all training.
        everywhere: figures of each model over all landmarks.
        at_pickup: over the pick-up days alone.
        once: of each recipe over all landmarks, asked at the pick-up only as in service, the answer carried over.
        leaks: as each peer would have judged itself.
        seconds: of each part, in order.
    """

    seed: int
    everywhere: dict[str, Drawn] = field(default_factory=dict)
    at_pickup: dict[str, Drawn] = field(default_factory=dict)
    once: dict[str, Drawn] = field(default_factory=dict)
    leaks: dict[str, Drawn] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Add the time of a block to a part."""
        begin = perf_counter()
        yield
        self.seconds[part] = self.seconds.get(part, 0.0) + perf_counter() - begin


def run(patients: int, seed: int, rounds: int, threads: int) -> Outcome:
    """Return figures of all models on the cohort of a seed.

    Args:
        patients: of the cohort.
        seed: of the cohort and of all training.
        rounds: of the bootstrap.
        threads: for training; our model does not depend on them.
    """
    outcome = Outcome(seed)
    with outcome.timed("records, landmarks, features"):
        cohort = make_cohort(patients=patients, seed=seed)
        scene = Scene(cohort)
        cohort.features  # noqa: B018  computed here so that its time is told apart
    with threadpool_limits(threads):
        with outcome.timed(OURS):
            ours = judge(cohort, our_risks(cohort, seed=seed, threads=threads))
        _keep(outcome, OURS, ours, rounds)
        for peer in PEERS:
            _judge_peer(outcome, scene, peer, rounds, threads)
        _judge_limit(outcome, cohort, ours, rounds)
        _judge_leaks(outcome, scene, rounds, threads)
    return outcome


def our_risks(cohort: Cohort, *, seed: int, threads: int) -> NDArray[np.float64]:
    """Return the calibrated risks of the test rows by a model trained as `iit train` trains it."""
    trained = train(cohort.dataset, cohort.features, cohort.parts, seed=seed, threads=threads)
    return trained.risk(cohort.features[cohort.parts.test], threads=threads)


def _judge_peer(outcome: Outcome, scene: Scene, peer: Peer, rounds: int, threads: int) -> None:
    cohort, seed = scene.cohort, outcome.seed
    with outcome.timed(peer.name):
        told = peer.inputs(scene)
        score = peer.learn(lesson_of(cohort, told, seed=seed, threads=threads))(told[cohort.parts.test])
    _keep(outcome, peer.name, judge(cohort, score, tells_risk=peer.tells_risk), rounds)
    if peer not in RECIPES:
        return
    with outcome.timed("recipes asked once a visit"):
        at_pickup = cohort.dataset.landmark == 0
        learned = peer.learn(lesson_of(cohort, told, seed=seed, threads=threads, among=at_pickup))
        carried = carried_over(cohort, learned(told[cohort.parts.test & at_pickup]))
    with outcome.timed("bootstrap"):
        outcome.once[peer.name] = draw(judge(cohort, carried), rounds=rounds, seed=seed)


def _judge_limit(outcome: Outcome, cohort: Cohort, ours: Judged, rounds: int) -> None:
    """Keep the figures of one who knows all but the hidden frailty, and ours, on the test rows that tell it."""
    reachable = cohort.truth[cohort.parts.test, 1]
    told = ~np.isnan(reachable)
    _keep(outcome, LIMIT, some_rows(replace(ours, score=bounded(reachable)), told), rounds)
    _keep(outcome, BESIDE_LIMIT, some_rows(ours, told), rounds)


def _keep(outcome: Outcome, name: str, judged: Judged, rounds: int) -> None:
    with outcome.timed("bootstrap"):
        outcome.everywhere[name] = draw(judged, rounds=rounds, seed=outcome.seed)
        outcome.at_pickup[name] = draw(some_rows(judged, judged.at_pickup), rounds=rounds, seed=outcome.seed)


def _judge_leaks(outcome: Outcome, scene: Scene, rounds: int, threads: int) -> None:
    kenya_name, ampath_name, earlier_name = LEAKS
    seed = outcome.seed
    judged: dict[str, Judged] = {}
    with outcome.timed("with leaks"):
        judged[kenya_name] = kenya_learner.with_leak(scene, seed=seed, threads=threads)
        judged[ampath_name] = ampath.with_patient_folds(scene, ampath.inputs(scene), seed=seed, threads=threads)
        judged[earlier_name] = earlier_habits.with_its_habits(scene.cohort, seed=seed, threads=threads)
    with outcome.timed("bootstrap"):
        for name, one in judged.items():
            outcome.leaks[name] = draw(one, rounds=rounds, seed=seed)
