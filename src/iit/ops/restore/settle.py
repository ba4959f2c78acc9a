"""Having all that a running server has committed in its archive."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from iit.domain.errors import Unavailable
from iit.store import server
from iit.store.database import Database, PoolSettings, open_database
from iit.store.embedded.cluster import Cluster

_LONGEST_SECONDS: Final = 60
_STEP_SECONDS: Final = 0.2


def settle(data_dir: Path, postgres_bin: Path | None, time_zone: str, *, sleep: Callable[[float], None]) -> None:
    """Commit once more, so that the log reaches this moment, close its segment and wait until it is archived.

    Raises:
        Unavailable: the archive does not follow within a minute.
    """
    with Cluster(data_dir, postgres_bin=postgres_bin).running() as urls:
        database = open_database(urls.owner_url, time_zone=time_zone, pool=PoolSettings(size=1))
        try:
            wait_for_archive(database, sleep=sleep)
        finally:
            database.close()


def wait_for_archive(database: Database, *, sleep: Callable[[float], None]) -> None:
    """Close the current segment of the log and wait until it is archived."""
    with database.transaction() as tx:
        server.mark_moment(tx)
    with database.transaction() as tx:
        segment = server.switch_wal(tx)
    for _ in range(int(_LONGEST_SECONDS / _STEP_SECONDS)):
        with database.transaction() as tx:
            archived = server.last_archived(tx)
        if archived is not None and archived[:24] >= segment:
            return
        sleep(_STEP_SECONDS)
    raise Unavailable(f"{segment} is not archived within {_LONGEST_SECONDS} s", place="write-ahead log")
