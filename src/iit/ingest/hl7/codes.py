"""What the codes of senders mean: tables beside this file, and a table of the site's own in front of them.

A question is known by its code in a coding system (LOINC, CIEL, the site's own), else by its name.
"""

import csv
import re
from collections.abc import Iterable
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Final, NamedTuple

from iit.domain.errors import InvalidInput
from iit.domain.vocabulary import Kind
from iit.ingest.hl7.parse import Separators
from iit.ingest.nmrs.scalars import normal, words

SUPPLY_DAYS: Final = "SUPPLY_DAYS"

_COLUMNS: Final = ("system", "code", "kind", "units", "lowest", "highest", "names")
_SYSTEMS: Final = {"loinc": "ln", "ln": "ln", "ciel": "ciel"}
_ANCHORS: Final = frozenset({"DTG", "EFV", "NVP", "LPV", "ATV", "DRV", "RAL", "BIC", "CAB"})
_UNITS: Final = {
    "copies": "copies", "copiesml": "copies", "cpml": "copies", "cml": "copies", "copyml": "copies", "cpsml": "copies",
    "log": "log", "logcopiesml": "log", "log10copiesml": "log", "log10": "log", "logcpml": "log", "logcopies": "log",
    "log10cpml": "log", "cells": "cells", "cellsul": "cells", "cellsmm3": "cells", "ul": "cells", "cellul": "cells",
    "cellsmicroliter": "cells", "kg": "kg", "cm": "cm", "mmhg": "mmhg", "mmhghg": "mmhg", "d": "days", "day": "days",
    "days": "days",
}  # fmt: skip


class Question(NamedTuple):
    """What an observation is about.

    Attributes:
        kind: name of a `Kind`, or `SUPPLY_DAYS`.
        unit: the unit where the sender tells none.
        lowest: least credible value, itself included.
        highest: greatest credible value, itself included.
    """

    kind: str
    unit: str
    lowest: float
    highest: float


class Codes:
    """Questions by code and by name.

    `remembered` is for readers: what they made of fields as written, since senders write few of them many times.
    """

    def __init__(self, rows: Iterable[dict[str, str]]) -> None:
        """Take the rows of a table; of two rows for one code the first counts.

        Raises:
            InvalidInput: a row is not as it must be.
        """
        self.remembered: dict[tuple[str, Separators], Question | None] = {}
        self._by_code: dict[tuple[str, str], Question] = {}
        self._by_name: dict[str, Question] = {}
        for number, row in enumerate(rows, 2):
            question = _question(row, number)
            self._by_code.setdefault((_system(row["system"]), row["code"].strip()), question)
            for name in row["names"].split("|"):
                if name:
                    self._by_name.setdefault(normal(name), question)

    def question(self, code: str, name: str, system: str) -> Question | None:
        """Return what a code of a system, or else a name, asks for."""
        found = self._by_code.get((_system(system), code))
        return found or (self._by_name.get(normal(name)) if name else None)


def standard_unit(written: str) -> str | None:
    """Return the name of a unit as the tables use it; None where it is not known."""
    return _UNITS.get(normal(written))


@lru_cache(maxsize=4)
def codes(own: Path | None = None) -> Codes:
    """Return the questions of the built-in table, behind those of a site's own.

    Raises:
        InvalidInput: the site's table cannot be read.
    """
    return Codes([*(_own_rows(own) if own is not None else []), *_table("codes.csv")])


@lru_cache(maxsize=4096)
def agents_of(code: str, name: str) -> frozenset[str]:
    """Return the antiretroviral agents that a drug's code or name stands for."""
    told = _REGIMEN_AGENTS.get(code)
    if told is not None:
        return told
    return frozenset().union(*(_AGENTS[word] for word in words(name) if word in _AGENTS))


def is_treatment(agents: frozenset[str]) -> bool:
    """Return whether drugs together treat HIV: a third agent or three in all. Two alone may be for prevention."""
    return bool(agents & _ANCHORS) or len(agents) >= 3


def regimen_of(agents: frozenset[str]) -> int | None:
    """Return the concept of a regimen, where it has one."""
    return _REGIMENS.get(agents)


def _question(row: dict[str, str], number: int) -> Question:
    try:
        if row["kind"] != SUPPLY_DAYS:
            Kind[row["kind"]]
        return Question(row["kind"], row["units"], float(row["lowest"]), float(row["highest"]))
    except (KeyError, ValueError, TypeError) as cause:
        raise InvalidInput("the row is not system, code, kind, units, lowest, highest, names",
                           place=f"table of codes, line {number}") from cause  # fmt: skip


def _system(written: str) -> str:
    plain = re.sub(r"[^a-z0-9]", "", written.lower())
    return _SYSTEMS.get(plain, plain)


def _own_rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except (OSError, UnicodeDecodeError) as cause:
        raise InvalidInput("the table cannot be read", place=str(path)) from cause
    if tuple(reader.fieldnames or ()) != _COLUMNS:
        raise InvalidInput(f"the columns must be {','.join(_COLUMNS)}", place=str(path))
    return rows


def _table(name: str) -> list[dict[str, str]]:
    text = resources.files(__package__).joinpath(name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


_AGENTS: Final = {row["name"]: frozenset(row["agents"].split("-")) for row in _table("drugs.csv")}
_REGIMEN_AGENTS: Final = {row["concept_id"]: frozenset(row["agents"].split("-")) for row in _table("regimens.csv")}
_REGIMENS: Final = {agents: int(concept) for concept, agents in _REGIMEN_AGENTS.items()}
