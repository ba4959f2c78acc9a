"""Records as typed columns: the only form in which the kernels see facts.

One patient's columns pack into 14 bytes a fact; many patients' lie behind one another with offsets (CSR).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iit.domain.errors import InvalidInput
from iit.domain.record import Event, Record, day_number

BYTES_PER_FACT = 14


@dataclass(frozen=True, slots=True, repr=False)
class Columns:
    """Facts of m patients, each patient's in `record_order`.

    Attributes:
        offsets: (m + 1,) int64; patient i owns facts offsets[i] to offsets[i + 1], the end excluded.
        day: (n,) int32, days since 1970-01-01 on which a fact happened.
        known: (n,) int32, day on which it became known.
        kind: (n,) int16, `Kind`.
        value: (n,) float32; a coded answer's concept id, a number, or a day; NaN where there is none.
    """

    offsets: NDArray[np.int64]
    day: NDArray[np.int32]
    known: NDArray[np.int32]
    kind: NDArray[np.int16]
    value: NDArray[np.float32]

    @property
    def n_patients(self) -> int:
        """The number of patients, m."""
        return len(self.offsets) - 1


def pack(record: Record) -> bytes:
    """Return a record's facts as bytes: day, known, kind and value columns behind one another, little-endian."""
    return pack_events(record.events)


def pack_events(events: Sequence[Event]) -> bytes:
    """Return facts that are in `record_order` as `pack` does."""
    return b"".join(
        (
            np.array([day_number(e.occurred_at) for e in events], "<i4").tobytes(),
            np.array([day_number(e.known_at) for e in events], "<i4").tobytes(),
            np.array([e.kind for e in events], "<i2").tobytes(),
            np.array([e.value for e in events], "<f4").tobytes(),
        )
    )


def unpack(packed: Sequence[bytes]) -> Columns:
    """Return the columns of many packed records, in the order given.

    Raises:
        InvalidInput: a record's length is not a multiple of 14 bytes.
    """
    sizes = np.array([len(record) for record in packed], np.int64)
    if (sizes % BYTES_PER_FACT).any():
        raise InvalidInput("a packed record is cut off")
    counts = sizes // BYTES_PER_FACT
    offsets = np.zeros(len(packed) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    total = int(offsets[-1])
    day, known = np.empty(total, np.int32), np.empty(total, np.int32)
    kind, value = np.empty(total, np.int16), np.empty(total, np.float32)
    for i, record in enumerate(packed):
        n, a, b = int(counts[i]), offsets[i], offsets[i + 1]
        day[a:b] = np.frombuffer(record, "<i4", n)
        known[a:b] = np.frombuffer(record, "<i4", n, 4 * n)
        kind[a:b] = np.frombuffer(record, "<i2", n, 8 * n)
        value[a:b] = np.frombuffer(record, "<f4", n, 10 * n)
    return Columns(offsets, day, known, kind, value)


def columns_of(records: Iterable[Record]) -> Columns:
    """Return the columns of records in memory, by the same packing that is stored."""
    return unpack([pack(record) for record in records])
