"""The checks: what each looks at and what to do when it fails. Routes, report and manual come from this list."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Check:
    """One thing that is looked at.

    Attributes:
        name: as it stands in answers.
        looks_at: what is as it should be when nothing is told.
        next_step: what to do when it fails.
        is_critical: whether the service cannot answer without it; else a failure is told as `degraded`.
        is_deep: whether it is looked at on request only, being dearer or writing something.
    """

    name: str
    looks_at: str
    next_step: str
    is_critical: bool = False
    is_deep: bool = False


CHECKS: Final = (
    Check(
        "database",
        "A connection is taken from the pool and the database answers a query.",
        "`iit doctor` names the cause: server stopped, password, network, or all connections in use.",
        is_critical=True,
    ),
    Check(
        "schema",
        "The database has the schema of this version, or of a newer one while that is being rolled out.",
        "`iit db upgrade`, with the version that is to serve.",
        is_critical=True,
    ),
    Check(
        "model",
        "A model is in service; `degraded` where it is not the champion's trees that answer.",
        "`iit models list` and `iit models verify`; then `iit models promote`, `rollback` or `iit train`.",
        is_critical=True,
    ),
    Check(
        "cache",
        "Redis answers, and takes and gives back a value that expires; only where `IIT_REDIS_URL` is set.",
        "The service goes on and counts limits by itself. Start Redis, or see `iit doctor` for address and password.",
    ),
    Check(
        "disk",
        "The disks of the data folder, the backups and the log file are used up to `IIT_DISK_WARN_PERCENT` at most.",
        "Remove what is not needed or enlarge the disk: `iit maintenance weekly` removes old backups.",
    ),
    Check(
        "backup",
        "The newest good backup of the database is at most 26 hours old.",
        "`iit backup run`; `iit backup list` and the log of cron tell why the last one failed.",
    ),
    Check(
        "inbox",
        "The oldest waiting message is at most 5 minutes old, and the keys of all sealed ones are set.",
        "`iit inbox list --state waiting`; with no service running, `iit inbox work`.",
    ),
    Check(
        "spool",
        "Nothing that was kept on disk while a part was away still lies there after an hour.",
        "The part it waits for is told by its folder; `iit page --flush` sends pages, `iit report flush` sends mail.",
    ),
    Check(
        "writing",
        "A row is written and read back in a transaction that is rolled back.",
        "Reads and scoring go on. `iit doctor` tells whether the database is read-only, full or waits for a lock.",
        is_deep=True,
    ),
    Check(
        "self_test",
        "The serving model gives the risks that it gave for the same rows when it was trained.",
        "Memory or program is damaged: restart; if it stays, `iit models verify` and `iit models rollback`.",
        is_critical=True,
        is_deep=True,
    ),
    Check(
        "clock",
        "This machine's clock and the database's differ by 2 seconds at most.",
        "Set the clocks by NTP (`timedatectl`): tokens, sessions and days of predictions depend on them.",
        is_deep=True,
    ),
    Check(
        "audit",
        "The audit trail still holds the row of its last anchor, which is kept outside the database.",
        "`iit audit verify` names the rows. After a restore: `iit audit accept-restore`. Else treat it as an incident.",
        is_deep=True,
    ),
)
"""All checks, in the order in which they are told."""
