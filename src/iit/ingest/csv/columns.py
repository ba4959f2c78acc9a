"""What the columns of a list mean: the tables `columns.csv` and `answers.csv`, read once.

A title is compared by its letters and digits, without what stands in brackets: `Last Pickup Date (yyyy-mm-dd)`.
"""

import csv
import re
from collections.abc import Sequence
from importlib import resources
from typing import Final, NamedTuple

from iit.domain.errors import InvalidInput
from iit.domain.vocabulary import Kind
from iit.ingest.nmrs.concepts import answers_to
from iit.ingest.nmrs.scalars import normal

_BRACKETS: Final = re.compile(r"\([^)]*\)")
ACTIVE: Final = "active"


class Role(NamedTuple):
    """What a column is for.

    Attributes:
        name: one word for it, as it stands in messages.
        value: how it is written: `id`, `code`, `day`, `number`, `answer` or `text`.
        kind: kind of fact it makes by itself, if it makes one.
        when: when that is true: `once` on its own day, `pickup`, `report`, or `person`; empty where others say.
    """

    name: str
    value: str
    kind: Kind | None
    when: str

    def __repr__(self) -> str:
        return "Role()"


class Column(NamedTuple):
    """A column of a list: its place, from 0, its role, and its title as written."""

    at: int
    role: Role
    title: str

    def __repr__(self) -> str:
        return "Column()"

    @property
    def place(self) -> str:
        """Where it stands, as messages say it."""
        return f"column {self.at + 1} ({self.role.name})"


def columns_of(header: Sequence[str]) -> dict[str, Column]:
    """Return the columns that are known, by the name of their role; the others are left alone.

    Raises:
        InvalidInput: two columns tell the same.
    """
    found: dict[str, Column] = {}
    for at, title in enumerate(header):
        role = _ROLES.get(normal(_BRACKETS.sub("", title)))
        if role is None:
            continue
        column = Column(at, role, title)
        if role.name in found:
            raise InvalidInput(f"{found[role.name].place} and {column.place} tell the same: leave one out")
        found[role.name] = column
    return found


def answer_in(question: str, written: str) -> int | None:
    """Return the concept id of an answer to a question (the name of a kind), by its words."""
    told = _ANSWERS.get((question, normal(written)))
    if told is not None:
        return int(told)
    return answers_to(question).get(normal(written))


def status_in(written: str) -> str | None:
    """Return what a status means: `active`, or the concept id of a termination as text; None where it is unknown."""
    return _ANSWERS.get(("STATUS", normal(written)))


def _table(name: str) -> list[dict[str, str]]:
    text = resources.files(__package__).joinpath(name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def _role(row: dict[str, str]) -> Role:
    return Role(row["role"], row["value"], Kind[row["kind"]] if row["kind"] else None, row["when"])


_ROLES: Final = {normal(name): _role(row) for row in _table("columns.csv") for name in row["names"].split("|")}
_ANSWERS: Final = {
    (row["question"], normal(name)): row["answer_id"]
    for row in _table("answers.csv")
    for name in row["names"].split("|")
}
