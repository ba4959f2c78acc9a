"""The shape of documents: missing blocks, other spellings, broken bytes."""

import json
import re

import pytest
from nmrs_documents import LAGOS, a_document, a_form, a_pickup, encoded, number, read

from iit.domain.errors import InvalidInput
from iit.domain.record import Record
from iit.domain.vocabulary import Kind
from iit.ingest.nmrs import read_nmrs, read_nmrs_value

BLOCKS = ["visits", "encounters", "obs", "patientIdentifiers", "patientPrograms"]
DOCUMENT = a_document(a_form("care", "2023-03-01", number(5089, 54)), a_pickup("2023-03-02"))


def said(record: Record) -> str:
    """Return all that a record says; NaN equals NaN here."""
    return str([tuple(record.patient), *(tuple(event) for event in record.events)])


def changed(**blocks):
    """Return the document with blocks replaced."""
    return {**DOCUMENT, "messageData": {**DOCUMENT["messageData"], **blocks}}


def snake(value):
    """Return the document with keys in snake_case."""
    if isinstance(value, list):
        return [snake(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {re.sub(r"(?<=[a-z0-9])([A-Z]+)", r"_\1", key).lower(): snake(item) for key, item in value.items()}


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("empty", [None, "", 0, False, []], ids=repr)
def test_block_may_be_empty_in_any_way(block, empty):
    assert read(changed(**{block: empty})).record.patient.status == "active"


@pytest.mark.parametrize("block", [*BLOCKS, "encounterProviders", "patientBiometrics"])
def test_block_may_be_missing(block):
    data = {key: value for key, value in DOCUMENT["messageData"].items() if key != block}
    assert len(read({**DOCUMENT, "messageData": data}).record.events) > 0


def test_block_may_be_a_single_row():
    document = a_document(a_form("care", "2023-03-01", number(5089, 54)))
    listed = said(read(document).record)
    data = document["messageData"]
    for block in ("visits", "encounters", "obs", "patientIdentifiers"):
        (data[block],) = data[block]
    data["demographics"] = [data["demographics"]]
    assert said(read(document).record) == listed


def test_rows_may_be_null():
    document = changed(obs=[None, *DOCUMENT["messageData"]["obs"], None])
    assert said(read(document).record) == said(read(DOCUMENT).record)


@pytest.mark.parametrize("header", [None, "", {}, 5])
def test_header_may_be_missing(header):
    imported = read({**DOCUMENT, "messageHeader": header})
    assert (imported.exported_at, imported.document_id, imported.facility_name) == (None, None, None)


def test_encounters_may_be_missing_altogether():
    kinds = {event.kind for event in read(changed(encounters=None)).record.events}
    assert {Kind.PICKUP, Kind.VISIT, Kind.WEIGHT_KG} <= kinds


def test_snake_case_reads_the_same():
    assert said(read(snake(DOCUMENT)).record) == said(read(DOCUMENT).record)


@pytest.mark.parametrize("block", [*BLOCKS[1:3], "demographics"])
def test_one_block_in_snake_case_reads_the_same(block):
    document = changed(**{block: snake(DOCUMENT["messageData"][block])})
    assert said(read(document).record) == said(read(DOCUMENT).record)


def test_header_in_snake_case_reads_the_same():
    document = {"message_header": snake(DOCUMENT["messageHeader"]), "messageData": DOCUMENT["messageData"]}
    assert read(document).exported_at == read(DOCUMENT).exported_at


def test_decoded_value_reads_the_same_as_bytes():
    assert said(read_nmrs_value(DOCUMENT, zone=LAGOS).record) == said(read(DOCUMENT).record)
    assert said(read_nmrs_value(snake(DOCUMENT), zone=LAGOS).record) == said(read(DOCUMENT).record)


@pytest.mark.parametrize("wrap", [bytes, memoryview, lambda data: b"\xef\xbb\xbf" + data, lambda data: b" \n" + data])
def test_bytes_in_any_wrapping_read_the_same(wrap):
    assert said(read_nmrs(wrap(encoded(DOCUMENT)), zone=LAGOS).record) == said(read(DOCUMENT).record)


def test_unknown_fields_are_ignored():
    document = changed(news={"a": [1]}, demographics={**DOCUMENT["messageData"]["demographics"], "clan": [{}]})
    assert said(read(document).record) == said(read(DOCUMENT).record)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "not valid JSON", id="nothing"),
        pytest.param(b"{", "not valid JSON", id="cut off"),
        pytest.param(encoded(DOCUMENT)[:-40], "not valid JSON", id="cut off late"),
        pytest.param(b'{"messageData": NaN}', "not valid JSON", id="NaN"),
        pytest.param(b'{"messageData": Infinity}', "not valid JSON", id="infinity"),
        pytest.param(encoded(DOCUMENT) + b"{}", "not valid JSON", id="something after the end"),
        pytest.param(json.dumps(DOCUMENT).encode("utf-16"), "not UTF-8", id="UTF-16"),
        pytest.param(encoded(DOCUMENT).replace(b"Ikeja", b"\xe9"), "not UTF-8", id="Latin-1"),
        pytest.param(encoded(DOCUMENT).replace(b"AES", b"\xe9"), "not UTF-8", id="Latin-1 in what is not read"),
        pytest.param(b"[" * 100_000, "expected", id="deep list"),
        pytest.param(b'{"x":' * 100_000, "nested too deeply", id="deep object"),
        pytest.param(b'{"messageData": {"obs": [{"x":' + b"[" * 100_000, "nested too deeply", id="deep in a row"),
        pytest.param(b'{"messageData": 1e999}', "cannot be read", id="number beyond all bounds"),
        pytest.param(b"[]", "expected", id="a list"),
        pytest.param(b"null", "expected", id="null"),
        pytest.param(b"{}", "messageData: the block is missing", id="no data"),
        pytest.param(b'{"messageData": {}}', "demographics: the block is missing", id="no person"),
        pytest.param(encoded(changed(obs=[[]])), r"messageData\.obs\[0\]: expected", id="a list for a row"),
        pytest.param(encoded(changed(obs=[{"valueText": {}}])), r"obs\[0\]\.valueText: expected", id="object for text"),
    ],
)
def test_document_that_cannot_be_read_is_refused_with_the_reason(data, reason):
    with pytest.raises(InvalidInput, match=reason):
        read_nmrs(data, zone=LAGOS)


@pytest.mark.parametrize("value", [None, [], "text", 5, {"messageData": object()}, {1: 2}])
def test_decoded_value_that_is_no_document_is_refused(value):
    with pytest.raises(InvalidInput):
        read_nmrs_value(value, zone=LAGOS)


def test_cyclic_value_is_refused():
    value = snake(DOCUMENT)
    value["message_data"]["obs"] = [value]
    value["message_data"]["demographics"]["patient_uuid"] = [value]
    with pytest.raises(InvalidInput):
        read_nmrs_value(value, zone=LAGOS)


def test_refusal_shows_no_value():
    document = changed(demographics={**DOCUMENT["messageData"]["demographics"], "gender": {"Ada Obi": 1}})
    with pytest.raises(InvalidInput) as refused:
        read(document)
    assert refused.value.place == "messageData.demographics.gender"
    assert "Ada" not in str(refused.value)
