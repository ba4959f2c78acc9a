"""Compiling of plain functions, in one place.

`compiled(f)` makes a kernel of a plain Python function; `inlined(f)` lets kernels call a plain function, which stays
callable (and testable) as it is. Both leave the source as the only implementation: the property tests run the same
functions uncompiled.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

import numba
from numba.extending import register_jitable

P = ParamSpec("P")
R = TypeVar("R")

_PACKAGE = Path(__file__).parent.parent


def _cache_directory() -> Path:
    """Return a folder for machine code that belongs to exactly these sources.

    Numba looks only at the file of the outermost function, so a change in a function it calls would go unseen: the
    folder's name therefore carries a digest of all sources that take part.
    """
    digest = hashlib.sha256(numba.__version__.encode())
    for folder in ("domain", "features", "model"):
        for source in sorted((_PACKAGE / folder).glob("**/*.py")):
            digest.update(source.read_bytes())
    base = os.environ.get("IIT_KERNEL_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "iit-ml-service" / "kernels" / digest.hexdigest()[:16]


numba.config.CACHE_DIR = str(_cache_directory())


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Let kernels call a plain function; return it unchanged."""
    return cast("Callable[P, R]", register_jitable(function))


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Return a kernel of a plain function that releases the GIL; the original stays at `.py_func`.

    Arithmetic is strict IEEE (no fast-math): compiled and uncompiled results are equal to the bit.
    """
    return cast("Callable[P, R]", numba.njit(function, cache=True, nogil=True, error_model="numpy"))
