"""`iit import --source fhir`: bundles and the lines of a bulk export, each resource once, the rejected ones listed."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.fhir_resources import a_bundle, a_dispense, a_patient, an_id, an_observation, encoded

from iit.bootstrap import Service
from iit.domain.record import record_order
from iit.ingest.nmrs import read_nmrs
from iit.ingest.sources import SourceDocument, documents
from iit.services.fhir_intake import FhirIntake
from iit.services.intake import IntakeSummary, Rejection
from iit.store.records import events_of
from iit.synth import cohort_documents, write_cohort
from iit.testing import TESTER


@pytest.fixture(autouse=True)
def nothing_known(service: Service) -> Iterator[None]:
    with service.database.transaction() as tx:
        tx.execute(text("DELETE FROM patients"))
    yield


def taken(service: Service, *paths: Path) -> tuple[IntakeSummary, list[tuple[SourceDocument, Rejection]]]:
    rejected: list[tuple[SourceDocument, Rejection]] = []
    intake = FhirIntake(service.fhir, TESTER, lambda *one: rejected.append(one))
    return intake.take(lambda: documents(paths)), rejected


def lines(path: Path, resources: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(one) + "\n" for one in resources))


def codes(service: Service) -> list[str]:
    with service.database.transaction() as tx:
        return list(tx.execute(text("SELECT code FROM events ORDER BY code")).scalars())


def test_a_synthetic_cohort_is_the_same_as_its_nmrs_documents(service: Service, tmp_path: Path) -> None:
    out = tmp_path / "cohort"
    write_cohort(out, patients=6, seed=3, form="fhir")
    summary, rejected = taken(service, out)
    assert rejected == []
    assert summary.n_added > 300
    assert summary.n_read == summary.n_added + summary.n_updated + summary.n_unchanged
    for _, uuid, data in cohort_documents(patients=6, seed=3):
        record = read_nmrs(data, zone=service.settings.zone).record
        with service.database.transaction() as tx:
            events = sorted(events_of(tx, uuid), key=record_order)
        assert sorted((one.kind, one.occurred_at.date()) for one in events if one.kind < 60) == sorted(
            (one.kind, one.occurred_at.date()) for one in record.events if one.kind < 60
        )
    again, _ = taken(service, out)
    assert (again.n_added, again.n_updated) == (0, 0)


def test_a_bulk_export_is_read_people_first(service: Service, tmp_path: Path) -> None:
    organization = {"resourceType": "Organization", "id": "17", "identifier": [{"value": "SYN000007"}]}
    medication = {"resourceType": "Medication", "id": "m", "code": {"text": "TDF/3TC/DTG"}}
    lines(tmp_path / "MedicationDispense.ndjson", [
        a_dispense(medicationCodeableConcept=None, medicationReference={"reference": "Medication/m"})
    ])  # fmt: skip
    lines(tmp_path / "Medication.ndjson", [medication])
    lines(tmp_path / "Observation.ndjson", [an_observation(), an_observation("24467-3", 300)])
    lines(tmp_path / "Organization.ndjson", [organization])
    lines(tmp_path / "Patient.ndjson", [a_patient(managingOrganization={"reference": "Organization/17"})])
    summary, rejected = taken(service, tmp_path)
    assert rejected == []
    assert (summary.n_read, summary.n_added) == (6, 3)
    assert {"PICKUP", "REGIMEN//165681", "VIRAL_LOAD"} <= set(codes(service))
    with service.database.transaction() as tx:
        assert tx.execute(text("SELECT facility FROM patients")).scalars().all() == ["SYN000007"]


def test_what_is_rejected_is_listed_with_its_place_and_the_others_go_on(service: Service, tmp_path: Path) -> None:
    lines(tmp_path / "Observation.ndjson", [an_observation(), an_observation(name="nobody"), {"a": 1}])
    lines(tmp_path / "Patient.ndjson", [a_patient()])
    (tmp_path / "bundle.json").write_bytes(encoded(a_bundle(a_dispense(), a_dispense("nobody"))))
    (tmp_path / "torn.json").write_text('{"resourceType": "Bundle"')
    summary, rejected = taken(service, tmp_path)
    places = sorted(one.place.removeprefix(str(tmp_path)) for _, one in rejected)
    assert places == [
        "/Observation.ndjson:2", "/Observation.ndjson:3", "/bundle.json Bundle.entry[0].resource",
        "/bundle.json Bundle.entry[1].resource", "/torn.json",
    ]  # fmt: skip
    assert summary.n_rejected == 5
    assert summary.n_added == 2
    assert codes(service).count("PICKUP") == 0
    assert an_id("nobody").encode() in next(one.data for one, why in rejected if why.place.endswith(".ndjson:2"))


def test_what_a_killed_import_left_in_the_inbox_says_the_same_when_it_is_read_again(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A unit is stored with what it refers to."""
    lines(tmp_path / "Patient.ndjson", [a_patient(id="9", managingOrganization={"reference": "Organization/17"})])
    lines(tmp_path / "Organization.ndjson", [{"resourceType": "Organization", "id": "17",
                                              "identifier": [{"value": "SYN000007"}]}])  # fmt: skip
    lines(tmp_path / "Observation.ndjson", [an_observation(subject={"identifier": {"system": "urn:iit:test",
                                                                                   "value": "N-one"}})])  # fmt: skip
    monkeypatch.setattr(type(service.fhir), "_work", lambda *_: None)
    taken(service, tmp_path / "Organization.ndjson", tmp_path / "Patient.ndjson")
    with service.database.transaction() as tx:
        tx.execute(text("UPDATE inbox SET next_try_at = received_at"))
    assert service.inbox.work().n_done == 1
    with service.database.transaction() as tx:
        assert tx.execute(text("SELECT facility FROM patients")).scalars().all() == ["SYN000007"]
