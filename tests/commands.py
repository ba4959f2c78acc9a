"""The command as a user types it, run in this process: starting an interpreter for each would take most of the time."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from iit.cli.main import run
from iit.store.embedded.cluster import ClusterUrls


class Told(NamedTuple):
    """What a command said and how it ended."""

    returncode: int
    stdout: str
    stderr: str


class Command:
    """The command `iit` with settings of its own."""

    def __init__(
        self, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str], settings: Mapping[str, str]
    ) -> None:
        self._patch = patch
        self._capture = capture
        self._settings = settings

    def __call__(self, *arguments: str, **settings: str) -> Told:
        """Run it, with more settings for this once."""
        with self._patch.context() as patch:
            for name in [name for name in os.environ if name.startswith("IIT_")]:
                patch.delenv(name)
            for name, value in {**self._settings, **settings}.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["iit", *arguments])
            self._capture.readouterr()
            with pytest.raises(SystemExit) as ended:
                run()
        said = self._capture.readouterr()
        code = ended.value.code
        return Told(code if isinstance(code, int) else 0, said.out, said.err)


def settings_at(urls: ClusterUrls, data_dir: Path) -> dict[str, str]:
    """Return the settings of an installation with a data folder and a database."""
    return {
        "IIT_DATA_DIR": str(data_dir),
        "IIT_DATABASE_URL": urls.app_url,
        "IIT_DATABASE_OWNER_URL": urls.owner_url,
    }
