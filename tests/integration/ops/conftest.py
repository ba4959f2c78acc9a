"""An installation for each test file that asks."""

from collections.abc import Iterator

import pytest
from tests.sites import Site, a_site_on_the_wheel


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """An installation on the wheel's server, which knows incremental backups."""
    with a_site_on_the_wheel() as made:
        yield made
