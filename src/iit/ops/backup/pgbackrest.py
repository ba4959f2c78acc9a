"""Backups by pgBackRest, for large sites: it copies and keeps; we ask, and note what became of it."""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import InvalidInput, ServiceError, Unavailable
from iit.store import backups as backup_store
from iit.store.database import Database
from iit.store.embedded.account import Account

TYPES: Final[Mapping[str, str]] = {"full": "full", "incremental": "incr"}
"""Its names of our kinds."""


@dataclass(frozen=True, kw_only=True)
class PgBackRest:
    """Asks pgBackRest for backups of a server of one's own.

    Attributes:
        stanza: its name of the server.
        database: where runs are noted, with the owner's rights.
        connection: the way to the server, as variables of libpq.
        now: the present time.
    """

    stanza: str
    database: Database
    connection: Mapping[str, str] = field(repr=False)
    now: Callable[[], datetime]

    def run(self, kind: str, *, actor: str) -> dict[str, Any]:
        """Make a backup and return its label there, its kind and the bytes that it takes.

        The first is full, whatever is asked for.

        Raises:
            InvalidInput: it makes none of that kind. Unavailable: it is missing or failed; nothing was added.
        """
        if kind not in TYPES:
            raise InvalidInput(f"pgBackRest makes {' and '.join(TYPES)} backups", place="kind")
        started_at = self.now()
        backup_id = f"{started_at:%Y%m%dT%H%M%S}{started_at.microsecond // 1000:03}-pgbackrest-{kind}"
        act = AuditEvent(event_type=EventType.BACKUP, actor=actor, action="execute", target=f"backup:{backup_id}")
        with self.database.transaction() as tx:
            backup_store.start(
                tx, backup_id, kind=kind, target=f"pgbackrest:{self.stanza}", started_at=started_at, audit=act
            )
        try:
            self._ask("backup", f"--type={TYPES[kind]}")
            made = self.newest()
        except ServiceError as error:
            with suppress(Unavailable), self.database.transaction() as tx:  # the reason may be that it is away
                failed = replace(act, outcome="failed")
                backup_store.fail(tx, backup_id, finished_at=self.now(), reason=str(error), audit=failed)
            raise
        size = int(made["info"]["repository"]["delta"])
        with self.database.transaction() as tx:
            backup_store.succeed(tx, backup_id, finished_at=self.now(), size=size, audit=act)
        return {"backup_id": backup_id, "label": made["label"], "kind": made["type"], "bytes": size}

    def newest(self) -> dict[str, Any]:
        """Return what pgBackRest tells of its newest backup."""
        told = json.loads(self._ask("info", "--output=json"))
        found: list[dict[str, Any]] = told[0]["backup"] if told else []
        if not found:
            raise Unavailable("lists no backup", place="pgbackrest")
        return found[-1]

    def _ask(self, command: str, *options: str) -> str:
        """Run a command under the account of the server, as whose its files are kept."""
        variables = {name: value for name, value in os.environ.items() if name.startswith("PGBACKREST_")}
        try:
            done = Account.current().run(
                ["pgbackrest", f"--stanza={self.stanza}", *options, command], **{**variables, **self.connection}
            )
        except FileNotFoundError as cause:
            raise Unavailable("is not installed", place="pgbackrest") from cause
        if done.returncode:
            raise Unavailable(f"{command} failed with exit code {done.returncode}: {_reason(done)}", place="pgbackrest")
        return done.stdout


def _reason(done: Any) -> str:
    lines = [line for line in f"{done.stdout}\n{done.stderr}".splitlines() if "ERROR" in line]
    return lines[0].partition("ERROR: ")[2] if lines else "it does not say why"
