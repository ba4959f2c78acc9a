"""A FHIR bundle and the NMRS document of the same patient give the same features."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from iit.domain.record import Event, Record, day_number, make_record
from iit.domain.vocabulary import Kind
from iit.features.columns import columns_of
from iit.features.context import Contexts
from iit.features.vector import matrix
from iit.ingest.fhir.bundle import read_contents
from iit.ingest.fhir.map import FhirMapper, fhir_mapper
from iit.ingest.nmrs import read_nmrs
from iit.synth import DEFAULT_UNTIL, cohort_documents
from iit.testing import a_patient

ZONE = ZoneInfo("Africa/Lagos")
RECEIVED = datetime(2025, 7, 1, tzinfo=ZONE)
PATIENTS = 40


@pytest.fixture(scope="module")
def mapper() -> FhirMapper:
    return fhir_mapper(ZONE)


def from_fhir(mapper: FhirMapper, body: bytes) -> Record:
    told = mapper.map(read_contents(body), received=RECEIVED)
    assert [one.error for one in told if one.error is not None] == []
    events = [fact.event for one in told for fact in one.facts if not fact.is_retracted]
    return make_record(a_patient(), events)


def registered_on(events: Sequence[Event]) -> int:
    """Return the day from which NMRS tells who the person is; a bundle knows it from the first fact on."""
    return max((day_number(one.known_at) for one in events if one.kind in (Kind.SEX, Kind.STATE)), default=0)


@pytest.fixture(scope="module")
def records(mapper: FhirMapper) -> tuple[list[Record], list[Record]]:
    documents = cohort_documents(patients=PATIENTS, seed=3)
    bundles = cohort_documents(patients=PATIENTS, seed=3, form="fhir")
    return (
        [read_nmrs(data, zone=ZONE).record for _, _, data in documents],
        [from_fhir(mapper, data) for _, _, data in bundles],
    )


def test_the_features_are_the_same_on_every_day_that_counts(records: tuple[list[Record], list[Record]]) -> None:
    ours, theirs = (columns_of(some) for some in records)
    rows, days = [], []
    for place, record in enumerate(records[0]):
        pickups = [day_number(one.occurred_at) for one in record.events if one.kind is Kind.PICKUP]
        asked = {day + later for day in pickups for later in (0, 14, 45)} | {day_number(DEFAULT_UNTIL)}
        for day in sorted(asked):
            if day >= registered_on(record.events):
                rows.append(place)
                days.append(day)
    nowhere = np.full(PATIENTS, -1, np.int32)
    asked_rows, asked_days = np.array(rows), np.array(days, np.int32)
    none = Contexts.of([])
    mine = matrix(ours, nowhere, asked_rows, asked_days, none)
    other = matrix(theirs, nowhere, asked_rows, asked_days, none)
    assert len(rows) > 700
    np.testing.assert_array_equal(mine, other)


def test_the_facts_are_the_same_but_for_who_names_them(records: tuple[list[Record], list[Record]]) -> None:
    for mine, other in zip(*records, strict=True):
        told = [
            sorted((one.kind, one.occurred_at.date(), str(np.float32(one.value))) for one in record.events
                   if one.kind < Kind.BIRTH)
            for record in (mine, other)
        ]  # fmt: skip
        assert told[0] == told[1]
