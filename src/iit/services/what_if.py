"""What the model would say were a few things otherwise: the record is changed, and everything computed anew.

The answer is an association found among patients of the past, not the effect of an act: those who were given six months
of medicine were also those who had long been stable. It is shown beside the prediction and never stored as one.
"""

from typing import Annotated, Any, Final

import msgspec
import numpy as np

from iit.domain.errors import InvalidInput
from iit.domain.interruption import MAX_DAYS_SUPPLIED, MIN_DAYS_SUPPLIED
from iit.domain.vocabulary import Kind
from iit.features.answers import TABLES
from iit.features.columns import Columns
from iit.model.cycles import Cycle

NOTE: Final = "association among past patients, not the effect of an act"


class WhatIf(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What to suppose, as of the prediction day.

    Attributes:
        days_supplied: medicine of the current cycle's pick-up, 1 to 365 days.
        regimen: concept id of a regimen known to the features.
        viral_load_copies_ml: a result reported that day.
        phone_present: whether the patient can be called.
    """

    days_supplied: Annotated[int, msgspec.Meta(ge=MIN_DAYS_SUPPLIED, le=MAX_DAYS_SUPPLIED)] | None = None
    regimen: int | None = None
    viral_load_copies_ml: Annotated[float, msgspec.Meta(ge=0, le=1e9)] | None = None
    phone_present: bool | None = None

    def __repr__(self) -> str:
        return "WhatIf()"


def read_what_if(data: msgspec.Raw) -> WhatIf:
    """Return what to suppose of a patient.

    Raises:
        InvalidInput: it supposes nothing, something unknown or something impossible.
    """
    try:
        changes = msgspec.json.decode(data, type=WhatIf)
    except msgspec.DecodeError:
        raise InvalidInput(f"takes {', '.join(WhatIf.__struct_fields__)}, each in its range", place="what_if") from None
    if changes == WhatIf():
        raise InvalidInput("supposes nothing", place="what_if")
    if changes.regimen is not None and changes.regimen not in {answer for answer, _ in TABLES[Kind.REGIMEN]}:
        raise InvalidInput("is no regimen that the features know", place="what_if.regimen")
    return changes


def supposed(columns: Columns, cycle: Cycle, on: int, changes: WhatIf) -> Columns:
    """Return one patient's facts known on a day, changed.

    Args:
        columns: the patient's facts.
        cycle: the one the patient is in on that day.
        on: prediction day; the supposed facts happen and become known then.
        changes: what to suppose.
    """
    seen = (columns.day <= on) & (columns.known <= on)
    day, known, kind = columns.day[seen], columns.known[seen], columns.kind[seen]
    value = columns.value[seen].copy()
    if changes.days_supplied is not None:
        value[(day == cycle.start) & (kind == Kind.PICKUP)] = changes.days_supplied
    added = [(fact, number) for fact, number in _facts(changes) if number is not None]
    return Columns(
        offsets=np.array([0, len(day) + len(added)], np.int64),
        day=np.append(day, [on] * len(added)).astype(np.int32),
        known=np.append(known, [on] * len(added)).astype(np.int32),
        kind=np.append(kind, [fact for fact, _ in added]).astype(np.int16),
        value=np.append(value, [number for _, number in added]).astype(np.float32),
    )


def _facts(changes: WhatIf) -> list[tuple[Kind, float | None]]:
    return [
        (Kind.REGIMEN, changes.regimen),
        (Kind.VIRAL_LOAD, changes.viral_load_copies_ml),
        (Kind.PHONE, None if changes.phone_present is None else float(changes.phone_present)),
    ]


def told_beside(actual: float, supposed_risk: float, band: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a supposition, to stand beside the prediction."""
    return {
        "changes": changes,
        "iit_risk_score": supposed_risk,
        "risk_level": band,
        "difference": supposed_risk - actual,
        "note": NOTE,
    }
