"""Attempts to reach a patient, the end of care, and what state they leave the patient in."""

import pytest
from nmrs_documents import a_document, a_form, a_pickup, coded, day, days, facts, group, read, values

from iit.domain.vocabulary import Kind

ON = "2023-03-10"
REASON = coded(165460, 165462)
TRANSFER, DIED, STOPPED, LOST = 159492, 165889, 165916, 5240


def tracking(*answers, on=ON):
    """Return a tracking form."""
    return a_form("tracking", on, *answers)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([REASON], [ON], id="a reason for tracking alone is one attempt"),
        pytest.param([REASON, group(165902, "a", day(165463, "2023-03-08"))], ["2023-03-08"], id="one group"),
        pytest.param([group(165902, "a"), group(165902, "b")], [ON, ON], id="two groups without days"),
        pytest.param(
            [group(165902, "a", day(165463, "2023-03-08")), group(165902, "b", day(165463, "2023-03-09"))],
            ["2023-03-08", "2023-03-09"],
            id="two groups with days",
        ),
        pytest.param([REASON, day(165463, "2023-03-07")], ["2023-03-07"], id="a day outside a group"),
        pytest.param([group(165902, "a", day(165463, "0001-01-01"))], [ON], id="an impossible day: the form's"),
        pytest.param([coded(165460, 0, variableValue=None)], [], id="no reason given"),
        pytest.param([], [], id="an empty form"),
    ],
)
def test_attempts(answers, expected):
    assert [str(one) for one in days(a_document(tracking(*answers)), Kind.TRACKED)] == expected


def test_attempt_without_any_id_is_left_out():
    document = a_document(tracking(REASON))
    document["messageData"]["obs"][0].update(obsUuid=None, obsId=0)
    assert facts(document, Kind.TRACKED) == []


def test_reason_for_termination_that_is_not_known_is_told():
    document = a_document(tracking(coded(165470, 0, variableValue="moved abroad")))
    assert facts(document, Kind.TERMINATION) == []
    assert [warning.reason for warning in read(document).warnings] == ["an answer is not known"]


def test_tracking_is_no_clinical_contact():
    assert facts(a_document(tracking(REASON)), Kind.VISIT) == []


def test_attempt_is_named_after_its_group_and_known_when_it_was_written_down():
    document = a_document(tracking(group(165902, "a", day(165463, "2023-03-08"))))
    (attempt,) = facts(document, Kind.TRACKED)
    assert attempt.source_id == document["messageData"]["obs"][0]["obsUuid"]
    assert str(attempt.known_at.date()) == ON


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([coded(165470, TRANSFER)], ON, id="the form's day"),
        pytest.param([coded(165470, TRANSFER), day(165469, "2023-02-01")], "2023-02-01", id="the day told"),
        pytest.param([coded(165470, TRANSFER), day(165469, "1700-02-01")], ON, id="not an impossible day"),
        pytest.param([coded(165470, TRANSFER), day(165469, "2026-02-01")], ON, id="not a day after the export"),
    ],
)
def test_day_of_termination(answers, expected):
    document = a_document(tracking(*answers))
    assert values(document, Kind.TERMINATION) == [TRANSFER]
    assert [str(one) for one in days(document, Kind.TERMINATION)] == [expected]


def test_termination_is_known_when_it_was_written_down():
    document = a_document(tracking(coded(165470, TRANSFER), day(165469, "2023-02-01")))
    assert [str(one) for one in days(document, Kind.TERMINATION, lambda event: event.known_at)] == [ON]


@pytest.mark.parametrize(
    ("reason", "pickup", "expected"),
    [
        pytest.param(TRANSFER, None, "transferred_out", id="transferred out"),
        pytest.param(STOPPED, None, "stopped", id="stopped"),
        pytest.param(DIED, None, "died", id="died"),
        pytest.param(LOST, None, "active", id="lost to follow-up is no end"),
        pytest.param(TRANSFER, "2023-03-09", "transferred_out", id="pick-up the day before"),
        pytest.param(TRANSFER, ON, "transferred_out", id="pick-up on the day"),
        pytest.param(TRANSFER, "2023-03-11", "active", id="pick-up the day after"),
        pytest.param(STOPPED, "2023-03-11", "active", id="restarted"),
        pytest.param(DIED, "2023-03-11", "died", id="a pick-up after a death is not to be trusted"),
    ],
)
def test_status(reason, pickup, expected):
    forms = [tracking(coded(165470, reason)), *([a_pickup(pickup)] if pickup else [])]
    assert read(a_document(*forms)).record.patient.status == expected


def test_pickup_on_the_day_of_a_transfer_does_not_undo_it_whatever_its_number():
    document = a_document(tracking(coded(165470, TRANSFER)), a_pickup(ON, encounterId=9_000_000))
    assert read(document).record.patient.status == "transferred_out"


@pytest.mark.parametrize(
    ("demographics", "forms", "occurred", "known"),
    [
        pytest.param(
            {"deathDate": "2023-05-01 00:00:00", "dateChanged": "2023-05-09 00:00:00"},
            [], "2023-05-01", "2023-05-09", id="with its date",
        ),
        pytest.param({"deathDate": "2023-05-01"}, [], "2023-05-01", "2024-02-01", id="known by the export"),
        pytest.param(
            {"deathDate": "2023-05-01", "dateChanged": "2020-01-01"},
            [], "2023-05-01", "2023-05-01", id="not known before it",
        ),
        pytest.param(
            {"dateChanged": "2023-06-09"}, [tracking(coded(165470, DIED))],
            ON, "2023-06-09", id="dated by the termination",
        ),
        pytest.param({"dateChanged": "2023-06-09"}, [], "2023-06-09", "2023-06-09", id="dated by what is known"),
        pytest.param(
            {"deathDate": "01/05/2023", "dateChanged": "2023-06-09"},
            [], "2023-06-09", "2023-06-09", id="not by a date that would be guessed",
        ),
    ],
)  # fmt: skip
def test_death(demographics, forms, occurred, known):
    document = a_document(*forms, dead=1, **demographics)
    (death,) = facts(document, Kind.DEATH)
    assert (str(death.occurred_at.date()), str(death.known_at.date())) == (occurred, known)
    assert read(document).record.patient.status == "died"


def test_death_without_any_date_is_not_invented():
    document = a_document(dead=1, header={"messageCreationDateTime": None})
    assert facts(document, Kind.DEATH) == []


def test_date_of_death_of_somebody_alive_is_told_and_no_death():
    imported = read(a_document(dead=0, deathDate="2023-05-01"))
    assert imported.record.patient.status == "active"
    assert [warning.reason for warning in imported.warnings] == ["a date of death is told of somebody alive"]


def test_mark_of_death_that_is_unclear_is_told_and_no_death():
    imported = read(a_document(dead="perhaps"))
    assert imported.record.patient.status == "active"
    assert [warning.place for warning in imported.warnings] == ["messageData.demographics.dead"]
