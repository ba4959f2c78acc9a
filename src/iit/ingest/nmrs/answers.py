"""What an answer says: a number, a concept, a day.

The exporter's driver writes NULL as 0, so the column to read is decided by the row's `datatype` (1 number, 2 coded,
3 text, 6 date, 10 boolean), and a zero counts only if the shown value says zero, too.
"""

from datetime import datetime
from typing import Final

from iit.ingest.nmrs.concepts import EXACT_IN_FLOAT32, Concept, answer_named
from iit.ingest.nmrs.contacts import Found
from iit.ingest.nmrs.document import Obs
from iit.ingest.nmrs.moments import Fault
from iit.ingest.nmrs.reading import Reading
from iit.ingest.nmrs.scalars import flag, is_blank, number, row_number, whole

NUMERIC: Final = 1
CODED: Final = 2
TEXT: Final = 3
YES: Final = 1065
NO: Final = 1066


def number_in(row: Obs) -> float | None:
    """Return the number that a row tells, or None where it tells none."""
    datatype = row.datatype if type(row.datatype) is int else whole(row.datatype)
    if datatype == TEXT:
        return number(row.value_text) if not is_blank(row.value_text) else number(row.variable_value)
    if datatype not in (NUMERIC, None, 0):
        return None
    found = number(row.value_numeric)
    return found or number(row.variable_value)


def credible_number(found: Found, reading: Reading) -> float | None:
    """Return a number within the question's bounds, or None, with a caveat unless nothing was answered."""
    value = number_in(found.row)
    if value is None:
        if not is_blank(found.row.variable_value) or number(found.row.value_numeric):
            reading.doubt(found.place("valueNumeric"), "a number cannot be read")
        return None
    return within_bounds(value, found, reading)


def within_bounds(value: float, found: Found, reading: Reading) -> float | None:
    """Return the number if it is credible, or None, with a caveat."""
    if found.concept.lowest <= value <= found.concept.highest:
        return value
    reading.doubt(found.place("valueNumeric"), "a number is not credible")
    return None


def answer_in(row: Obs, concept: Concept) -> int | None:
    """Return the concept id of a row's answer, as coded or else by its name; None where none is known."""
    coded = row.value_coded
    answer = coded if type(coded) is int else row_number(coded)
    if answer and whole(row.datatype) in (CODED, None, 0):
        answer = concept.same.get(answer, answer)
        if concept.lowest <= answer <= concept.highest and 0 < answer < EXACT_IN_FLOAT32:
            return answer
    named = answer_named(concept, row.variable_value)
    return named if named is not None else answer_named(concept, row.value_text)


def known_answer(found: Found, reading: Reading) -> int | None:
    """Return the concept id of the answer, or None, with a caveat unless nothing was answered."""
    answer = answer_in(found.row, found.concept)
    if answer is None and (not is_blank(found.row.variable_value) or row_number(found.row.value_coded)):
        reading.doubt(found.place("valueCoded"), "an answer is not known")
    return answer


def day_in(found: Found, reading: Reading, *, may_lie_ahead: bool = False) -> datetime | None:
    """Return the day that a row tells, or None, with a caveat unless nothing was answered."""
    row = found.row
    written, name = row.value_datetime, "valueDatetime"
    if is_blank(written) or not written:
        written, name = row.variable_value, "variableValue"
    if not may_lie_ahead:
        return reading.moment(written, found.place(name))
    moment = reading.moments[written]
    if isinstance(moment, Fault):
        reading.doubt(found.place(name), moment.value)
        return None
    return moment


def is_yes(row: Obs) -> bool | None:
    """Return a yes or no answer, or None where there is neither."""
    coded = row_number(row.value_coded)
    if coded in (YES, NO):
        return coded == YES
    if not is_blank(row.variable_value):
        return flag(row.variable_value)
    return True if number(row.value_numeric) == 1 else None
