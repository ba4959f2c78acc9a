"""A supposition gives the features that the same facts would have given."""

from datetime import date, timedelta

import msgspec
import numpy as np
import pytest

from iit.domain.errors import InvalidInput
from iit.domain.record import day_number
from iit.domain.vocabulary import Kind
from iit.features.columns import Columns, columns_of
from iit.features.context import Contexts
from iit.features.vector import vector_of
from iit.model.cycles import current_cycle
from iit.services.what_if import WhatIf, read_what_if, supposed
from iit.testing import a_fact, a_record, pickup

JAN_1 = date(2024, 1, 1)
ON = JAN_1 + timedelta(days=70)
PAST = (pickup(JAN_1, 30), pickup(JAN_1 + timedelta(days=35), 30), pickup(JAN_1 + timedelta(days=66), 30))


def vector(columns: Columns) -> np.ndarray:
    return vector_of(columns, 0, day_number(ON), Contexts.of([]))


def would_be(changes: WhatIf, *events: object) -> np.ndarray:
    columns = columns_of([a_record(*events)])  # type: ignore[arg-type]
    cycle = current_cycle(columns, 0, day_number(ON))
    assert cycle is not None
    return vector(supposed(columns, cycle, day_number(ON), changes))


@pytest.mark.parametrize(
    ("changes", "events"),
    [
        (WhatIf(days_supplied=180), (*PAST[:2], pickup(JAN_1 + timedelta(days=66), 180))),
        (WhatIf(regimen=165681), (*PAST, a_fact(Kind.REGIMEN, ON, 165681))),
        (WhatIf(viral_load_copies_ml=0), (*PAST, a_fact(Kind.VIRAL_LOAD, ON, 0))),
        (WhatIf(phone_present=True), (*PAST, a_fact(Kind.PHONE, ON, 1))),
        (
            WhatIf(days_supplied=90, phone_present=False),
            (*PAST[:2], pickup(JAN_1 + timedelta(days=66), 90), a_fact(Kind.PHONE, ON, 0)),
        ),
    ],
)
def test_what_is_supposed_counts_as_if_it_were_recorded(changes: WhatIf, events: tuple[object, ...]) -> None:
    would = would_be(changes, *PAST)
    assert np.array_equal(would, vector(columns_of([a_record(*events)])), equal_nan=True)  # type: ignore[arg-type]
    assert not np.array_equal(would, vector(columns_of([a_record(*PAST)])), equal_nan=True)


def test_what_becomes_known_later_changes_no_supposition() -> None:
    later = (pickup(ON + timedelta(days=9), 30), a_fact(Kind.VIRAL_LOAD, JAN_1, 5000, known_after_days=90))
    changes = WhatIf(days_supplied=180)
    assert np.array_equal(would_be(changes, *PAST), would_be(changes, *PAST, *later), equal_nan=True)


@pytest.mark.parametrize(
    "data",
    [
        "{}", '{"days_supplied": 0}', '{"days_supplied": 366}', '{"days_supplied": 30.5}', '{"days_supplied": "30"}',
        '{"viral_load_copies_ml": -1}', '{"regimen": 1}', '{"phone_present": 1}', '{"age": 30}', "[]", "null",
        '{"days_supplied": null}',
    ],
)  # fmt: skip
def test_what_cannot_be_supposed_is_refused(data: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_what_if(msgspec.Raw(data.encode()))
    assert str(refused.value.place).startswith("what_if")
