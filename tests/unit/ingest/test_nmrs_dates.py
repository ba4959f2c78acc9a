"""Dates: which forms are read, which are refused, and what becomes of impossible ones."""

from datetime import UTC, datetime

import pytest
from nmrs_documents import LAGOS, a_document, a_form, day, encounter_of, facts, number, obs_of, read, reasons, values

from iit.domain.errors import InvalidInput
from iit.domain.vocabulary import Kind
from iit.ingest.nmrs import moments, read_nmrs_value

ON = "2023-03-01"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2023-03-01 00:00:00", "2023-03-01 00:00:00+01:00"),
        ("2023-03-01 14:05:09", "2023-03-01 14:05:09+01:00"),
        ("2023-03-01 14:05", "2023-03-01 14:05:00+01:00"),
        ("2023-03-01 00:00:00.0", "2023-03-01 00:00:00+01:00"),
        ("2023-03-01", "2023-03-01 00:00:00+01:00"),
        (" 2023-03-01 ", "2023-03-01 00:00:00+01:00"),
        ("2023-03-01T14:05:09", "2023-03-01 14:05:09+01:00"),
        ("2023-02-28T23:00:00Z", "2023-03-01 00:00:00+01:00"),
        ("2023-02-28T23:00:00.000Z", "2023-03-01 00:00:00+01:00"),
        ("2023-03-01T00:00:00+01:00", "2023-03-01 00:00:00+01:00"),
        ("2023-03-01T00:00:00+0100", "2023-03-01 00:00:00+01:00"),
        ("2023-02-28 18:00:00 -05:00", "2023-03-01 00:00:00+01:00"),
    ],
)
def test_forms_that_are_read(written, expected):
    document = a_document(a_form("care", ON, number(5089, 54)))
    obs_of(document, 5089)["obsDatetime"] = written
    (weight,) = facts(document, Kind.WEIGHT_KG)
    assert str(weight.occurred_at) == expected


ARABIC_DIGITS = "".join(chr(0x660 + int(one)) if one.isdigit() else one for one in "2022-03-07")
WRONG_FORMS = ["07/03/2022", "07-03-2022", "2022/03/07", "7 March 2022", "20220307", "2022-W10-1", 1646611200000, True,
               "Mon Mar 07 00:00:00 WAT 2022", ARABIC_DIGITS]  # fmt: skip


@pytest.mark.parametrize("written", WRONG_FORMS)
def test_encounter_in_a_form_that_would_be_guessed_refuses_the_document(written):
    document = a_document(a_form("care", ON))
    encounter_of(document)["encounterDatetime"] = written
    with pytest.raises(InvalidInput) as refused:
        read(document)
    assert refused.value.place == "messageData.encounters[0].encounterDatetime"
    assert str(written) not in str(refused.value)


@pytest.mark.parametrize("written", WRONG_FORMS)
def test_answer_in_a_form_that_would_be_guessed_refuses_the_document(written):
    document = a_document(a_form("care", ON, number(5089, 54)))
    obs_of(document, 5089)["obsDatetime"] = written
    with pytest.raises(InvalidInput) as refused:
        read(document)
    assert refused.value.place == "messageData.obs[0].obsDatetime"


@pytest.mark.parametrize("written", WRONG_FORMS)
def test_birthdate_in_a_form_that_would_be_guessed_refuses_the_document(written):
    with pytest.raises(InvalidInput) as refused:
        read(a_document(birthdate=written))
    assert refused.value.place == "messageData.demographics.birthdate"


@pytest.mark.parametrize("told", ["07/03/2022", "0001-01-01", "1899-12-31", "2101-01-01", "2022-02-30", "2099-01-01"])
def test_unusable_day_told_leaves_one_answer_out(told):
    row = day(159599, "2022-03-07") | {"valueDatetime": told}
    document = a_document(a_form("enrolment", ON, row, number(5089, 54)))
    assert facts(document, Kind.ART_START) == []
    assert values(document, Kind.WEIGHT_KG) == [54]
    (warning,) = read(document).warnings
    assert warning.place == "messageData.obs[0].valueDatetime"


