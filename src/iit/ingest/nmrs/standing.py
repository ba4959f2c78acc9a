"""Which rows of a document stand: each once, none voided, nothing that hangs on a voided row.

NMRS exports voided rows too. A voided visit takes its encounters along, an encounter its answers, a group its members.
Everything here is put in the order of the source's own numbers, so that the order of rows in a document is without
meaning.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import msgspec

from iit.ingest.nmrs.document import Data, Encounter, Obs, Program, Row, rows
from iit.ingest.nmrs.reading import Reading
from iit.ingest.nmrs.scalars import Scalar, flag, identity, row_number

RowT = TypeVar("RowT", bound=Row)
Rows = list[tuple[int, RowT]]
Key = str | int | None


@dataclass(slots=True, repr=False)
class Ids:
    """Ids of rows that fell away, by UUID and, where a row that refers to them has none, by number."""

    uuids: set[Scalar] = field(default_factory=set)
    numbers: set[int | None] = field(default_factory=set)

    def add(self, uuid: Scalar, number: Scalar) -> None:
        """Take a row that fell away."""
        if identity(uuid) is not None:
            self.uuids.add(uuid)
        if row_number(number) is not None:
            self.numbers.add(row_number(number))

    def hold(self, uuid: Scalar, number: Scalar) -> bool:
        """Return whether a reference points to a row that fell away."""
        return uuid in self.uuids or (not uuid and row_number(number) in self.numbers)

    def __bool__(self) -> bool:
        return bool(self.uuids or self.numbers)


@dataclass(frozen=True, slots=True, repr=False)
class Standing:
    """The rows of a document that stand, with their places in it; how many there were and how many were voided."""

    encounters: Rows[Encounter]
    answers: Rows[Obs]
    programs: Rows[Program]
    n_rows: int
    n_voided: int


def standing_rows(data: Data, reading: Reading) -> Standing:
    """Return what stands of a document."""
    all_visits, all_programs = rows(data.visits), rows(data.patient_programs)
    visits, encounters = Ids(), Ids()
    n_voided = 0
    for _, visit in _split(all_visits, "visits", reading)[1]:
        visits.add(visit.visit_uuid, visit.visit_id)
        n_voided += 1
    unique_encounters = _unique(rows(data.encounters), _encounter_key, "encounters", reading)
    kept, voided = _split(unique_encounters, "encounters", reading)
    if visits:
        voided += [pair for pair in kept if visits.hold(pair[1].visit_uuid, pair[1].visit_id)]
        kept = [pair for pair in kept if not visits.hold(pair[1].visit_uuid, pair[1].visit_id)]
    for _, encounter in voided:
        encounters.add(encounter.encounter_uuid, encounter.encounter_id)
    answers, n_answers_voided = _standing_answers(_unique_answers(data, reading), visits, encounters, reading)
    programs, voided_programs = _split(all_programs, "patientPrograms", reading)
    n_rows = len(all_visits) + len(all_programs) + len(rows(data.encounters)) + len(rows(data.obs))
    n_voided += len(voided) + n_answers_voided + len(voided_programs)
    kept.sort(key=lambda pair: (row_number(pair[1].encounter_id) or 0, str(pair[1].encounter_uuid)))
    return Standing(kept, answers, programs, n_rows, n_voided)


def _standing_answers(answers: Rows[Obs], visits: Ids, encounters: Ids, reading: Reading) -> tuple[Rows[Obs], int]:
    kept, voided = _split(answers, "obs", reading)
    groups = {row_number(row.obs_id) for _, row in voided} - {None}
    if visits or encounters:
        kept = [
            pair for pair in kept
            if pair[1].visit_uuid not in visits.uuids
            and not encounters.hold(pair[1].encounter_uuid, pair[1].encounter_id)
        ]  # fmt: skip
    while groups:
        members = [pair for pair in kept if pair[1].obs_group_id and row_number(pair[1].obs_group_id) in groups]
        if not members:
            break
        groups = {row_number(row.obs_id) for _, row in members} - {None}
        gone = {index for index, _ in members}
        kept = [pair for pair in kept if pair[0] not in gone]
    kept.sort(key=_answer_order)
    return kept, len(answers) - len(kept)


def _answer_order(pair: tuple[int, Obs]) -> tuple[int, str]:
    row = pair[1]
    number = row.obs_id
    return (number if type(number) is int else row_number(number) or 0, str(row.obs_uuid))


def _split(pairs: Rows[RowT], block: str, reading: Reading) -> tuple[Rows[RowT], Rows[RowT]]:
    """Part the rows into those that stand and those that are voided; an unclear mark counts as voided."""
    kept: Rows[RowT] = []
    voided: Rows[RowT] = []
    for pair in pairs:
        mark = pair[1].voided
        if not mark:
            kept.append(pair)
            continue
        is_voided = flag(mark)
        if is_voided is None:
            reading.doubt(f"messageData.{block}[{pair[0]}].voided", "a row may be voided")
        (kept if is_voided is False else voided).append(pair)
    return kept, voided


def _unique_answers(data: Data, reading: Reading) -> Rows[Obs]:
    pairs = rows(data.obs)
    if len({row.obs_uuid for _, row in pairs}) == len(pairs):
        return pairs
    return _unique(pairs, _answer_key, "obs", reading)


def _answer_key(row: Obs) -> Key:
    return identity(row.obs_uuid) or row_number(row.obs_id)


def _encounter_key(row: Encounter) -> Key:
    return identity(row.encounter_uuid) or row_number(row.encounter_id)


def _unique(pairs: Rows[RowT], key_of: Callable[[RowT], Key], block: str, reading: Reading) -> Rows[RowT]:
    """Return each row once: of several with one id, the one changed last."""
    latest: dict[Key, tuple[int, RowT]] = {}
    nameless: Rows[RowT] = []
    for pair in pairs:
        key = key_of(pair[1])
        if key is None:
            nameless.append(pair)
            continue
        other = latest.setdefault(key, pair)
        if other[1] != pair[1]:
            reading.doubt(f"messageData.{block}[{pair[0]}]", "two different rows have the same id")
            latest[key] = max(other, pair, key=lambda one: _age(one[1], reading))
    return [*latest.values(), *nameless]


def _age(row: Row, reading: Reading) -> tuple[float, bool, bytes]:
    written = getattr(row, "date_changed", None) or row.date_created
    moment = reading.moments[written]
    changed = moment.timestamp() if isinstance(moment, datetime) else 0.0
    return (changed, flag(row.voided) is not False, msgspec.json.encode(row))
