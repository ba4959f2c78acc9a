"""A picture of a process' memory: which lines of code hold how much. Lines and sizes only, nothing that they hold."""

import os
import resource
import sys
import tracemalloc
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Final

from iit.domain.errors import Conflict

MOST_LINES: Final = 100
_PAGE: Final = resource.getpagesize()
_ROOTS: Final = sorted(
    {str(Path(one).resolve()) for one in (*sys.path, sys.prefix, sys.base_prefix) if one}, key=len, reverse=True
)


@dataclass
class Memory:
    """Watches what this process allocates from now on; that costs about twice the memory and time of allocations.

    Attributes:
        is_watched: whether it does.
    """

    is_watched: bool
    _lock: Lock = field(default_factory=Lock, repr=False)
    _first: dict[str, int] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Begin to watch."""
        if self.is_watched:
            tracemalloc.start()

    def picture(self, *, lines: int) -> dict[str, Any]:
        """Return how much memory the process has, and the lines of code that hold most.

        The first picture is what later ones are compared with: right after a start there is little to be seen.

        Args:
            lines: how many, 1 to `MOST_LINES`.

        Raises:
            Conflict: it is not watched.
        """
        if not self.is_watched:
            raise Conflict("memory is not watched: set IIT_DEBUG_MEMORY=true and restart", place="memory")
        with self._lock:
            taken = tracemalloc.take_snapshot()
            held = {f"{_short(one.traceback[0].filename)}:{one.traceback[0].lineno}": one
                    for one in taken.statistics("lineno")}  # fmt: skip
            sizes = {place: one.size for place, one in held.items()}
            first, self._first = self._first, self._first or sizes
        now, peak = tracemalloc.get_traced_memory()
        chosen = sorted(held, key=lambda place: -sizes[place])[:lines]
        return {
            "pid": os.getpid(),
            "resident_bytes": resident_bytes(),
            "watched_bytes": now,
            "watched_peak_bytes": peak,
            "watching_bytes": tracemalloc.get_tracemalloc_memory(),
            "growth_bytes": sum(sizes.values()) - sum(first.values()) if first else None,
            "lines": [
                {
                    "place": place,
                    "bytes": sizes[place],
                    "blocks": held[place].count,
                    "growth_bytes": sizes[place] - first.get(place, 0) if first else None,
                }
                for place in chosen
            ],
        }


def resident_bytes() -> int:
    """Return how much of the machine's memory this process takes."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE


def _short(file: str) -> str:
    """Return a file's name without the folder that it is installed in."""
    for root in _ROOTS:
        if file.startswith(root + os.sep):
            return file[len(root) + 1 :]
    return file
