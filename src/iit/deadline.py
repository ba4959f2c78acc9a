"""By when a request must have its answer: what it waits for below asks how much time is left."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass
class Deadline:
    """A moment by which an answer must begin; once it has, nothing more is hurried.

    Attributes:
        ends_at: by the clock of `monotonic`; infinite once it is lifted.
        monotonic: seconds.
    """

    ends_at: float
    monotonic: Callable[[], float] = field(repr=False)

    @classmethod
    def after(cls, seconds: float, monotonic: Callable[[], float]) -> "Deadline":
        """Return a deadline some seconds from now."""
        return cls(monotonic() + seconds, monotonic)

    def left_seconds(self) -> float:
        """Return how much time is left; negative when it has passed."""
        return self.ends_at - self.monotonic()

    def lift(self) -> None:
        """Hurry nothing any more: the answer has begun."""
        self.ends_at = math.inf


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


def current_deadline() -> Deadline | None:
    """Return the deadline of the present request; None outside of one."""
    return _current.get()


@contextmanager
def within(deadline: Deadline) -> Iterator[None]:
    """Let everything inside have that deadline."""
    token = _current.set(deadline)
    try:
        yield
    finally:
        _current.reset(token)
