"""The audit trail: one commit with the act, sealed, anchored, and closed to the application's role."""

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import AUDIT_KEYS, libpq
from tests.integration.audit_trails import NOON, an_audit, an_event, note

from iit.domain.access import on_behalf_of
from iit.domain.audit import COLUMNS, AuditEvent, Origin, Purpose, acting_from, concerning
from iit.domain.errors import Conflict, Unavailable
from iit.services import audit as services_audit
from iit.services.audit import recorded
from iit.store import audit, chain
from iit.store.anchors import FILE, Anchors
from iit.store.audit import AuditFilter
from iit.store.chain import AuditKeys
from iit.store.database import Database
from iit.store.embedded.cluster import ClusterUrls
from iit.store.schema import audit_logs
from iit.testing import TESTER


def rows(database: Database, **wish: object) -> list[audit.AuditRow]:
    with database.transaction() as tx:
        return list(audit.search(tx, AuditFilter(**wish), newest=True))  # type: ignore[arg-type]


def test_an_empty_trail_is_sound(database: Database, tmp_path: Path) -> None:
    verdict = an_audit(database, tmp_path).verify(who=TESTER)
    assert verdict.is_sound
    assert verdict.n_rows == 0


_TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=30)
_SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), _TEXT)


@settings(max_examples=60, deadline=None)
@given(target=_TEXT, detail=st.dictionaries(_TEXT, _SCALARS, max_size=4), patients=st.lists(_TEXT, max_size=3))
def test_whatever_an_event_holds_it_verifies(
    database: Database, tmp_path_factory: pytest.TempPathFactory, target: str, detail: dict, patients: list[str]
) -> None:
    note(database, an_event(target=target, detail=detail, patients=patients), an_event())
    verdict = an_audit(database, tmp_path_factory.mktemp("anchors")).verify(who=TESTER)
    assert verdict.findings == []


