"""The models of a service that has been through the main job: found damaged, and brought back."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from iit.domain.errors import InvalidInput
from iit.model.registry import Registry
from iit.ops.backup.catalog import Vault
from iit.ops.backup.manifest import Manifest
from iit.ops.backup.run import BackupMaker
from iit.ops.backup.sealing import make_key
from iit.ops.integrity import Scope, check
from iit.ops.objects import Folder
from iit.ops.restore.models import restore_models
from iit.ops.tools import Tools
from tests.journeys.conftest import Running


@dataclass(frozen=True)
class Kept:
    """A backup of the models."""

    vault: Vault
    manifest: Manifest
    models: Path


@pytest.fixture
def kept(running: Running, tmp_path: Path) -> Iterator[Kept]:
    service = running.service
    vault = Vault(Folder(tmp_path / "vault"), make_key(tmp_path / "key"))
    models = service.settings.models_folder
    maker = BackupMaker(
        database=service.database, tools=Tools(tmp_path, 0), vault=vault, staging=tmp_path / "staging", models=models,
        check_models=Registry(models).verify_all, now=service.now,
    )  # fmt: skip
    yield Kept(vault, maker.run("models", actor="test"), models)
    restore_models(vault, vault.manifests()[0][0], models, label="end")


def test_a_service_after_the_main_job_is_whole(running: Running) -> None:
    assert check(running.service.database, Scope(registry=Registry(running.service.settings.models_folder))) == []


def test_altered_models_are_found_not_backed_up_and_brought_back(running: Running, kept: Kept) -> None:
    registry = Registry(kept.models)
    with (kept.models / "v0.1" / "model.txt").open("ab") as file:
        file.write(b"\n")
    (finding,) = check(running.service.database, Scope(registry=registry))
    assert finding.check == "models"
    with pytest.raises(InvalidInput):
        registry.verify_all()
    old = restore_models(kept.vault, kept.manifest, kept.models, label="test")
    assert old is not None
    assert (old / "v0.1" / "model.txt").exists()
    assert check(running.service.database, Scope(registry=registry)) == []
    assert registry.champion() == "v0.1"
