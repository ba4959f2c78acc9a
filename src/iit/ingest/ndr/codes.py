"""What the codes of NDR mean: the table `codes.csv`, read once."""

import csv
from importlib import resources
from typing import Final

from iit.domain.vocabulary import Kind
from iit.ingest.hl7.codes import agents_of
from iit.ingest.ndr.parse import Part


def answer(kind: Kind, code: str) -> int | None:
    """Return the concept id of an answer to a question by its code."""
    found = _MEANINGS.get((kind.name, code.strip().upper()))
    return None if found is None else int(found)


def result_kind(test: Part | None) -> Kind | None:
    """Return what a laboratory test measures, by its code; None of other tests."""
    found = None if test is None else _MEANINGS.get(("RESULT", test.text("Code").upper()))
    return None if found is None else Kind[found]


def agents_in(regimen: Part | None) -> frozenset[str]:
    """Return the antiretroviral agents of a regimen: by its code, else by its description."""
    if regimen is None:
        return frozenset()
    known = _MEANINGS.get(("REGIMEN", regimen.text("Code").upper()))
    return frozenset(known.split("-")) if known is not None else agents_of("", regimen.text("CodeDescTxt"))


def _table() -> list[dict[str, str]]:
    text = resources.files(__package__).joinpath("codes.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


_MEANINGS: Final = {(row["question"], row["code"].upper()): row["means"] for row in _table()}
