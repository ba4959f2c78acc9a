"""What codes mean: tables beside this file, those of HL7 (with a site's own) and of NMRS; nothing is coded in here."""

import csv
import re
from collections.abc import Iterator
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Final, NamedTuple

from iit.domain.vocabulary import Kind
from iit.ingest.fhir.resources import CodeableConcept, Coding
from iit.ingest.hl7 import codes as hl7_codes
from iit.ingest.hl7.codes import Question, agents_of
from iit.ingest.nmrs.concepts import EXACT_IN_FLOAT32, Concept, Part, Value, answer_named, concept_known
from iit.ingest.nmrs.scalars import row_number

_OPENMRS_UUID: Final = re.compile(r"(\d{1,8})A{20,34}")  # OpenMRS' ids of CIEL concepts: the number, filled up with A
_UNITS: Final = {
    Kind.VIRAL_LOAD: "copies", Kind.CD4: "cells", Kind.WEIGHT_KG: "kg", Kind.HEIGHT_CM: "cm",
    Kind.SYSTOLIC_MMHG: "mmhg", Kind.DIASTOLIC_MMHG: "mmhg",
}  # fmt: skip


class Meaning(NamedTuple):
    """What an observation is about.

    Attributes:
        kind: kind of fact it makes.
        part: its part in a form of NMRS, where it has one.
        value: how it is answered.
        unit: unit of a number where the sender tells none; "" for numbers without one.
        lowest: least credible value, itself included.
        highest: greatest credible value, itself included.
        concept: the question with its answers, for coded ones.
    """

    kind: Kind | None
    part: Part | None
    value: Value
    unit: str
    lowest: float
    highest: float
    concept: Concept | None


class Codes:
    """What codes mean at a site."""

    def __init__(self, own: Path | None) -> None:
        """Take a site's own table, or None.

        Raises:
            InvalidInput: the table cannot be read.
        """
        self._questions = hl7_codes.codes(own)

    def meaning(self, code: CodeableConcept) -> Meaning | None:
        """Return what a code is about: by the first of its codings that is known, else by its text."""
        for one in code.coding:
            found = self._of_coding(one)
            if found is not None:
                return found
        return self._named(code.text or next((one.display for one in code.coding if one.display), ""))

    def _of_coding(self, coding: Coding) -> Meaning | None:
        system, written = system_of(coding.system), coding.code or ""
        question = self._questions.question(written, "", system)
        if question is not None and question.kind in Kind.__members__:
            return _of_question(question)
        number = ciel_number(coding)
        concept = None if number is None else concept_known(number, "")
        return None if concept is None else _meaning(concept)

    def _named(self, name: str | None) -> Meaning | None:
        question = self._questions.question("", name, "") if name else None
        if question is not None and question.kind in Kind.__members__:
            return _of_question(question)
        concept = concept_known(None, name) if name else None
        return None if concept is None else _meaning(concept)


def _of_question(question: Question) -> Meaning:
    return Meaning(Kind[question.kind], None, Value.NUMBER, question.unit, question.lowest, question.highest, None)


def ciel_number(coding: Coding) -> int | None:
    """Return the number of a concept of CIEL or NMRS, however a sender writes it."""
    written = coding.code or ""
    openmrs = _OPENMRS_UUID.fullmatch(written)
    if openmrs is not None:
        return int(openmrs[1])
    return row_number(written) if system_of(coding.system) == "ciel" else None


def answer_of(value: CodeableConcept, concept: Concept) -> int | None:
    """Return the concept id of an answer, as coded or else by its name; None where none is known."""
    for one in value.coding:
        number = ciel_number(one)
        if number is not None:
            number = concept.same.get(number, number)
            if concept.lowest <= number <= concept.highest and 0 < number < EXACT_IN_FLOAT32:
                return number
    for name in _names(value):
        named = answer_named(concept, name)
        if named is not None:
            return named
    return None


def agents_in(medication: CodeableConcept) -> frozenset[str]:
    """Return the antiretroviral agents that a medicine holds, by any of its codes and names."""
    found: frozenset[str] = frozenset()
    for one in medication.coding:
        number = ciel_number(one)
        found |= _MEDICATIONS.get((system_of(one.system), one.code or ""), frozenset())
        found |= agents_of(str(number or ""), one.display or "")
    return found | agents_of("", medication.text or "")


def drug_of(medication: CodeableConcept) -> int | None:
    """Return the concept of a medicine, where it is coded in CIEL."""
    numbers = (ciel_number(one) for one in medication.coding)
    return next((one for one in numbers if one is not None and 0 < one < EXACT_IN_FLOAT32), None)


@lru_cache(maxsize=512)
def system_of(uri: str | None) -> str:
    """Return the short name of a code system; one that is not known stays as it is."""
    return _SYSTEMS.get((uri or "").rstrip("/"), uri or "")


def _names(value: CodeableConcept) -> Iterator[str]:
    yield from (one.display for one in value.coding if one.display)
    if value.text:
        yield value.text


def _meaning(concept: Concept) -> Meaning:
    unit = _UNITS.get(concept.kind, "") if concept.kind is not None else ""
    return Meaning(concept.kind, concept.part, concept.value, unit, concept.lowest, concept.highest, concept)


def _table(name: str) -> list[dict[str, str]]:
    text = resources.files(__package__).joinpath(name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


_SYSTEMS: Final = {row["uri"]: row["system"] for row in _table("systems.csv")}
_MEDICATIONS: Final = {
    (row["system"], row["code"]): frozenset(row["agents"].split("-")) for row in _table("medications.csv")
}
