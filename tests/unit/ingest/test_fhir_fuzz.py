"""Spoilt FHIR bodies: each is told what is wrong with it, none crashes, hangs or is quoted. `make fuzz` tries more."""

import json
import os
import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from tests.fhir_mutations import mutations

from iit.domain.errors import ServiceError
from iit.ingest.fhir.bundle import bundle_of, read_contents
from iit.ingest.fhir.map import fhir_mapper
from iit.ingest.fhir.responses import Issue, issue_of, outcome

AT = datetime(2024, 6, 1, 10, 15, tzinfo=UTC)
INPUTS = int(os.environ.get("FUZZ_INPUTS", "3000"))
SEED = int(os.environ.get("FUZZ_SEED", "7"))
LONGEST_SECONDS = 1.0
MAPPER = fhir_mapper(ZoneInfo("Africa/Lagos"))


def answered(raw: bytes) -> dict[str, object]:
    """Read, map and answer a body as the service does before it asks the database."""
    try:
        contents = read_contents(raw)
    except ServiceError as error:
        return outcome([issue_of(error)])
    issues = []
    for one in MAPPER.map(contents, received=AT):
        if one.error is not None:
            issues.append(issue_of(one.error, one.entry.place))
            continue
        issues += [Issue("warning", "informational", note, one.entry.place) for note in one.notes]
        for fact in one.facts:
            assert fact.event.known_at >= fact.event.occurred_at
            assert 0 < fact.event.sequence < 2**63
        assert read_contents(bundle_of([one.entry], "batch", contents.timestamp)).entries[0].error is None
    return outcome(issues)


def test_spoilt_bodies_are_answered_in_time_and_never_quoted() -> None:
    slowest = 0.0
    for number, raw in enumerate(mutations(SEED, INPUTS)):
        began = time.perf_counter()
        try:
            told = json.dumps(answered(raw))
        except Exception as cause:
            raise AssertionError(f"input {number} of seed {SEED}") from cause
        assert "CANARY" not in told
        slowest = max(slowest, time.perf_counter() - began)
    assert slowest < LONGEST_SECONDS
