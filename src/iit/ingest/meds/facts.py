"""One row of a MEDS dataset as a fact."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from math import isfinite
from typing import Any, Final

import numpy as np

from iit.domain.errors import InvalidInput
from iit.domain.record import Event, day_number
from iit.domain.vocabulary import CODED, NIGERIAN_STATES, Kind, answer_of
from iit.ingest.hl7.reading import NO_VALUE, Fact

OWN_CODES: Final = {"MEDS_BIRTH": Kind.BIRTH.name, "MEDS_DEATH": Kind.DEATH.name}
"""Codes for which MEDS has names of its own, with ours."""

_KINDS: Final = {kind.name: kind for kind in Kind}
_PERSONAL: Final = frozenset({Kind.BIRTH, Kind.SEX, Kind.STATE, Kind.CITY, Kind.PHONE, Kind.DEATH})
_FIRST, _LAST = date(1850, 1, 1), date(2200, 1, 1)
_DAY: Final = (float(day_number(_FIRST)), float(day_number(_LAST)))
_EXACT: Final = float(2**24)  # up to here a float32 holds every whole number
_RANGES: Final = {
    **dict.fromkeys((Kind.APPOINTMENT, Kind.TPT_START, Kind.TPT_STOP, Kind.EXPECTED_DELIVERY, Kind.NO_SHOW,
                     Kind.ART_START, Kind.HIV_DIAGNOSIS, Kind.ENROLMENT, Kind.TRANSFER_IN, Kind.RETURNED), _DAY),
    Kind.SEX: (1.0, 2.0),
    Kind.STATE: (1.0, float(len(NIGERIAN_STATES))),
    Kind.CITY: (0.0, _EXACT),
    Kind.PHONE: (0.0, 1.0),
}  # fmt: skip
"""Kinds whose value is a whole number that must be told, with its range."""

_LARGEST: Final = 1e9
_LONGEST: Final = 200  # letters of a source id or town


@dataclass(repr=False)
class FactReader:
    """Reads the rows of one subject.

    Attributes:
        zone: in which times are returned.
        latest: the last credible moment of a fact.
        known_since: when facts became known for which it is not told.
        is_own: rows name sources and ids; else they are made here, the same from the same rows.
        sequence: place in time of statements about a stranger.
    """

    zone: tzinfo
    latest: datetime
    known_since: datetime | None
    is_own: bool
    sequence: int = 0
    _told: Counter[tuple[object, ...]] = field(default_factory=Counter)

    def read(self, row: Mapping[str, Any]) -> tuple[str, Fact] | None:
        """Return the source of a row and its fact; None where its code is of no kind that is kept.

        Raises:
            InvalidInput: the row cannot be true, or does not tell what it must.
        """
        code = row["code"]
        if not isinstance(code, str):
            raise InvalidInput("a code is missing")
        name, _, answer = code.partition("//")
        kind = _KINDS.get(OWN_CODES.get(name, name))
        if kind is None:
            return None
        value = _answer(code) if kind in CODED else _number(kind, row.get("numeric_value"))
        if bool(answer) is not (kind in CODED):
            raise InvalidInput("a code has an answer where none belongs, or none where one does")
        occurred, known = self._times(kind, row)
        text = row.get("text_value") if kind is Kind.CITY else None  # other text is not kept
        if text is not None and len(text) > _LONGEST:
            raise InvalidInput("a town is too long")
        source, source_id, sequence = self._named(row, kind, occurred, value)
        return source, Fact(Event(kind, occurred, known, value, source, source_id, sequence), text)

    def _times(self, kind: Kind, row: Mapping[str, Any]) -> tuple[datetime, datetime]:
        known = self._moment(row.get("known_at")) or self.known_since
        if known is None:
            raise InvalidInput("nothing tells when a fact became known")
        occurred = self._moment(row["time"])
        if occurred is None:
            if kind not in _PERSONAL or kind in (Kind.BIRTH, Kind.DEATH):
                raise InvalidInput("a fact has no time")
            occurred = known
        return occurred, max(known, occurred)

    def _moment(self, told: object) -> datetime | None:
        if told is None:
            return None
        if not isinstance(told, datetime) or told.date() < _FIRST or told.date() > _LAST:
            raise InvalidInput("a time is none, or not credible")
        moment = (told if told.tzinfo else told.replace(tzinfo=UTC)).astimezone(self.zone)
        if moment > self.latest:
            raise InvalidInput("a time lies in the future")
        return moment

    def _named(self, row: Mapping[str, Any], kind: Kind, occurred: datetime, value: float) -> tuple[str, str, int]:
        if self.is_own:
            source, source_id, sequence = row["source"], row["source_id"], row["sequence"]
            if not source or not source_id or sequence is None or max(len(source), len(source_id)) > _LONGEST:
                raise InvalidInput("source, source_id or sequence is missing or too long")
            return source, source_id, sequence
        if kind in _PERSONAL:
            return "meds", f"person:{kind.name}", self.sequence
        told = (kind.name, occurred, repr(value))
        self._told[told] += 1  # equal rows are as many facts
        digest = hashlib.blake2b(repr((*told, self._told[told])).encode(), digest_size=16).hexdigest()
        sequence = row.get("sequence")
        return "meds", f"fact:{digest}", self.sequence if sequence is None else int(sequence)


def _answer(code: str) -> float:
    try:
        answer = answer_of(code)
    except ValueError:
        answer = None
    if answer is None or not 0 < answer <= _EXACT:
        raise InvalidInput("the answer in a code is no concept id")
    return float(answer)


def _number(kind: Kind, told: object) -> float:
    limits = _RANGES.get(kind)
    if told is None and limits is None:
        return NO_VALUE
    if not isinstance(told, float | int) or not isfinite(told):
        raise InvalidInput("a number is missing, or is none")
    low, high = limits or (-_LARGEST, _LARGEST)
    if not low <= told <= high or (limits is not None and told != int(told)):
        raise InvalidInput("a number is out of its range")
    return _as_written(float(told))


def _as_written(value: float) -> float:
    """Return the shortest number that MEDS' float32 stands for: 61.3, not 61.29999923706055."""
    short = np.float32(value)
    return float(str(short)) if float(short) == value else value
