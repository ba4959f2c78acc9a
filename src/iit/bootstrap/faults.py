"""What keeps the service going when parts fail: breakers and the spool, with the present time."""

import time
from dataclasses import replace
from datetime import datetime

from iit.breaker import Breaker
from iit.config import Settings
from iit.services.spooling import Spooling
from iit.store.database import Database
from iit.store.spool import Spool


def breaker_of(settings: Settings, name: str) -> Breaker:
    """Return the breaker of a dependency; `CIRCUIT_BREAKER_ENABLED=false` makes one that never opens."""
    return Breaker(name, time.monotonic, settings.breaker_failures)


def redis_breaker(settings: Settings) -> Breaker:
    """Return the breaker of Redis: nothing hangs on it, so it opens at once and is asked again rarely."""
    return Breaker("redis", time.monotonic, settings.breaker_failures / 5, rest_seconds=5.0)


def spooled_database(settings: Settings, database: Database) -> tuple[Database, Spooling]:
    """Return the database whose reads go on while nothing can be written, and the spool that makes it so."""
    spool = Spool(settings.spool_folder, settings.spool_max_bytes)
    spooling = Spooling(database, spool, lambda: datetime.now(settings.zone))
    return replace(database, when_read_only=spooling.keep_events), spooling
