"""How each check finds out: a small function of the part it looks at."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from iit.domain.risk import Source
from iit.model.registry import Registry
from iit.ops.health.run import Health, Outcome, Probe, State
from iit.ops.maintenance import DiskLimits, used_percent
from iit.services.audit import Audit
from iit.services.champion import Champion
from iit.store import backups, inbox, migrate
from iit.store import health as health_store
from iit.store.database import Database

LATE_BACKUP: Final = timedelta(hours=26)
LATE_MESSAGE: Final = timedelta(minutes=5)
LATE_SPOOLED: Final = timedelta(hours=1)
MOST_SKEW_SECONDS: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What is looked at.

    Attributes:
        database: with the pool that requests use.
        champion: the model in service.
        audit: the trail and its anchors.
        redis_url: None where there is no Redis.
        disks: folders whose disks are watched.
        spool: folder of what is kept on disk while a part is away; one folder for each part.
        message_keys: ids of the keys that stored messages are sealed with.
        now: the present time, aware.
    """

    database: Database
    champion: Champion
    audit: Audit
    redis_url: str | None = field(repr=False)
    disks: DiskLimits
    spool: Path
    message_keys: Sequence[str]
    now: Callable[[], datetime] = field(repr=False)


def health_of(watched: Watched) -> Health:
    """Return the checks of an installation."""
    probes: dict[str, Probe] = {
        "database": lambda: _database(watched.database),
        "schema": lambda: _schema(watched.database),
        "model": lambda: _model(watched.champion),
        "disk": lambda: _disk(watched.disks),
        "backup": lambda: _backup(watched.database, watched.now()),
        "inbox": lambda: _inbox(watched),
        "spool": lambda: _spool(watched.spool, watched.now()),
        "writing": lambda: _writing(watched.database),
        "self_test": lambda: _self_test(watched.champion),
        "clock": lambda: _clock(watched.database, watched.now),
        "audit": lambda: _audit(watched.audit),
    }
    if watched.redis_url is not None:
        url = watched.redis_url
        probes["cache"] = lambda: _cache(url)
    return Health(probes)


def _database(database: Database) -> Outcome:
    database.ping()
    return Outcome(figures=database.connections())


def _schema(database: Database) -> Outcome:
    with database.transaction() as tx:
        migrate.check(tx)
    return Outcome()


def _model(champion: Champion) -> Outcome:
    serving = champion.current()
    if serving.source != Source.CHAMPION:
        return Outcome(State.DEGRADED, f"the champion does not load: answers come from {serving.source}")
    wanted = Registry(champion.models).champion()
    if wanted != serving.scorer.version:
        return Outcome(State.DEGRADED, f"{serving.scorer.version} serves on: {wanted} does not load")
    return Outcome()


def _cache(redis_url: str) -> Outcome:
    told = health_store.exchange_with_redis(redis_url)
    return Outcome(figures=told)


def _disk(disks: DiskLimits) -> Outcome:
    folders = [one for one in disks.folders if one.is_dir()]
    used = {folder: used_percent(folder) for folder in folders}
    full = [f"{folder} is {percent:.0f} % full" for folder, percent in used.items() if percent > disks.percent]
    state = State.DEGRADED if full else State.OK
    return Outcome(state, "; ".join(full) or None, {"used_percent": round(max(used.values(), default=0.0), 1)})


def _backup(database: Database, now: datetime) -> Outcome:
    with database.transaction() as tx:
        latest = backups.latest_good(tx)
    whole = [when for kind, when in latest.items() if kind != "models"]
    if not whole:
        return Outcome(State.DEGRADED, "no backup was ever made")
    age = now - max(whole)
    figures = {"age_seconds": round(age.total_seconds())}
    if age > LATE_BACKUP:
        return Outcome(State.DEGRADED, f"the newest is {age.total_seconds() / 3600:.0f} h old", figures)
    return Outcome(figures=figures)


def _inbox(watched: Watched) -> Outcome:
    with watched.database.transaction() as tx:
        depth, oldest = inbox.depth(tx)
        missing = inbox.key_ids(tx) - set(watched.message_keys)
    age = watched.now() - oldest if oldest is not None else timedelta()
    figures = {**depth, "oldest_seconds": round(age.total_seconds())}
    if missing:
        told = f"messages are sealed with a key that is not set: {', '.join(sorted(missing))}"
        return Outcome(State.DEGRADED, told, figures)
    if age > LATE_MESSAGE:
        return Outcome(State.DEGRADED, f"the oldest message waits for {age.total_seconds() / 60:.0f} minutes", figures)
    return Outcome(figures=figures)


def _spool(folder: Path, now: datetime) -> Outcome:
    waiting = dict(spooled(folder))
    figures = {name: float(len(times)) for name, times in waiting.items()}
    limit = (now - LATE_SPOOLED).timestamp()
    late = [name for name, times in waiting.items() if times and min(times) < limit]
    if late:
        return Outcome(State.DEGRADED, f"lies there for more than an hour: {', '.join(sorted(late))}", figures)
    return Outcome(figures=figures)


def spooled(folder: Path) -> Iterator[tuple[str, Sequence[float]]]:
    """Yield for each part that something is kept for the Unix times since when its files lie there."""
    if not folder.is_dir():
        return
    for part in sorted(one for one in folder.iterdir() if one.is_dir()):
        yield part.name, [one.stat().st_mtime for one in part.iterdir() if one.is_file() and one.name[0] != "."]


def _writing(database: Database) -> Outcome:
    with database.transaction() as tx:
        health_store.write_and_read_back(tx)
    return Outcome()


def _self_test(champion: Champion) -> Outcome:
    champion.current().scorer.self_test()
    return Outcome()


def _clock(database: Database, now: Callable[[], datetime]) -> Outcome:
    with database.transaction() as tx:
        skew = health_store.clock_difference_seconds(tx, now)
    figures = {"difference_seconds": round(skew, 3)}
    if abs(skew) > MOST_SKEW_SECONDS:
        return Outcome(State.DEGRADED, f"the database's clock is {skew:+.1f} s off this machine's", figures)
    return Outcome(figures=figures)


def _audit(audit: Audit) -> Outcome:
    anchor = audit.check_anchor()
    if anchor is None:
        return Outcome(State.DEGRADED, "there is no anchor outside the database yet")
    return Outcome(figures={"anchored_row": anchor.seq})
