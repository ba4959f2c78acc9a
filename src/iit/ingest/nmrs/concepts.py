"""What each question on a form means to us: the tables `concepts.csv`, `answers.csv` and `forms.csv`, read once.

A row is found by its concept id first and by its name second (letters and digits only, in any case): sites rename
nothing but sometimes renumber. Concepts of unknown id (DSD model, adherence counselling) are found by name only, and
misleading names (865 "THROAT PAINFUL") by id only.
"""

import csv
from enum import Enum, IntEnum, auto
from functools import lru_cache
from importlib import resources
from typing import Final, NamedTuple

from iit.domain.vocabulary import Kind
from iit.ingest.nmrs.document import Obs
from iit.ingest.nmrs.scalars import Scalar, normal, row_number

EXACT_IN_FLOAT32: Final = 2**24  # values are kept as float32; a larger concept id would turn into another one


class Form(Enum):
    """What a form is for."""

    PHARMACY = auto()
    CARE = auto()
    LABORATORY = auto()
    SAMPLE = auto()
    ENROLMENT = auto()
    TRACKING = auto()
    INITIAL = auto()
    COMMENCEMENT = auto()
    PMTCT = auto()
    OTHER = auto()


class Part(IntEnum):
    """Answers that mean something only together with others of the same form."""

    ARV_GROUP = auto()
    OI_GROUP = auto()
    SUPPLY_DAYS = auto()
    QUANTITY = auto()
    FREQUENCY = auto()
    ARV_FACT = auto()
    RESULT = auto()
    MISFILED_RESULT = auto()
    SPECIMEN_DAY = auto()
    REPORTED_DAY = auto()
    ATTEMPT_GROUP = auto()
    ATTEMPT_DAY = auto()
    TRACKING_REASON = auto()
    TERMINATION = auto()
    TERMINATION_DAY = auto()
    PREGNANT = auto()
    BREASTFEEDING = auto()
    EAC = auto()
    PHONE = auto()


class Value(Enum):
    """How a question is answered. `PAST_DAY` is a day that had come when it was told, `ANY_DAY` may lie ahead."""

    NOTHING = ""
    NUMBER = "number"
    ANSWER = "answer"
    PAST_DAY = "past_day"
    ANY_DAY = "any_day"


class Concept(NamedTuple):
    """One question.

    Attributes:
        kind: kind of fact it makes, if it makes one.
        part: its part in a form, if it cannot be read alone.
        value: how it is answered.
        lowest: least credible value, itself included; of an answer, the least known one.
        highest: greatest credible value, itself included.
        form: the only form on which it counts, or None.
        answers: concept id by normalised name of the answer.
        same: concept ids of answers that mean another one.
    """

    kind: Kind | None
    part: Part | None
    value: Value
    lowest: float
    highest: float
    form: Form | None
    answers: dict[str, int]
    same: dict[int, int]


def concept_of(row: Obs) -> Concept | None:
    """Return what a row's question means, or None where it means nothing to us."""
    concept = _BY_ID.get(row.concept_id)
    if concept is not None:
        return concept
    if isinstance(row.concept_id, str):
        concept = _BY_ID.get(row_number(row.concept_id))
    return concept or _concept_named(row.variable_name)


def concept_known(number: int | None, name: str) -> Concept | None:
    """Return what a concept of this number, or else of this name, means; None where it means nothing to us."""
    found = None if number is None else _BY_ID.get(number)
    return found or _concept_named(name)


@lru_cache(maxsize=64)
def answers_to(question: str) -> dict[str, int]:
    """Return concept ids of the answers to a question (the name of a kind or part), by their normalised names."""
    rows = [row for row in _table("answers.csv") if row["question"] == question]
    return {name: int(row["answer_id"]) for row in rows for name in _names(row["names"])}


def concepts_in_order() -> list[tuple[int | None, str, Concept]]:
    """Return id, first name and meaning of each concept, in the order of the table."""
    answers = _table("answers.csv")
    return [
        (int(row["concept_id"]) if row["concept_id"] else None, row["names"].split("|")[0], _concept(row, answers))
        for row in _table("concepts.csv")
    ]


def form_of(form_id: Scalar, encounter_type: Scalar, name: Scalar) -> Form:
    """Return what a form is for: by its id, else by the encounter's type, else by its name."""
    known = _FORM_BY_ID.get(row_number(form_id) or 0) or _FORM_BY_TYPE.get(row_number(encounter_type) or 0)
    if known is None:
        candidates = (name, encounter_type)  # an older exporter writes the type as a name
        known = next((_FORM_BY_NAME[normal(str(one))] for one in candidates if normal(str(one)) in _FORM_BY_NAME), None)
    return known or Form.OTHER


def answer_named(concept: Concept, name: Scalar) -> int | None:
    """Return the concept id of an answer that is told by its name only."""
    return concept.answers.get(normal(str(name))) if name else None


@lru_cache(maxsize=4096)
def _concept_named(name: Scalar) -> Concept | None:
    return _BY_NAME.get(normal(name)) if isinstance(name, str) else None


def _table(name: str) -> list[dict[str, str]]:
    text = resources.files(__package__).joinpath(name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def _names(cell: str) -> list[str]:
    return [normal(name) for name in cell.split("|") if name]


def _numbers(cell: str) -> list[int]:
    return [int(one) for one in cell.split("|") if one]


def _concept(row: dict[str, str], answers: list[dict[str, str]]) -> Concept:
    own = [answer for answer in answers if answer["question"] == (row["kind"] or row["part"])]
    return Concept(
        Kind[row["kind"]] if row["kind"] else None,
        Part[row["part"]] if row["part"] else None,
        Value(row["value"]),
        float(row["lowest"] or "-inf"),
        float(row["highest"] or "inf"),
        Form[row["form"]] if row["form"] else None,
        {name: int(answer["answer_id"]) for answer in own for name in _names(answer["names"])},
        {same: int(answer["answer_id"]) for answer in own for same in _numbers(answer["also_ids"])},
    )


def _concepts() -> tuple[dict[Scalar, Concept], dict[str, Concept]]:
    answers = _table("answers.csv")
    by_id: dict[Scalar, Concept] = {}
    by_name: dict[str, Concept] = {}
    for row in _table("concepts.csv"):
        concept = _concept(row, answers)
        if row["concept_id"]:
            by_id[int(row["concept_id"])] = concept
        by_name.update(dict.fromkeys(_names(row["names"]), concept))
    return by_id, by_name


_FORMS: Final = _table("forms.csv")
_FORM_BY_ID: Final = {number: Form[row["form"]] for row in _FORMS for number in _numbers(row["form_ids"])}
_FORM_BY_TYPE: Final = {number: Form[row["form"]] for row in _FORMS for number in _numbers(row["encounter_types"])}
_FORM_BY_NAME: Final = {name: Form[row["form"]] for row in _FORMS for name in _names(row["names"])}
_BY_ID, _BY_NAME = _concepts()
