"""Spoilt messages: each gets an answer, none crashes, hangs or fills the memory. `make fuzz` tries a million."""

import os
import resource
import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hl7_mutations import mutations

from iit.domain.errors import ServiceError
from iit.ingest.hl7.ack import acknowledge
from iit.ingest.hl7.contents import read_contents
from iit.ingest.hl7.header import Rules
from iit.ingest.hl7.map import mapper

AT = datetime(2024, 3, 1, 10, 15, tzinfo=UTC)
INPUTS = int(os.environ.get("FUZZ_INPUTS", "4000"))
SEED = int(os.environ.get("FUZZ_SEED", "7"))
LONGEST_SECONDS = 1.0
MOST_MEMORY_KB = 300_000
MAPPER = mapper(Rules(), ZoneInfo("Africa/Lagos"))


def answered(raw: bytes) -> int:
    """Answer and map all that a frame holds; return how many messages it held."""
    items = read_contents(raw, MAPPER.rules).items
    for item in items:
        error = item.error
        if error is None:
            try:
                MAPPER.map(item, received=AT)
            except ServiceError as refused:
                error = refused
        answer = acknowledge(item.header, at=AT, error=error)
        assert b"MSA" in answer or item.header.codec.startswith("utf-16")
    return len(items)


def test_spoilt_messages_are_answered_in_time_and_in_bounded_memory() -> None:
    slowest = 0.0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number, raw in enumerate(mutations(SEED, INPUTS)):
        began = time.perf_counter()
        try:
            assert answered(raw) >= 1
        except Exception as cause:
            raise AssertionError(f"input {number} of seed {SEED}") from cause
        slowest = max(slowest, time.perf_counter() - began)
    assert slowest < LONGEST_SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_MEMORY_KB
