"""Outcomes of stored predictions: found once, kept as known on a day, and put right when the record is."""

from collections.abc import Iterator
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from tests.documents import a_document, encoded, uuid_of
from tests.predictions import a_prediction

from iit.domain.errors import InvalidInput
from iit.ingest.sources import SourceDocument
from iit.services import contexts
from iit.services.answers import audit_of
from iit.services.intake import Intake
from iit.services.outcomes import Outcomes
from iit.store import predictions as prediction_store
from iit.store.database import Database
from iit.testing import TESTER

TODAY = date(2024, 12, 31)
ASKED = date(2024, 2, 20)  # in the cycle of 9 February, expected back on 10 March, interrupted from 8 April


@pytest.fixture
def outcomes(database: Database) -> Iterator[Outcomes]:
    yield Outcomes(database, lambda: TODAY)
    with database.transaction() as tx:
        tx.execute(text("DELETE FROM predictions"))
        tx.execute(text("DELETE FROM patients"))


def take(database: Database, *given: object) -> None:
    intake = Intake(database, ZoneInfo("Africa/Lagos"), lambda: datetime.now(ZoneInfo("Africa/Lagos")))
    summary = intake.take([SourceDocument(f"doc {i}", encoded(one)) for i, one in enumerate(given)], who=TESTER)
    assert summary.n_rejected == 0
    contexts.refresh(database)


def ask(database: Database, name: str, expected_on: date = date(2024, 3, 10)) -> None:
    row = a_prediction(uuid_of(a_document(name)), ASKED, expected_on=expected_on)
    with database.transaction() as tx:
        prediction_store.save(tx, [row], audit=[audit_of(row)])


def stored(database: Database) -> list[tuple[object, ...]]:
    with database.transaction() as tx:
        rows = tx.execute(text("SELECT status, label, evaluable, is_final, resolved_on FROM outcomes ORDER BY status"))
        return [tuple(row) for row in rows]


def a_return(name: str, on: str, exported: str = "2024-07-01 08:00:00") -> dict[str, object]:
    return a_document(name, days=("2024-01-10", "2024-02-09", on), messageCreationDateTime=exported)


def test_outcomes_are_found_once_and_audited(database: Database, outcomes: Outcomes) -> None:
    take(database, a_return("back", "2024-03-12"), a_document("gone"), a_return("other", "2024-06-20"))
    ask(database, "back")
    ask(database, "gone")
    first = outcomes.resolve(as_of=date(2024, 7, 1), who=TESTER)
    assert (first.n_judged, first.n_added) == (2, 2)
    assert stored(database) == [
        ("interrupted", 1, True, True, date(2024, 4, 7)),
        ("returned", 0, True, True, date(2024, 3, 12)),
    ]
    again = outcomes.resolve(as_of=date(2024, 7, 1), who=TESTER)
    assert (again.n_added, again.n_changed, again.n_reopened) == (0, 0, 0)
    with database.transaction() as tx:
        detail = tx.execute(
            text("SELECT detail FROM audit_logs WHERE event_type = 'outcomes_resolved' ORDER BY seq")
        ).scalars()
        assert next(iter(detail)) == {"n": 2, "as_of": "2024-07-01"}


def test_what_was_not_known_on_the_day_does_not_count(database: Database, outcomes: Outcomes) -> None:
    take(database, a_document("back"))
    ask(database, "back")
    take(database, a_return("back", "2024-03-12"))
    assert outcomes.resolve(as_of=date(2024, 3, 11), who=TESTER).by_status == {"open": 1}
    assert stored(database) == []
    outcomes.resolve(as_of=date(2024, 3, 12), who=TESTER)
    assert stored(database) == [("returned", 0, False, False, date(2024, 3, 12))]  # early returns judge no model
    take(database, a_return("other", "2024-06-20"))
    outcomes.resolve(as_of=date(2024, 7, 1), who=TESTER)
    assert stored(database) == [("returned", 0, True, True, date(2024, 3, 12))]


def test_a_correction_of_the_record_changes_the_outcome(database: Database, outcomes: Outcomes) -> None:
    take(database, a_document("gone"), a_return("other", "2024-06-20"))
    ask(database, "gone")
    outcomes.resolve(as_of=date(2024, 7, 1), who=TESTER)
    assert stored(database)[0][0] == "interrupted"
    take(database, a_return("gone", "2024-03-12", "2024-07-02 08:00:00"))
    summary = outcomes.resolve(as_of=date(2024, 7, 2), who=TESTER)
    assert (summary.n_added, summary.n_changed) == (0, 1)
    assert stored(database)[0][0] == "returned"


def test_a_correction_can_open_an_outcome_again(database: Database, outcomes: Outcomes) -> None:
    take(database, a_document("back"))
    ask(database, "back")
    take(database, a_return("back", "2024-03-12"))
    outcomes.resolve(as_of=date(2024, 3, 20), who=TESTER)
    assert stored(database)[0][0] == "returned"
    take(database, a_document("back", messageCreationDateTime="2024-07-02 08:00:00"))
    assert outcomes.resolve(as_of=date(2024, 3, 21), who=TESTER).n_reopened == 1
    assert stored(database) == []


def test_an_open_window_is_not_looked_at_until_something_happens(database: Database, outcomes: Outcomes) -> None:
    take(database, a_document("one"))
    ask(database, "one", expected_on=date(2024, 12, 30))
    assert outcomes.resolve(as_of=TODAY, who=TESTER).n_judged == 0
    take(database, a_return("one", "2024-03-12"))
    assert outcomes.resolve(as_of=TODAY, who=TESTER).n_judged == 1


def test_a_day_judged_later_already_is_left_alone(database: Database, outcomes: Outcomes) -> None:
    take(database, a_return("back", "2024-03-12"))
    ask(database, "back")
    outcomes.resolve(as_of=date(2024, 7, 1), who=TESTER)
    before = stored(database)
    assert outcomes.resolve(as_of=date(2024, 3, 1), who=TESTER).n_judged == 0
    assert stored(database) == before


def test_outcomes_are_not_told_of_days_ahead(outcomes: Outcomes) -> None:
    with pytest.raises(InvalidInput, match="future"):
        outcomes.resolve(as_of=date(2025, 1, 1), who=TESTER)