@pytest.mark.parametrize("written", ["0001-01-01", "1899-12-31 00:00:00", "2101-01-01", "2022-02-30", "2024-02-03"])
def test_impossible_or_future_answer_is_left_out(written):
    document = a_document(a_form("care", ON, number(5089, 54), number(5090, 160)))
    obs_of(document, 5089)["obsDatetime"] = written
    assert facts(document, Kind.WEIGHT_KG) == []
    assert values(document, Kind.HEIGHT_CM) == [160]
    assert len(reasons(document)) == 1


@pytest.mark.parametrize("written", ["0001-01-01", "2022-02-30", "2024-02-03"])
def test_impossible_or_future_encounter_is_left_out_with_its_answers(written):
    document = a_document(a_form("care", ON, number(5089, 54), encounterDatetime=written))
    assert facts(document, Kind.VISIT) == facts(document, Kind.WEIGHT_KG) == []
    assert len(reasons(document)) == 1


def test_clocks_may_differ_by_a_day():
    document = a_document(a_form("care", "2024-02-02", number(5089, 54)))
    assert values(document, Kind.WEIGHT_KG) == [54]


@pytest.mark.parametrize("written", [None, "", 0, "0000-00-00 00:00:00"])
def test_answer_without_a_day_takes_its_encounters(written):
    document = a_document(a_form("care", ON, number(5089, 54)))
    obs_of(document, 5089)["obsDatetime"] = written
    assert [str(event.occurred_at.date()) for event in facts(document, Kind.WEIGHT_KG)] == [ON]


@pytest.mark.parametrize("written", [None, "", 0, "0000-00-00 00:00:00"])
def test_encounter_without_a_day_takes_its_first_answers(written):
    document = a_document(a_form("care", ON, number(5089, 54), number(5090, 160), encounterDatetime=written))
    obs_of(document, 5090)["obsDatetime"] = "2023-02-27"
    assert [str(event.occurred_at.date()) for event in facts(document, Kind.VISIT)] == ["2023-02-27"]


def test_neither_answer_nor_encounter_has_a_day():
    document = a_document(a_form("care", ON, number(5089, 54), encounterDatetime=None))
    obs_of(document, 5089)["obsDatetime"] = None
    assert facts(document, Kind.WEIGHT_KG) == []
    assert reasons(document) == ["an answer has no day"]


@pytest.mark.parametrize("written", ["31/12/2023", "1850-01-01", 5])
def test_unusable_time_of_export_is_told_and_ignored(written):
    imported = read(a_document(header={"messageCreationDateTime": written}))
    assert imported.exported_at is None
    assert [warning.place for warning in imported.warnings] == ["messageHeader.messageCreationDateTime"]


def test_birth_after_the_export_is_left_out():
    document = a_document(birthdate="2025-01-01")
    assert read(document).record.patient.birth_on is None
    assert reasons(document) == ["a date lies after the export"]


def test_the_time_zone_of_the_facility_is_the_callers():
    imported = read_nmrs_value(a_document(birthdate="1991-05-14T23:30:00Z"), zone=UTC)
    assert str(imported.record.patient.birth_on) == "1991-05-14"
    assert imported.exported_at == datetime(2024, 2, 1, 9, 14, 55, tzinfo=UTC)
    assert str(read(a_document(birthdate="1991-05-14T23:30:00Z")).record.patient.birth_on) == "1991-05-15"
    assert LAGOS is not UTC


def test_remembered_dates_are_bounded(monkeypatch):
    monkeypatch.setattr(moments, "_REMEMBERED", 3)
    remembered = moments.Moments(LAGOS)
    for number_of_day in range(1, 10):
        assert remembered[f"2023-03-0{number_of_day}"] == datetime(2023, 3, number_of_day, tzinfo=LAGOS)
        assert len(remembered) <= 3
