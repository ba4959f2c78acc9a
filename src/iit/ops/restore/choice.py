"""Which backup a restore starts from, and whether the moment asked for can be reached at all."""

import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from iit.domain.errors import InvalidInput, NotFound
from iit.ops.backup.catalog import PHYSICAL, newest
from iit.ops.backup.manifest import Manifest
from iit.ops.restore.target import RecoveryTarget

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def parse_moment(text: str, *, zone: ZoneInfo, now: datetime) -> datetime:
    """Return the moment of `2024-01-01 14:30:00`, in the zone given unless the text names its own (`+01:00`, `Z`).

    Raises:
        InvalidInput: it is no moment, or lies in the future.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as cause:
        raise InvalidInput(
            "must be written as 2024-01-01 14:30:00, with +01:00 or Z if needed", place="point in time"
        ) from cause
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    if moment > now:
        raise InvalidInput("lies in the future", place="point in time")
    return moment


def check_namespace(name: str) -> str:
    """Return a name that can be a folder and a namespace of Kubernetes: a to z, 0 to 9 and inner dashes.

    Raises:
        InvalidInput: it is none.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInput("may hold a to z, 0 to 9 and inner dashes, at most 63", place="namespace")
    return name


def parse_day(text: str, *, today: date) -> date:
    """Return the day of `2024-01-01` or `20240101`.

    Raises:
        InvalidInput: it is no day, or lies in the future.
    """
    if not re.fullmatch(r"\d{4}-\d\d-\d\d|\d{8}", text):
        raise InvalidInput("must be written as 2024-01-01", place="backup date")
    try:
        day = date.fromisoformat(text)
    except ValueError as cause:
        raise InvalidInput("is no day of the calendar", place="backup date") from cause
    if day > today:
        raise InvalidInput("lies in the future", place="backup date")
    return day


def of_day(manifests: Sequence[Manifest], day: date, *, zone: ZoneInfo, kinds: Sequence[str]) -> Manifest:
    """Return the last backup of a day of the calendar.

    Raises:
        NotFound: there is none; names the nearest days that have one.
    """
    midnight = datetime.combine(day, time(), zone)
    fitting = [
        one for one in manifests
        if one.kind in kinds and midnight <= one.finished_at < datetime.combine(day + timedelta(days=1), time(), zone)
    ]  # fmt: skip
    if fitting:
        return fitting[-1]
    days = sorted({one.finished_at.astimezone(zone).date() for one in manifests if one.kind in kinds})
    near = sorted(days, key=lambda one: abs((one - day).days))[:3]
    hint = f"; there are ones of {', '.join(map(str, sorted(near)))}" if near else ""
    raise NotFound(f"there is no backup of {day}{hint}", place="backup date")


def base_for(manifests: Sequence[Manifest], target: RecoveryTarget) -> Manifest:
    """Return the newest physical backup from which the log leads to a moment.

    Raises:
        NotFound: none reaches back that far.
    """
    if target.time is not None:
        return newest(manifests, PHYSICAL, until=target.time)
    fitting = [one for one in manifests if one.kind in PHYSICAL]
    if target.xid is not None:
        fitting = [one for one in fitting if int(one.server["next_xid"]) <= target.xid]
    if target.lsn is not None:
        fitting = [one for one in fitting if _position(one.server["lsn"]) <= _position(target.lsn)]
    if not fitting and any(one.kind in PHYSICAL for one in manifests):
        raise NotFound("nothing reaches back that far: it lies before the oldest backup", place="restore target")
    return newest(fitting, PHYSICAL)


def _position(lsn: str) -> int:
    high, slash, low = lsn.partition("/")
    try:
        return (int(high, 16) << 32) + int(low, 16) if slash else -1
    except ValueError as cause:
        raise InvalidInput("must be written as 0/3000148", place="place of the log") from cause