def test_an_act_that_fails_leaves_no_event(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.transaction() as tx:
        audit.write(tx, an_event(404))
        raise ZeroDivisionError
    assert not rows(database, target=an_event(404).target)


def test_an_event_tells_from_where_and_why(database: Database) -> None:
    with acting_from(Origin("192.0.2.7", "a-request", Purpose.TREATMENT)):
        note(database, an_event(7))
    (row,) = rows(database, target=an_event(7).target)
    assert (row.address, row.request_id, row.purpose) == ("192.0.2.7", "a-request", "treatment")
    note(database, an_event(8))
    assert rows(database, target=an_event(8).target)[0].purpose == "unstated"


def test_without_its_head_nothing_is_given_out(database_urls: ClusterUrls, database: Database) -> None:
    with psycopg.connect(libpq(database_urls.owner_url), autocommit=True) as owner:
        (head,) = owner.execute("DELETE FROM audit_heads RETURNING chain, seq, hash").fetchall()
        with pytest.raises(Unavailable, match="audit trail"):
            note(database, an_event())
        owner.execute("INSERT INTO audit_heads VALUES (%s, %s, %s)", head)


def test_with_its_head_rolled_back_nothing_is_given_out(database_urls: ClusterUrls, database: Database) -> None:
    note(database, an_event(), an_event())
    with psycopg.connect(libpq(database_urls.owner_url), autocommit=True) as owner:
        owner.execute("UPDATE audit_heads SET seq = seq - 1")
        with pytest.raises(Unavailable, match="audit trail"):
            note(database, an_event())
        owner.execute("UPDATE audit_heads SET seq = seq + 1")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_logs SET actor = 'x'",
        "DELETE FROM audit_logs",
        "TRUNCATE audit_logs",
        "DELETE FROM audit_heads",
        "INSERT INTO audit_heads VALUES (2, 0, '')",
        "ALTER TABLE audit_logs DROP COLUMN hash",
        "DROP TABLE audit_logs",
    ],
)
def test_the_applications_role_may_only_add(database_urls: ClusterUrls, database: Database, statement: str) -> None:
    note(database, an_event())
    with (
        psycopg.connect(libpq(database_urls.app_url)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


def test_a_role_that_owns_the_trail_is_warned_of(
    database_urls: ClusterUrls, database: Database, tmp_path: Path
) -> None:
    assert not any("role" in one for one in an_audit(database, tmp_path).verify(who=TESTER).warnings)
    with psycopg.connect(libpq(database_urls.owner_url), autocommit=True) as owner:
        owner.execute("GRANT DELETE ON audit_logs TO ml_service")
        assert any("role" in one for one in an_audit(database, tmp_path).verify(who=TESTER).warnings)
        owner.execute("REVOKE DELETE ON audit_logs FROM ml_service")


def test_many_writers_make_one_chain(database: Database, tmp_path: Path) -> None:
    def work() -> None:
        for number in range(20):
            note(database, an_event(number), an_event(number + 1))

    threads = [threading.Thread(target=work) for _ in range(4)]
    before = an_audit(database, tmp_path).verify(who=TESTER).n_rows
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    verdict = an_audit(database, tmp_path).verify(who=TESTER)
    assert (verdict.findings, verdict.n_rows) == ([], before + 1 + 160)


def test_a_span_of_days_is_checked_alone(database: Database, tmp_path: Path) -> None:
    note(database, an_event(), an_event())
    checking = an_audit(database, tmp_path)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    verdict = checking.verify(today, today + timedelta(days=1), who=TESTER)
    assert verdict.is_sound
    assert verdict.n_rows > 0
    assert checking.verify(today + timedelta(days=2), who=TESTER).n_rows == 0


def test_keys_are_never_shown() -> None:
    assert "secret" not in repr(AUDIT_KEYS)
    assert repr(AUDIT_KEYS) == f"AuditKeys(key_id='{AUDIT_KEYS.key_id}')"


def test_an_unknown_type_of_event_is_refused() -> None:
    with pytest.raises(ValueError, match="not a valid EventType"):
        an_event(event_type="something_else")


def test_an_event_names_two_thousand_patients_at_most() -> None:
    told = concerning(an_event(target="patients"), [str(number) for number in range(4001)])
    assert [len(one.patients) for one in told] == [2000, 2000, 1]
    assert [len(one.patients) for one in concerning(an_event(), [])] == [0]


def test_a_list_is_found_by_each_patient_on_it(database: Database) -> None:
    note(database, an_event(target="worklist:SYN1", event_type="worklist_read", patients=["un", "deux"]))
    assert rows(database, target="patient:deux")[0].event_type == "worklist_read"
    assert not rows(database, target="patient:deu")


def test_the_affected_are_those_of_single_acts_and_of_lists(database: Database, tmp_path: Path) -> None:
    note(
        database,
        an_event(target="patient:p1", actor="user:ada"),
        an_event(target="worklist:SYN1", event_type="worklist_read", actor="user:ada", patients=["p1", "p2"]),
        an_event(target="patient:p3", actor="user:else"),
    )
    told = an_audit(database, tmp_path).affected(AuditFilter(actor="user:ada"), who=TESTER)
    assert [(one.patient_uuid, one.n_events) for one in told] == [("p1", 2), ("p2", 1)]
    assert told[0].event_types == ["patient_read", "worklist_read"]
    assert rows(database, event_types=["audit_read"])[0].detail["patients"] == 2


def test_an_export_is_on_the_trail_before_its_first_row(database: Database, tmp_path: Path) -> None:
    with an_audit(database, tmp_path).exported(AuditFilter(), who=on_behalf_of("user:exporter")) as told:
        assert rows(database, event_types=["audit_exported"])[0].actor == "user:exporter"
        assert [row.seq for row in told][:3] == [1, 2, 3]


def test_an_act_outside_the_database_is_noted_before_and_after(database: Database) -> None:
    event = AuditEvent(event_type="model_promoted", actor="user:ada", action="update", target="model:v9")
    with recorded(database, event):
        assert [row.outcome for row in rows(database, target="model:v9")] == ["started"]
    with pytest.raises(ZeroDivisionError), recorded(database, event):
        raise ZeroDivisionError
    assert [row.outcome for row in rows(database, target="model:v9")] == ["failed", "started", "ok", "started"]


class TestAnchors:
    def test_one_is_written_a_day_and_only_when_the_trail_has_grown(self, database: Database, tmp_path: Path) -> None:
        note(database, an_event())
        an_audit(database, tmp_path).anchor_daily()
        note(database, an_event())
        an_audit(database, tmp_path).anchor_daily()
        assert len(Anchors(tmp_path, AUDIT_KEYS).read()) == 1
        tomorrow = an_audit(database, tmp_path, NOON + timedelta(days=1))
        tomorrow.anchor_daily()
        assert [(one.date, one.n_rows) for one in Anchors(tmp_path, AUDIT_KEYS).read()][1:] == [("2026-03-02", 1)]
        assert tomorrow.anchor() is None
        assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600

    @pytest.mark.parametrize(
        "tamper",
        [
            pytest.param(lambda lines: lines[1:], id="the first removed"),
            pytest.param(lambda lines: [lines[0], lines[2]], id="one removed from between"),
            pytest.param(lambda lines: [lines[1], lines[0], lines[2]], id="two exchanged"),
            pytest.param(lambda lines: [*lines, lines[-1]], id="one repeated"),
            pytest.param(lambda lines: [*lines[:-1], lines[-1][:30]], id="a half line"),
            pytest.param(lambda lines: [*lines, "[]"], id="something else"),
            pytest.param(
                lambda lines: [one.replace('"n_rows": 1', '"n_rows": 2') for one in lines], id="a changed one"
            ),
            pytest.param(lambda lines: [one.replace(AUDIT_KEYS.key_id, "abc") for one in lines], id="a strange key"),
        ],
    )
    def test_a_file_that_was_tampered_with_is_found(self, database: Database, tmp_path: Path, tamper: object) -> None:
        for day in range(3):
            note(database, an_event())
            an_audit(database, tmp_path, NOON + timedelta(days=day)).anchor()
        file = tmp_path / FILE
        file.write_text("\n".join(tamper(file.read_text().splitlines())) + "\n")  # type: ignore[operator]
        verdict = an_audit(database, tmp_path).verify(who=TESTER)
        assert verdict.findings[0].problem.startswith(FILE)
        with pytest.raises(Conflict):
            Anchors(tmp_path, AUDIT_KEYS).add(NOON.date(), 99, bytes(32))

    def test_a_trail_in_doubt_is_not_anchored(
        self, database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        note(database, an_event())
        Anchors(tmp_path, AUDIT_KEYS).add(NOON.date(), 10_000, bytes(32))
        an_audit(database, tmp_path, NOON + timedelta(days=1)).anchor_daily()
        assert "does not go on from its last anchor" in caplog.text
        assert len((tmp_path / FILE).read_text().splitlines()) == 1

    def test_a_backup_that_was_put_back_can_be_accepted_and_is_told_of(
        self, database: Database, database_urls: ClusterUrls, tmp_path: Path
    ) -> None:
        audit = an_audit(database, tmp_path)
        note(database, an_event())
        kept = audit.anchor()
        assert kept is not None
        with pytest.raises(Conflict, match="nothing to accept"):
            audit.accept_restore(who=TESTER)
        note(database, an_event(), an_event())
        audit.anchor()
        with psycopg.connect(libpq(database_urls.owner_url)) as owner:
            owner.execute("DELETE FROM audit_logs WHERE seq > %s", [kept.seq])
            owner.execute("UPDATE audit_heads SET seq = %s, hash = decode(%s, 'hex')", [kept.seq, kept.hash])
        note(database, an_event(), an_event(), an_event())
        assert not audit.verify(who=TESTER).is_sound
        with pytest.raises(Conflict, match="last anchor"):
            audit.anchor()
        assert audit.accept_restore(who=on_behalf_of("user:ada")) == kept
        verdict = audit.verify(who=TESTER)
        assert verdict.findings == []
        assert "1 anchors were given up when a backup was put back" in verdict.warnings
        assert rows(database, actor="user:ada")[0].detail == {"rows_given_up": 2}

    def test_one_that_came_late_is_not_written_behind_a_newer(self, tmp_path: Path) -> None:
        anchors = Anchors(tmp_path, AUDIT_KEYS)
        newer = anchors.add(NOON.date(), 12, bytes(32))
        assert anchors.add(NOON.date(), 10, bytes(32)) == newer
        assert len(anchors.read()) == 1

    def test_a_folder_that_cannot_be_used_is_named(self, database: Database, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(Unavailable, match=FILE):
            an_audit(database, tmp_path / "file").anchor()


def test_the_columns_are_those_of_the_reference() -> None:
    assert [column.name for column in audit_logs.columns] == list(COLUMNS)


def test_the_line_of_a_row_is_what_copy_writes(database: Database) -> None:
    """The two ways to the sealed bytes, by hand and by PostgreSQL, agree on every character that COPY escapes."""
    odd = 'tab\t line\n return\r back\b feed\f vertical\v slash\\ \\N quote" é 漢'
    note(database, an_event(target=odd, detail={"a": odd, "big": 1e300}, patients=[odd]))
    with database.transaction() as tx:
        last = audit.head(tx)
        assert last is not None
        (link,) = chain.links(tx, last.seq, last.seq)
    (row,) = rows(database, target=odd)
    assert json.loads(json.dumps(row.detail)) == {"a": odd, "big": 1e300}
    assert link.hash == AUDIT_KEYS.seal(link.line).hex()


def test_rows_of_a_former_key_verify_and_those_of_a_strange_one_do_not(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Comes last: the trail of this file is not sound after it."""
    note(database, an_event())
    renewed = AuditKeys.derived(b"a new secret", former=[b"a secret of the tests"])
    after = replace(database, audit_keys=renewed)
    note(after, an_event())
    note(database, an_event())  # by a replica that has not started again yet
    note(after, an_event())
    assert an_audit(after, tmp_path).verify(who=TESTER).findings == []
    monkeypatch.setattr(services_audit, "_CHANGE_OF_KEY_SECONDS", 0)
    verdict = an_audit(after, tmp_path).verify(who=TESTER)
    assert [one.problem for one in verdict.findings] == ["sealed with a former key after a newer one was in use"]
    verdict = an_audit(database, tmp_path / "others").verify(who=TESTER)
    assert f"sealed with the key {renewed.key_id}" in verdict.findings[0].problem
