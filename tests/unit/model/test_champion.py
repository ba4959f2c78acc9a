"""The model in service: order of fallback, and changing over under load while files are damaged."""

import json
import os
import shutil
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from model_cases import a_dataset, bundle_files
from prometheus_client import REGISTRY

from iit.domain.errors import Unavailable
from iit.domain.risk import Source
from iit.model.bundle import EXPORT, bundle_of, load_bundle, write_bundle
from iit.model.registry import Registry
from iit.model.scorer import Scorer
from iit.services.champion import Champion

ROWS = a_dataset(n=8, seed=4)[1]
SEEDS = {"v1": 1, "v2": 2}
FILES = {version: bundle_files(version, seed=seed) for version, seed in SEEDS.items()}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """v2 serves, v1 did before."""
    registry = Registry(tmp_path)
    for version, files in FILES.items():
        registry.add(
            {"version": version, "status": "candidate", "bundle_sha256": write_bundle(tmp_path, version, files)}
        )
        registry.promote(version)
    return tmp_path


def looking_always(models: Path) -> Champion:
    ticks = count(0, 100)
    return Champion(models, lambda: float(next(ticks)))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x01
    path.write_bytes(bytes(data))


def failures(role: str) -> float:
    return REGISTRY.get_sample_value("iit_model_load_failures_total", {"role": role}) or 0.0


@pytest.mark.parametrize(
    ("damaged", "version", "source"),
    [
        pytest.param([], "v2", Source.CHAMPION, id="nothing"),
        pytest.param(["v2/model.txt"], "v1", Source.PREVIOUS, id="the champion's trees"),
        pytest.param(["v2/model.txt", "v1/model.txt"], "v2", Source.SCORECARD, id="all trees"),
        pytest.param(["v2/bundle.json", "v1/card.md"], "v1", Source.SCORECARD, id="the champion's numbers"),
        pytest.param(["v2/SHA256SUMS", "v1/model.txt"], "v1", Source.SCORECARD, id="the champion's sums"),
    ],
)
def test_the_best_that_is_whole_serves(models: Path, damaged: list[str], version: str, source: Source) -> None:
    before = failures("champion")
    for name in damaged:
        flip(models / name)
    serving = looking_always(models).current()
    assert (serving.scorer.version, serving.source) == (version, source)
    assert failures("champion") - before == (1 if damaged else 0)
    bundle = bundle_of(version, FILES[version])
    expected = bundle.scorecard.risk(ROWS) if source is Source.SCORECARD else Scorer(bundle).score(ROWS)
    assert np.array_equal(serving.scorer.score(ROWS), expected)


@pytest.mark.parametrize("damage", [flip, os.unlink, lambda path: path.write_bytes(b"")], ids=["bit", "gone", "empty"])
def test_with_nothing_left_there_is_no_answer(models: Path, damage: Callable[[Path], None]) -> None:
    for version in SEEDS:
        damage(models / version / "bundle.json")
    with pytest.raises(Unavailable):
        looking_always(models).current()


def test_a_damaged_registry_changes_nothing_for_a_running_model(models: Path) -> None:
    champion = looking_always(models)
    before = champion.current()
    for content in ("", "[]", '{"champion": "v1"}'):
        (models / "registry.json").write_text(content)
        assert champion.current() == before


def test_at_start_a_damaged_registry_leaves_nothing_to_trust(models: Path) -> None:
    (models / "registry.json").write_text("{")
    with pytest.raises(Unavailable):
        looking_always(models).current()


def test_a_champion_that_was_repaired_serves_again(models: Path) -> None:
    flip(models / "v2" / "model.txt")
    champion = looking_always(models)
    assert champion.current().source is Source.PREVIOUS
    flip(models / "v2" / "model.txt")
    assert champion.current().source is Source.CHAMPION


def test_trees_in_memory_go_before_a_scorecard(models: Path) -> None:
    champion = looking_always(models)
    champion.current()
    for version in SEEDS:
        flip(models / version / "model.txt")
    told = json.loads((models / "registry.json").read_text())
    (models / "registry.json").write_text(json.dumps({**told, "champion": "v1", "previous": None}))
    serving = champion.current()
    assert (serving.scorer.version, serving.source) == ("v2", Source.PREVIOUS)


def test_looking_costs_nothing_while_nothing_changes(models: Path) -> None:
    champion = looking_always(models)
    before = champion.current().scorer
    shutil.rmtree(models / "v2")
    assert champion.current().scorer is before


def test_the_export_of_the_champion_lies_on_top(models: Path) -> None:
    registry = Registry(models)
    assert (models / EXPORT).read_bytes() == FILES["v2"][EXPORT]
    registry.roll_back()
    assert (models / EXPORT).read_bytes() == FILES["v1"][EXPORT]
    assert not [path.name for path in models.iterdir() if path.name.startswith(f".{EXPORT}")]


class Load:
    """Threads that score all the time, and what they saw go wrong."""

    def __init__(self, champion: Champion, n: int = 3) -> None:
        expected = {version: Scorer(bundle_of(version, FILES[version])).score(ROWS) for version in SEEDS}
        self.wrong: list[str] = []
        self.versions: set[str] = set()
        self.n_scored = 0
        self._stop = threading.Event()

        def score() -> None:
            while not self._stop.is_set():
                try:
                    scorer, source = champion.current()
                    if source is Source.SCORECARD or not np.array_equal(scorer.score(ROWS), expected[scorer.version]):
                        self.wrong.append(f"{source} {scorer.version}")
                    scorer.explain(ROWS[:1], 3)
                except Exception as problem:  # noqa: BLE001 - whatever it is, it is a failed request
                    self.wrong.append(repr(problem))
                self.versions.add(scorer.version)
                self.n_scored += 1

        self._threads = [threading.Thread(target=score) for _ in range(n)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_changing_over_fails_no_request(models: Path) -> None:
    registry, champion = Registry(models), looking_always(models)
    champion.current()
    with Load(champion) as load:
        for turn in range(20):
            registry.roll_back() if turn % 2 else registry.promote("v1" if turn % 4 == 0 else "v2")
    assert not load.wrong
    assert load.versions == {"v1", "v2"}
    assert load.n_scored > 100


def slowly(path: Path, data: bytes) -> None:
    """Write as `cp` over a slow line does: in place, piece by piece."""
    with path.open("wb") as file:
        for start in range(0, len(data), max(1, len(data) // 5)):
            file.write(data[start : start + max(1, len(data) // 5)])
            file.flush()
            os.fsync(file.fileno())


def test_whatever_happens_to_files_the_last_good_model_answers_right(models: Path) -> None:
    registry, champion = Registry(models), looking_always(models)
    champion.current()
    kept = (models / "registry.json").read_bytes()
    with Load(champion) as load:
        for name in ("model.txt", "bundle.json", "SHA256SUMS", EXPORT):
            path, other = models / "v2" / name, models / "v1" / name
            whole = path.read_bytes()
            for damage in (whole[: len(whole) // 2], b"", other.read_bytes(), whole[:-1] + b"\xff"):
                slowly(path, damage)
                os.utime(models / "registry.json")  # makes the service look again
            slowly(path, whole)
        slowly(models / "registry.json", kept[: len(kept) // 2])
        slowly(models / "registry.json", kept)
        registry.promote("v1")
        registry.roll_back()
    assert not load.wrong
    assert load_bundle(models, "v2")
    assert champion.current().scorer.version == "v2"
