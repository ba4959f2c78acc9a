"""ORU: results, true of the time of observation, known when they were reported."""

from typing import Final

from iit.domain.vocabulary import Kind
from iit.ingest.hl7.codes import SUPPLY_DAYS, Question, standard_unit
from iit.ingest.hl7.parse import Segment
from iit.ingest.hl7.reading import Reading
from iit.ingest.nmrs.laboratory import viral_load_told
from iit.ingest.nmrs.scalars import number

_FINAL: Final = frozenset({"F", "C", "A", "U", ""})  # HL7 table 0085: final, corrected, some final, changed to final
_WITHDRAWN: Final = frozenset({"D", "W", "X"})  # deleted, wrong patient or test, cannot be had

_REMEMBERED: Final = 10_000
_CODED: Final = frozenset({"CE", "CF", "CNE", "CWE"})


def take_results(reading: Reading) -> int:
    """Take the results that are known questions; return how many observations of such questions there were."""
    order: Segment | None = None
    n_known = 0
    for segment in reading.message.segments("OBR", "OBX"):
        if segment.name == "OBR":
            order = segment
            continue
        question = question_of(segment, reading)
        if question is None or question.kind == SUPPLY_DAYS:
            continue
        n_known += 1
        _take(segment, order, question, reading)
    return n_known


def question_of(obx: Segment, reading: Reading) -> Question | None:
    """Return what an observation is about: by its code, its other code, or its name."""
    known = reading.codes.remembered
    written = obx.raw(3), reading.message.separators
    if written not in known:
        if len(known) >= _REMEMBERED:
            known.clear()
        known[written] = _question_of(obx, reading)
    return known[written]


def _question_of(obx: Segment, reading: Reading) -> Question | None:
    for at in (1, 4):
        code, name, system = obx.text(3, at), obx.text(3, at + 1), obx.text(3, at + 2)
        if code or name:
            found = reading.codes.question(code, name or code, system)
            if found is not None:
                return found
    return None


def value_of(obx: Segment, question: Question) -> float | None:
    """Return an observation's value in the question's own unit; None where it cannot be read or is not credible."""
    unit = standard_unit(obx.text(6)) if obx.text(6) else question.unit
    value = _number(obx)
    if value is None or unit is None:
        return None
    if question.kind == Kind.VIRAL_LOAD.name and unit == "log":
        if not 0 <= value <= 9:
            return None
        copies = round(10**value, 1)
        return copies if _is_credible(value if question.unit == "log" else copies, question) else None
    return value if unit == question.unit and _is_credible(value, question) else None


def _is_credible(value: float, question: Question) -> bool:
    return question.lowest <= value <= question.highest


def _take(obx: Segment, order: Segment | None, question: Question, reading: Reading) -> None:
    status = obx.text(11).upper()
    if status not in _FINAL | _WITHDRAWN:
        return
    observed = reading.day(obx.text(14), order.text(7) if order is not None else "")
    if observed is None:
        reading.caveats.append("a result has no time of observation")
        return
    number_of_order = (order.text(3) or order.text(2)) if order is not None else ""
    source_id = reading.named("result", number_of_order or observed.isoformat(), question.kind, obx.text(4))
    reported = reading.day(order.text(22)) if order is not None else None
    is_retracted = status in _WITHDRAWN
    value = value_of(obx, question)
    if value is None and not is_retracted:
        reading.caveats.append("a result cannot be read")
        return
    reading.add(
        Kind[question.kind],
        observed,
        source_id,
        value=value if value is not None else float("nan"),
        known=reported,
        is_retracted=is_retracted,
    )


def _number(obx: Segment) -> float | None:
    """Return a number however it is told: NM, SN (`<^20`), a text (`<20`, `target not detected`) or a coded answer."""
    kind, told = obx.text(2), obx.text(5)
    if kind == "SN":
        told += obx.text(5, 2)
    elif kind in _CODED:
        told = obx.text(5, 2) or told  # the first component is a code, and may look like a number
    plain = number(told.strip())
    return plain if plain is not None else viral_load_told(told)
