"""`iit import --source meds`: what `iit export meds` wrote comes back the same; datasets of others become facts."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import text
from tests.commands import Command, settings_at
from tests.conftest import ClusterUrls
from tests.hl7_messages import a_message, a_person
from tests.integration.conftest import SECRET

from iit.bootstrap import Service
from iit.bootstrap.meds import meds_export, meds_intake
from iit.config import Settings
from iit.domain.errors import InvalidInput
from iit.services import contexts
from iit.services.inbox import Frame
from iit.services.intake import IntakeSummary
from iit.synth import cohort_documents
from iit.testing import TESTER

RESULT = a_message(
    a_person("M-1"), "OBR|1||L1|25836-8^HIV viral load^LN|||20240212",
    "OBX|1|NM|25836-8^HIV viral load^LN||1200.5|copies/mL|||||F", kind="ORU^R01",
)  # fmt: skip
KEPT = {
    "patients": "patient_uuid, facility, birthdate, sex, state_province, city, phone_present, status",
    "events": "*",
    "records": "*",
    "facilities": "facility, name, level, data_until, last_known_on, encode(context, 'hex')",
}


def kept(service: Service) -> dict[str, list[str]]:
    with service.database.transaction() as tx:
        return {
            table: sorted(map(repr, tx.execute(text(f"SELECT {columns} FROM {table}"))))  # noqa: S608 - names of above
            for table, columns in KEPT.items()
        }


def emptied(service: Service) -> None:
    with service.database.transaction() as tx:
        tx.execute(text("DELETE FROM patients"))
        tx.execute(text("DELETE FROM facilities"))


def taken(service: Service, root: Path, facility: str | None = None) -> IntakeSummary:
    summary = meds_intake(service).take(root, who=TESTER, facility=facility)
    contexts.refresh(service.database)
    return summary


@pytest.fixture(autouse=True)
def nobody(service: Service) -> Iterator[None]:
    emptied(service)
    yield


def a_dataset(root: Path, rows: list[dict[str, Any]], **metadata: object) -> Path:
    (root / "data").mkdir(parents=True)
    (root / "metadata").mkdir()
    columns = {
        "subject_id": pa.array([row.get("subject_id", 1) for row in rows], pa.int64()),
        "time": pa.array([row.get("time") for row in rows], pa.timestamp("us")),
        "code": pa.array([row.get("code") for row in rows], pa.large_string()),
        "numeric_value": pa.array([row.get("numeric_value") for row in rows], pa.float32()),
    }
    pq.write_table(pa.table(columns), root / "data" / "0.parquet")
    told = {"dataset_name": "theirs", "created_at": "2024-05-01T00:00:00+00:00", **metadata}
    (root / "metadata" / "dataset.json").write_text(json.dumps(told))
    return root


A_PICKUP = {"time": datetime(2024, 1, 10, tzinfo=UTC), "code": "PICKUP", "numeric_value": 30.0}


def test_an_export_gives_the_same_records_again(service: Service, tmp_path: Path) -> None:
    for _, _, data in cohort_documents(patients=25, seed=5):
        service.intake.take_one(data, who=TESTER)
    service.inbox.receive([Frame(RESULT)], actor="test")  # beside the histories, a message about somebody else
    assert service.inbox.work().n_done == 1
    contexts.refresh(service.database)
    before = kept(service)
    meds_export(service).write(tmp_path / "meds", who=TESTER)
    emptied(service)
    summary = taken(service, tmp_path / "meds")
    assert summary.rejections == []
    assert kept(service) == before
    again = taken(service, tmp_path / "meds")
    assert (again.n_unchanged, again.n_read) == (summary.n_read, summary.n_read)
    assert kept(service) == before


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        pytest.param({**A_PICKUP, "time": None}, "a fact has no time", id="no time"),
        pytest.param({**A_PICKUP, "time": datetime(2999, 1, 1, tzinfo=UTC)}, "not credible", id="far future"),
        pytest.param({**A_PICKUP, "time": datetime(2150, 1, 1, tzinfo=UTC)}, "lies in the future", id="future"),
        pytest.param({**A_PICKUP, "code": "REGIMEN//first"}, "no concept id", id="answer of letters"),
        pytest.param({**A_PICKUP, "code": "REGIMEN"}, "no concept id", id="no answer"),
        pytest.param({**A_PICKUP, "code": "WEIGHT_KG//5"}, "an answer where none belongs", id="an answer too many"),
        pytest.param({**A_PICKUP, "code": "SEX", "numeric_value": 3.0}, "out of its range", id="sex"),
        pytest.param({**A_PICKUP, "code": "ART_START", "numeric_value": None}, "a number is missing", id="no day"),
        pytest.param({**A_PICKUP, "numeric_value": float("inf")}, "is none", id="infinite"),
    ],
)
def test_a_subject_at_fault_is_rejected_with_its_place_and_the_others_go_on(
    service: Service, tmp_path: Path, row: dict[str, Any], reason: str
) -> None:
    a_dataset(tmp_path / "meds", [{"subject_id": 7, **A_PICKUP}, {"subject_id": 8, **row}])
    summary = taken(service, tmp_path / "meds", facility="SYN000001")
    assert (summary.n_added, summary.n_rejected) == (1, 1)
    assert summary.rejections[0].place == "data/0.parquet:2"
    assert reason in summary.rejections[0].reason


def test_facts_of_others_are_known_since_their_dataset_was_made_and_change_nothing_again(
    service: Service, tmp_path: Path
) -> None:
    rows = [{"code": "SEX", "numeric_value": 2.0}, A_PICKUP, A_PICKUP, {**A_PICKUP, "code": "HEART_RATE"},
            {**A_PICKUP, "code": "WEIGHT_KG", "numeric_value": 61.3}]  # fmt: skip
    a_dataset(tmp_path / "meds", rows)
    first = taken(service, tmp_path / "meds", facility="SYN000001")
    assert first.warnings == {"a code is of no kind that is kept": 1}
    with service.database.transaction() as tx:
        told = tx.execute(
            text("SELECT code, source, numeric_value, known_at::date::text FROM events ORDER BY code")
        ).all()
        sex = tx.execute(text("SELECT sex FROM patients")).scalar_one()
    assert [tuple(row) for row in told] == [
        ("PICKUP", "meds", 30.0, "2024-05-01"), ("PICKUP", "meds", 30.0, "2024-05-01"),
        ("SEX", "meds", 2.0, "2024-05-01"), ("WEIGHT_KG", "meds", 61.3, "2024-05-01"),
    ]  # fmt: skip
    assert sex == "F"
    before = kept(service)
    assert taken(service, tmp_path / "meds", facility="SYN000001").n_unchanged == 1
    assert kept(service) == before


def test_without_a_facility_or_a_time_of_knowing_nothing_is_taken(service: Service, tmp_path: Path) -> None:
    a_dataset(tmp_path / "a", [A_PICKUP])
    a_dataset(tmp_path / "b", [A_PICKUP], created_at=None)
    assert "--facility" in taken(service, tmp_path / "a").rejections[0].reason
    assert "became known" in taken(service, tmp_path / "b", facility="SYN000001").rejections[0].reason
    assert kept(service)["patients"] == []


def test_a_file_that_is_no_parquet_is_told_of_and_a_folder_without_data_refused(
    service: Service, tmp_path: Path
) -> None:
    a_dataset(tmp_path / "meds", [A_PICKUP])
    (tmp_path / "meds" / "data" / "1.parquet").write_bytes(b"PAR1 is not all it takes")
    pq.write_table(pa.table({"subject_id": [1]}), tmp_path / "meds" / "data" / "2.parquet")
    summary = taken(service, tmp_path / "meds", facility="SYN000001")
    assert [(one.place, one.reason) for one in summary.rejections] == [
        ("data/1.parquet", "the file is broken, or is no Parquet"),
        ("data/2.parquet", "the columns are not those of MEDS"),
    ]
    assert summary.n_added == 1
    with pytest.raises(InvalidInput, match="is no MEDS dataset"):
        taken(service, tmp_path)


def test_the_command_takes_a_dataset_in(
    settings: Settings, database_urls: ClusterUrls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    a_dataset(tmp_path / "meds", [A_PICKUP])
    iit = Command(monkeypatch, capsys, settings_at(database_urls, settings.data_dir) | {"IIT_SECRET_KEY": SECRET})
    told = iit("import", "--source", "meds", str(tmp_path / "meds"), "--facility", "SYN000001", "--json")
    assert told.returncode == 0
    assert json.loads(told.stdout)["added"] == 1
