"""Records as bytes and as columns."""

import math
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iit.domain.errors import InvalidInput
from iit.domain.record import day_number
from iit.domain.vocabulary import Kind
from iit.features.columns import BYTES_PER_FACT, columns_of, pack, unpack
from iit.testing import a_fact, a_record

FACTS = st.builds(
    a_fact,
    st.sampled_from(list(Kind)),
    st.dates(date(1920, 1, 1), date(2100, 1, 1)),
    st.floats(width=32, allow_infinity=False),
    known_after_days=st.integers(-30, 400),
)
RECORDS = st.lists(st.lists(FACTS, max_size=6).map(lambda facts: a_record(*facts)), max_size=5)


@given(RECORDS)
def test_columns_hold_every_fact_of_every_record_in_order(records: list) -> None:
    columns = columns_of(records)
    assert columns.n_patients == len(records)
    assert columns.offsets.tolist() == np.cumsum([0, *(len(one.events) for one in records)]).tolist()
    events = [event for one in records for event in one.events]
    assert columns.day.tolist() == [day_number(event.occurred_at) for event in events]
    assert columns.known.tolist() == [day_number(event.known_at) for event in events]
    assert columns.kind.tolist() == [event.kind for event in events]
    assert np.array_equal(columns.value, np.array([event.value for event in events], np.float32), equal_nan=True)


def test_a_fact_takes_fourteen_bytes_and_a_value_may_be_absent() -> None:
    record = a_record(a_fact(Kind.VISIT, date(2024, 1, 1)), a_fact(Kind.CD4, date(2024, 1, 1) + timedelta(1), 200))
    packed = pack(record)
    assert len(packed) == 2 * BYTES_PER_FACT
    assert math.isnan(unpack([packed]).value[0])


@pytest.mark.parametrize("cut", [1, 13])
def test_a_record_that_is_cut_off_is_refused(cut: int) -> None:
    packed = pack(a_record(a_fact(Kind.VISIT, date(2024, 1, 1))))
    with pytest.raises(InvalidInput):
        unpack([packed, packed[:cut]])
