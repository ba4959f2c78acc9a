"""A thread that works beside what serves, for as long as that runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread


@contextmanager
def working_beside(work: Callable[[Event], None], name: str) -> Iterator[None]:
    """Have a thread work until the end, which it is told by the event; what it has begun by then is finished."""
    stop = Event()
    worker = Thread(target=work, args=(stop,), name=name, daemon=True)
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join()
