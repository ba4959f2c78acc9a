"""What a patient's latest facts say of their care."""

from collections.abc import Iterable
from typing import Final

from iit.domain.record import Event, day_number
from iit.domain.vocabulary import TERMINATION_DIED, TERMINATION_STOPPED, TERMINATION_TRANSFERRED_OUT, Kind

ACTIVE: Final = "active"
DIED: Final = "died"
VOIDED: Final = "voided"
_ENDS: Final = {
    TERMINATION_DIED: DIED,
    TERMINATION_TRANSFERRED_OUT: "transferred_out",
    TERMINATION_STOPPED: "stopped",
}


def status_of(events: Iterable[Event]) -> str:
    """Return `active`, `died`, `transferred_out` or `stopped`.

    A pick-up after a transfer or a stop makes active again; after a death nothing does. Loss to follow-up is no end.

    Args:
        events: the facts, in `record_order`.
    """
    status = ACTIVE
    ended = 0
    for event in events:
        if event.kind is Kind.DEATH:
            return DIED
        if event.kind is Kind.TERMINATION and int(event.value) in _ENDS:
            status = DIED if status == DIED else _ENDS[int(event.value)]
            ended = day_number(event.occurred_at)
        elif event.kind is Kind.PICKUP and status != DIED and day_number(event.occurred_at) > ended:
            status = ACTIVE
    return status
