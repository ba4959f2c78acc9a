"""The registry says which model serves; it changes whole, and never to a model that does not work."""

import json
import threading
from pathlib import Path

import pytest
from model_cases import bundle_files

from iit.domain.errors import Conflict, InvalidInput, NotFound
from iit.model.bundle import SUMS, load_bundle, sums_of, write_bundle
from iit.model.registry import Registry

FILES = {version: bundle_files(version) for version in ("v1", "v2", "v3")}


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    found = Registry(tmp_path)
    for version, files in FILES.items():
        digest = write_bundle(tmp_path, version, files)
        found.add({"version": version, "status": "candidate", "bundle_sha256": digest})
    return found


def standing(registry: Registry) -> dict[str, str]:
    return {one["version"]: one["status"] for one in registry.read()["models"]}


def test_nothing_serves_at_first(registry: Registry) -> None:
    assert registry.champion() is None
    assert registry.previous() is None


def test_promoting_keeps_the_one_before_at_hand(registry: Registry) -> None:
    for version in ("v1", "v2", "v3"):
        registry.promote(version)
    assert (registry.champion(), registry.previous()) == ("v3", "v2")
    assert standing(registry) == {"v1": "candidate", "v2": "previous", "v3": "champion"}


def test_promoting_twice_changes_nothing(registry: Registry) -> None:
    registry.promote("v1")
    registry.promote("v2")
    before = registry.read()
    registry.promote("v2")
    assert registry.read() == before


def test_rolling_back_returns_to_the_one_before(registry: Registry) -> None:
    registry.promote("v1")
    registry.promote("v2")
    assert registry.roll_back() == "v1"
    assert (registry.champion(), registry.previous()) == ("v1", "v2")


def test_there_is_nothing_to_roll_back_to_at_first(registry: Registry) -> None:
    registry.promote("v1")
    with pytest.raises(Conflict):
        registry.roll_back()
    assert registry.champion() == "v1"


def test_an_unknown_model_is_not_promoted(registry: Registry) -> None:
    with pytest.raises(NotFound):
        registry.promote("v9")


def test_a_version_is_registered_once(registry: Registry) -> None:
    with pytest.raises(Conflict):
        registry.add({"version": "v1", "status": "candidate", "bundle_sha256": ""})


def test_an_altered_model_is_not_promoted(registry: Registry, tmp_path: Path) -> None:
    registry.promote("v1")
    (tmp_path / "v2" / "card.md").write_text("# Changed\n")
    with pytest.raises(InvalidInput):
        registry.promote("v2")
    assert registry.champion() == "v1"


def test_a_model_that_says_other_risks_than_at_training_is_not_promoted(registry: Registry, tmp_path: Path) -> None:
    files = dict(FILES["v1"])
    manifest = json.loads(files["bundle.json"]) | {"version": "v4"}
    manifest["self_test"]["risks"][0] += 1e-6
    files["bundle.json"] = json.dumps(manifest).encode()
    digest = write_bundle(tmp_path, "v4", files)
    registry.add({"version": "v4", "status": "candidate", "bundle_sha256": digest})
    with pytest.raises(InvalidInput, match="self-test"):
        registry.promote("v4")
    assert registry.champion() is None


def test_a_bundle_with_sums_of_its_own_is_not_the_registered_one(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "v2" / SUMS
    other = dict(line.split("  ")[::-1] for line in path.read_text().splitlines())
    (tmp_path / "v2" / "iit_lightgbm_model.pkl").unlink()
    path.write_bytes(sums_of({name: digest for name, digest in other.items() if not name.endswith(".pkl")}))
    assert load_bundle(tmp_path, "v2")
    with pytest.raises(InvalidInput, match="registered"):
        registry.load("v2")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param('{"champion": "v1"', id="cut off"),
        pytest.param("[" * 100_000, id="deep"),
        pytest.param("[]", id="no object"),
        pytest.param('{"champion": null, "previous": null, "models": {}}', id="models are no list"),
        pytest.param('{"champion": "v1", "previous": null, "models": []}', id="serving model is unknown"),
        pytest.param('{"champion": 1, "previous": null, "models": []}', id="version is a number"),
        pytest.param('{"champion": null, "previous": null, "models": [{"version": "v1"}]}', id="model without a hash"),
    ],
)
def test_a_damaged_registry_is_said_to_be_so(tmp_path: Path, content: str) -> None:
    (tmp_path / "registry.json").write_text(content)
    with pytest.raises(InvalidInput, match="damaged"):
        Registry(tmp_path).read()


def test_registrations_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    def register(place: int) -> None:
        Registry(tmp_path).add({"version": f"v{place}", "status": "candidate", "bundle_sha256": ""})

    threads = [threading.Thread(target=register, args=(place,)) for place in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one["version"] for one in Registry(tmp_path).read()["models"]} == {f"v{place}" for place in range(12)}


def test_a_shadow_is_tried_beside_the_champion_until_it_serves_itself(registry: Registry) -> None:
    registry.promote("v1")
    assert registry.shadow() is None
    registry.set_shadow("v2")
    assert (registry.champion(), registry.shadow()) == ("v1", "v2")
    registry.promote("v2")
    assert registry.shadow() is None
    registry.set_shadow("v3")
    registry.set_shadow(None)
    assert registry.shadow() is None


def test_neither_the_champion_nor_an_unknown_model_is_a_shadow(registry: Registry, tmp_path: Path) -> None:
    registry.promote("v1")
    with pytest.raises(Conflict):
        registry.set_shadow("v1")
    with pytest.raises(NotFound):
        registry.set_shadow("v9")
    (tmp_path / "v2" / "model.txt").write_text("altered")
    with pytest.raises(InvalidInput):
        registry.set_shadow("v2")
