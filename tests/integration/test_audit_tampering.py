"""A thousand random ways to alter the trail, done by the database's owner, are all found."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from tests.conftest import libpq
from tests.integration.audit_trails import an_audit, an_event, note

from iit.services.audit import Audit, Verdict
from iit.store.anchors import FILE
from iit.store.chain import GENESIS, AuditKeys
from iit.store.database import Database
from iit.store.embedded.cluster import ClusterUrls
from iit.testing import TESTER

TAMPERINGS = 1000
ROWS = 30

_COLUMNS: dict[str, tuple[str, ...]] = {
    "seq": ("seq + 1000", "-seq", "0"),
    '"timestamp"': (
        "\"timestamp\" + interval '1 microsecond'", "\"timestamp\" - interval '1 day'", "'infinity'", "'-infinity'",
        "\"timestamp\" - interval '4052 years'",
    ),
    "event_type": ("'login'", "event_type || ' '", "upper(event_type)"),
    "actor": ("'user:another'", "''", "actor || E'\\t'"),
    "action": ("'write'",),
    "target": ("'patient:another'", "target || E'\\n'"),
    "outcome": ("'refused'",),
    "detail": ("'{\"n\": 9}'", "(detail::text || ' ')::json", "'null'"),
    "patients": ("'[\"another\"]'", "'[]'"),
    "address": ("'203.0.113.9'", "address || E'\\\\N'"),
    "request_id": ("'another'",),
    "purpose": ("'emergency'",),
    "key_id": ("'another'", f"'{GENESIS}'", "''"),
    "prev_hash": ("sha256('x')", "hash", "''"),
    "hash": ("sha256('x')", "prev_hash", "''", "hash || '\\x00'"),
}  # fmt: skip
_CONTENT = [name for name in _COLUMNS if name != "seq"]


class Forger:
    """Alters the trail as its owner; each way returns the first row at which it must be noticed, or None."""

    def __init__(self, owner: psycopg.Connection, chance: random.Random) -> None:
        self._owner = owner
        self._chance = chance
        self.ways: list[Callable[[], int | None]] = [
            self.change, self.change, self.change, self.change, self.remove, self.put_in, self.put_at_the_end,
            self.exchange, self.cut_off, self.roll_back, self.empty, self.move_head, self.remove_head,
            self.chain_anew_without_key, self.chain_anew_with_another_key,
        ]  # fmt: skip

    def _row(self, least: int = 1, most: int = ROWS) -> int:
        return self._chance.randint(least, most)

    def _do(self, statement: str, *values: object) -> None:
        self._owner.execute(statement, values)

    def change(self) -> int:
        column = self._chance.choice(list(_COLUMNS))
        value = self._chance.choice(_COLUMNS[column])
        row = self._row()
        told = self._owner.execute(
            f"UPDATE audit_logs SET {column} = {value} "
            f"WHERE seq = %s AND {column}::text IS DISTINCT FROM ({value})::text RETURNING seq",
            [row],
        ).fetchone()
        return self.change() if told is None else min(row, told[0])

    def remove(self) -> int:
        row = self._row(1, ROWS)
        self._do("DELETE FROM audit_logs WHERE seq = %s", row)
        return row

    def put_in(self) -> int:
        row = self._row()
        self._do("UPDATE audit_logs SET seq = -seq - 1 WHERE seq >= %s", row)
        self._do("UPDATE audit_logs SET seq = -seq WHERE seq < 0")
        self._copy_of(self._row(1, row - 1) if row > 1 else 3, row)
        self._do("UPDATE audit_heads SET seq = seq + 1")
        return row

    def put_at_the_end(self) -> int:
        self._copy_of(self._row(), ROWS + 1)
        if self._chance.random() < 0.5:
            self._do(
                "UPDATE audit_heads SET seq = seq + 1, hash = (SELECT hash FROM audit_logs WHERE seq = %s)", ROWS + 1
            )
        return ROWS + 1

    def exchange(self) -> int:
        first = self._row(1, ROWS - 1)
        second = self._row(first + 1, ROWS)
        for row, to in ((first, -1), (second, first), (-1, second)):
            self._do("UPDATE audit_logs SET seq = %s WHERE seq = %s", to, row)
        return first

    def cut_off(self) -> int:
        row = self._row(2)
        self._do("DELETE FROM audit_logs WHERE seq >= %s", row)
        return row

    def roll_back(self) -> int:
        row = self.cut_off()
        self._do("UPDATE audit_heads SET (seq, hash) = (SELECT seq, hash FROM audit_logs WHERE seq = %s)", row - 1)
        return row

    def empty(self) -> int:
        self._do("TRUNCATE audit_logs")
        self._do("UPDATE audit_heads SET seq = 0, hash = %s", bytes(32))
        return 1

    def move_head(self) -> None:
        self._do(self._chance.choice((
            "UPDATE audit_heads SET seq = seq + 1", "UPDATE audit_heads SET seq = seq - 1",
            "UPDATE audit_heads SET hash = sha256('x')", "UPDATE audit_heads SET seq = 0",
        )))  # fmt: skip

    def remove_head(self) -> None:
        self._do("DELETE FROM audit_heads")

    def chain_anew_without_key(self) -> int | None:
        """From the first row on only the anchors tell, by the first row that has one."""
        row = self._chain_anew(AuditKeys(GENESIS, {GENESIS: GENESIS.encode()}))
        return None if row == 1 else row

    def chain_anew_with_another_key(self) -> int:
        return self._chain_anew(AuditKeys.derived(b"the forger's own secret"))

    def _copy_of(self, row: int, to: int) -> None:
        names = ", ".join((*_CONTENT,))
        self._do(f"INSERT INTO audit_logs (seq, {names}) SELECT %s, {names} FROM audit_logs WHERE seq = %s", to, row)

    def _chain_anew(self, keys: AuditKeys) -> int:
        """Change a row and seal it and all after it anew, as somebody does who knows how but not the key."""
        row = self._row()
        self._do("UPDATE audit_logs SET target = 'forged' WHERE seq = %s", row)
        self._do("UPDATE audit_logs SET key_id = %s WHERE seq >= %s", keys.key_id, row)
        columns = 'seq, extract(epoch FROM "timestamp"), ' + ", ".join(_CONTENT[1:-2])
        before = self._owner.execute("SELECT hash FROM audit_logs WHERE seq = %s", [row - 1]).fetchone()
        last = bytes(32) if before is None else before[0]
        with self._owner.cursor() as cursor:
            with cursor.copy(
                f"COPY (SELECT {columns} FROM audit_logs WHERE seq >= {row} ORDER BY seq) TO STDOUT"
            ) as copy:
                lines = [bytes(one).rstrip(b"\n") for one in copy]
            for seq, line in enumerate(lines, row):
                seal = keys.seal(line + b"\t\\\\x" + last.hex().encode())
                cursor.execute("UPDATE audit_logs SET prev_hash = %s, hash = %s WHERE seq = %s", [last, seal, seq])
                last = seal
        self._do("UPDATE audit_heads SET hash = %s", last)
        return row


@pytest.fixture(scope="module")
def owner(database_urls: ClusterUrls) -> Iterator[psycopg.Connection]:
    with psycopg.connect(libpq(database_urls.owner_url), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def trail(
    database: Database, owner: psycopg.Connection, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Audit, Path, bytes]:
    """A trail of some transactions with an anchor in its middle and one at its end, and a copy to put back."""
    folder = tmp_path_factory.mktemp("anchors")
    audit = an_audit(database, folder)
    for number in range(0, ROWS, 3):
        note(database, an_event(number), an_event(number, detail={"n": number}), an_event(target="l", patients=["a"]))
        if number == 12:
            audit.anchor()
    audit.anchor()
    owner.execute("CREATE TABLE kept AS SELECT * FROM audit_logs")
    owner.execute("CREATE TABLE kept_head AS SELECT * FROM audit_heads")
    return audit, folder / FILE, (folder / FILE).read_bytes()


def put_back(owner: psycopg.Connection) -> None:
    owner.execute("TRUNCATE audit_logs, audit_heads")
    owner.execute("INSERT INTO audit_logs SELECT * FROM kept")
    owner.execute("INSERT INTO audit_heads SELECT * FROM kept_head")


def test_the_untouched_trail_is_sound(trail: tuple[Audit, Path, bytes]) -> None:
    verdict = trail[0].verify(who=TESTER)
    assert (verdict.findings, verdict.n_rows, verdict.n_anchors) == ([], ROWS, 2)
    assert verdict.warnings == []


def test_a_thousand_random_tamperings_are_all_found(
    trail: tuple[Audit, Path, bytes], owner: psycopg.Connection
) -> None:
    audit, anchors, lines = trail
    for seed in range(TAMPERINGS):
        put_back(owner)
        anchors.write_bytes(lines)
        forger = Forger(owner, random.Random(seed))
        way = forger._chance.choice(forger.ways)
        with owner.transaction():
            row = way()
        verdict: Verdict = audit.verify(who=TESTER)
        assert not verdict.is_sound, f"seed {seed}: {way.__name__} was not found"
        if row is not None:
            assert verdict.findings[0].seq == row, f"seed {seed}: {way.__name__} at {row} was found at the wrong row"
    put_back(owner)
