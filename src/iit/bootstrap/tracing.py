"""Traces, where a collector is named."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from iit import __version__, traces
from iit.config import Settings

_PARENT = "TRACEPARENT"


@contextmanager
def tracing(settings: Settings) -> Iterator[None]:
    """Trace for a while where the settings say so; at the end what was not sent yet is sent.

    Raises:
        Unavailable: the extra `tracing` is not installed.
    """
    if settings.otel_endpoint is None:
        yield
        return
    stop = traces.start(settings.otel_endpoint, version=__version__, parent=os.environ.get(_PARENT, ""))
    try:
        yield
    finally:
        stop()


def carried_on() -> Mapping[str, str]:
    """Return the environment variable by which a process of ours goes on with the trace of who started it."""
    parent = traces.carried().get("traceparent")
    return {} if parent is None else {_PARENT: parent}
