"""`iit export meds`: a dataset that the `meds` package accepts, with all facts and the day each became known."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from meds import CodeMetadataSchema, DataSchema, DatasetMetadataSchema
from sqlalchemy import text
from tests.documents import CANARIES, a_document, encoded, uuid_of

from iit.bootstrap import Service
from iit.bootstrap.meds import meds_export
from iit.domain.errors import InvalidInput
from iit.services import meds as exporting
from iit.testing import TESTER


@pytest.fixture(autouse=True)
def two_patients(service: Service) -> Iterator[None]:
    with service.database.transaction() as tx:
        tx.execute(text("DELETE FROM patients"))
    for name in ("one", "two"):
        service.intake.take_one(encoded(a_document(name)), who=TESTER)
    yield


def subjects(out: Path) -> dict[int, str]:
    with (out / "subjects.csv").open() as file:
        return {int(row["subject_id"]): row["patient_uuid"] for row in csv.DictReader(file)}


def test_the_dataset_is_valid_and_holds_every_fact(service: Service, tmp_path: Path) -> None:
    out = tmp_path / "meds"
    n_patients, n_facts = meds_export(service).write(out, who=TESTER)
    data = pq.read_table(out / "data" / "0.parquet")
    DataSchema.validate(data)
    CodeMetadataSchema.validate(pq.read_table(out / "metadata" / "codes.parquet"))
    DatasetMetadataSchema.validate(json.loads((out / "metadata" / "dataset.json").read_text()))
    rows = data.to_pylist()
    with service.database.transaction() as tx:
        query = text("SELECT patient_uuid, source_id, code, occurred_at AT TIME ZONE 'UTC', "
                     "known_at AT TIME ZONE 'UTC' FROM events")  # fmt: skip
        kept = sorted(tuple(row) for row in tx.execute(query))
    uuids = subjects(out)
    told = sorted(
        (uuids[row["subject_id"]], row["source_id"], {"MEDS_BIRTH": "BIRTH"}.get(row["code"], row["code"]), row["time"],
         row["known_at"])
        for row in rows
    )  # fmt: skip
    assert told == kept
    assert (n_patients, n_facts) == (2, len(kept))


def test_facts_of_a_subject_stand_together_in_time_and_in_one_file(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "SHARD", 1)
    meds_export(service).write(tmp_path / "meds", who=TESTER)
    files = sorted((tmp_path / "meds" / "data").iterdir())
    assert len(files) == 2
    for file in files:
        rows = pq.read_table(file).to_pylist()
        assert len({row["subject_id"] for row in rows}) == 1
        assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)


def test_a_subject_is_the_same_in_every_export_and_only_of_the_facility_asked_for(
    service: Service, tmp_path: Path
) -> None:
    export = meds_export(service)
    export.write(tmp_path / "a", who=TESTER)
    export.write(tmp_path / "b", who=TESTER, facility="SYN000001")
    assert subjects(tmp_path / "a") == subjects(tmp_path / "b")
    assert export.write(tmp_path / "c", who=TESTER, facility="elsewhere") == (0, 0)


def test_an_export_is_on_the_trail_and_shows_nobody(service: Service, tmp_path: Path) -> None:
    meds_export(service).write(tmp_path / "meds", who=TESTER)
    with service.database.transaction() as tx:
        query = text("SELECT patients FROM audit_logs WHERE event_type = 'patients_exported' ORDER BY seq DESC LIMIT 1")
        told = tx.execute(query).scalar_one()
    assert uuid_of(a_document("one")) in told
    written = [file.read_bytes() for file in (tmp_path / "meds").rglob("*.parquet")]
    assert written
    assert not any(canary.encode() in one for canary in CANARIES.values() for one in written)


def test_a_folder_that_is_not_empty_is_left_alone(service: Service, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(InvalidInput, match="is not empty"):
        meds_export(service).write(tmp_path, who=TESTER)
