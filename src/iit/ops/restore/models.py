"""Restoring the folder of models: unpacked beside, every model checked, then exchanged by renaming."""

import tarfile
import tempfile
from pathlib import Path

from iit.domain.errors import InvalidInput, Unavailable
from iit.model.registry import Registry
from iit.ops.backup.catalog import Vault
from iit.ops.backup.fetch import fetch
from iit.ops.backup.manifest import Manifest


def restore_models(vault: Vault, manifest: Manifest, models: Path, *, label: str) -> Path | None:
    """Put the models of a backup in place; return where those before are kept, None if there were none.

    Raises:
        InvalidInput: a model of the backup is damaged; the models in place stay.
    """
    models.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".models-", dir=models.parent) as folder:
        fetch(vault, manifest, Path(folder))
        try:
            with tarfile.open(Path(folder) / "models.tar.gz", "r:gz") as archive:
                archive.extractall(folder, filter="data")
        except tarfile.TarError as cause:
            raise InvalidInput("cannot be unpacked", place=manifest.backup_id) from cause
        fresh = Path(folder) / "models"
        Registry(fresh).verify_all()
        old = models.with_name(f"{models.name}.before-{label}")
        try:
            had_models = models.exists()
            if had_models:
                models.rename(old)
            fresh.rename(models)
        except OSError as cause:
            raise Unavailable(f"cannot be renamed: {cause.strerror}", place=str(models)) from cause
    return old if had_models else None
