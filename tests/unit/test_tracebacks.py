"""A traceback tells places, kinds and codes, and none of the words that a library made of what it was given."""

import logging
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest
from tests.log_setup import logged

from iit.domain.errors import InvalidInput
from iit.ingest.nmrs.moments import Fault, Moments
from iit.telemetry import places_of

NAME = "CANARY-OF-A-TRACEBACK"


def caught(act: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as raised:
        act()
    return raised.value


def reading() -> None:
    try:
        int(NAME)
    except ValueError as cause:
        raise InvalidInput("is no number", place="obs[3]") from cause


def test_our_own_words_are_kept_and_those_of_libraries_are_not() -> None:
    told = places_of(caught(reading))
    assert "iit.domain.errors.InvalidInput: obs[3]: is no number\ncaused by\n" in told
    assert told.endswith("\nValueError")
    assert "in reading" in told
    assert NAME not in told


def test_postgresqls_code_is_told_and_its_detail_is_not() -> None:
    told = places_of(psycopg.errors.UniqueViolation(f"Key (patient_uuid)=({NAME}) already exists."))
    assert told.endswith("psycopg.errors.UniqueViolation [23505]")


def test_an_error_that_causes_itself_is_told_once() -> None:
    error = ValueError(NAME)
    error.__cause__ = error
    assert places_of(error).count("ValueError") == 1


@pytest.mark.parametrize(
    ("logger", "level", "is_told"),
    [
        pytest.param("iit.services", logging.DEBUG, True, id="the service at the level asked for"),
        pytest.param("uvicorn.error", logging.INFO, True, id="the server from INFO up"),
        pytest.param("uvicorn.error", logging.DEBUG, False, id="the server below it"),
        pytest.param("sqlalchemy.engine.Engine", logging.INFO, False, id="statements and rows"),
        pytest.param("python_multipart.multipart", logging.DEBUG, False, id="forms"),
        pytest.param("psycopg", logging.WARNING, True, id="a library's warning"),
    ],
)
def test_libraries_do_not_tell_what_passes_through_them(tmp_path: Path, logger: str, level: int, is_told: bool) -> None:
    with logged(tmp_path / "log", level="DEBUG") as file:
        logging.getLogger(logger).log(level, "something")
    assert ("something" in file.read_text()) is is_told


def test_what_is_no_date_is_not_remembered() -> None:
    moments = Moments(ZoneInfo("UTC"))
    assert moments[NAME] is Fault.FORM
    assert moments["2024-02-01"] is not None
    assert list(moments) == ["2024-02-01"]
    assert repr(moments) == "Moments(1 dates)"
