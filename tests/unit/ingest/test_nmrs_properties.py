"""What holds for every document: rows have no order, ids are unique, junk is refused and never crashes."""

import copy
import json
from datetime import date, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from nmrs_documents import (
    LAGOS,
    a_document,
    a_form,
    a_pickup,
    arv_group,
    coded,
    day,
    encoded,
    group,
    number,
    read,
)

from iit.domain.errors import InvalidInput
from iit.domain.record import record_order
from iit.ingest.nmrs import read_nmrs

START = date(2021, 1, 1)
ANSWERS = [
    number(5089, 54), coded(5356, 1205), day(5096, "2023-01-01"), coded(1054, 5555), number(856, 40),
    day(159951, "2021-01-05"), day(165414, "2021-06-05"), coded(165470, 159492), coded(165460, 1),
]  # fmt: skip
GROUPS = [group(165902, "a", day(165463, "2021-03-08")), arv_group(30, number(1443, 30), coded(165723, 160862))]
days_of_care = st.integers(0, 900).map(lambda after: (START + timedelta(days=after)).isoformat())
forms = st.builds(
    lambda kind, on, answers, groups, changes: a_form(kind, on, *answers, *groups, **changes),
    st.sampled_from(["pharmacy", "care", "laboratory", "tracking", "enrolment", "other"]),
    days_of_care,
    st.lists(st.sampled_from(ANSWERS), max_size=5),
    st.lists(st.sampled_from(GROUPS), max_size=1),
    st.fixed_dictionaries({}, optional={"voided": st.just(1), "dateCreated": days_of_care, "formId": st.just(0)}),
)
documents = st.lists(forms, max_size=5).map(lambda some: a_document(*some))
FULL = a_document(
    a_pickup("2022-03-01", 90, number(1443, 90), coded(165724, 165631)),
    a_form("care", "2022-03-01", *ANSWERS),
    a_form("tracking", "2022-09-01", *ANSWERS, GROUPS[0]),
    a_form("laboratory", "2022-10-01", *ANSWERS),
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=20),
    st.sampled_from(["", "0", "1", "2022-02-30", "07/03/2022", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00",
                     "<20", "1e400", "\x00", "\ud800", "NaN", "1205"]),
)  # fmt: skip
junk = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


def said(imported: Any) -> str:
    """Return all that an import says; NaN equals NaN here."""
    facts = [tuple(event) for event in imported.record.events]
    return str([tuple(imported.record.patient), facts, imported.n_rows, imported.n_voided])


@given(document=documents, seed=st.randoms(use_true_random=False))
def test_order_of_rows_is_without_meaning(document, seed):
    shuffled = copy.deepcopy(document)
    for block in ("visits", "encounters", "obs"):
        seed.shuffle(shuffled["messageData"][block])
    assert said(read(shuffled)) == said(read(document))


@given(document=documents, seed=st.randoms(use_true_random=False))
def test_order_of_rows_is_without_meaning_where_no_encounter_is_listed(document, seed):
    document["messageData"]["encounters"] = []
    shuffled = copy.deepcopy(document)
    seed.shuffle(shuffled["messageData"]["obs"])
    assert said(read(shuffled)) == said(read(document))


@given(document=documents)
def test_facts_are_in_order_with_unique_ids_and_known_no_earlier_than_they_happened(document):
    imported = read(document)
    events = imported.record.events
    assert list(events) == sorted(events, key=record_order)
    assert len({event.source_id for event in events}) == len(events)
    assert all(event.occurred_at <= event.known_at for event in events)
    assert all(event.occurred_at.tzinfo is LAGOS and event.known_at.tzinfo is LAGOS for event in events)


@given(document=documents, times=st.integers(2, 3))
def test_rows_told_again_say_nothing_new(document, times):
    once = read(document).record
    for block in ("visits", "encounters", "obs"):
        document["messageData"][block] *= times
    again = read(document).record
    assert str([tuple(event) for event in again.events]) == str([tuple(event) for event in once.events])


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += _places(item, (*path, key))
    return found


PLACES = _places(FULL)
VALUE_PLACES = [place for place in PLACES if len(place) == 4]


@given(places=st.lists(st.sampled_from(PLACES) | st.sampled_from(VALUE_PLACES), min_size=1, max_size=4), data=st.data())
def test_junk_in_a_document_is_refused_or_read_but_never_crashes(places, data):
    document = copy.deepcopy(FULL)
    for *path, last in places:
        holder: Any = document
        for key in path:
            holder = holder[key] if isinstance(holder, dict | list) and _has(holder, key) else None
        if isinstance(holder, dict | list) and _has(holder, last):
            holder[last] = data.draw(junk)
    try:
        imported = read_nmrs(json.dumps(document).encode(), zone=LAGOS)
    except InvalidInput:
        return
    for event in imported.record.events:
        assert event.occurred_at <= event.known_at
        assert abs(event.sequence) < 2**63
        assert "\x00" not in event.source_id
        assert event.code  # a coded fact has an answer
    imported.record.patient.facility.encode()


def _has(holder: Any, key: Any) -> bool:
    return key in holder if isinstance(holder, dict) else isinstance(key, int) and key < len(holder)


@given(cuts=st.lists(st.tuples(st.integers(0, 20_000), st.binary(max_size=4)), min_size=1, max_size=5))
def test_broken_bytes_are_refused_or_read_but_never_crash(cuts):
    data = bytearray(encoded(FULL))
    for place, replacement in cuts:
        place %= len(data)
        data[place : place + len(replacement) + 1] = replacement
    try:
        read_nmrs(bytes(data), zone=LAGOS)
    except InvalidInput as refused:
        assert refused.reason


@given(data=st.binary(max_size=200) | junk.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_refused(data):
    try:
        read_nmrs(data, zone=LAGOS)
    except InvalidInput:
        return
    raise AssertionError("no small junk is a patient's document")
