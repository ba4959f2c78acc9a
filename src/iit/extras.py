"""Libraries of an extra (`pip install 'iit-ml-service[train]'`), loaded at first use: serving needs none of them."""

import importlib
from types import ModuleType

from iit.domain.errors import Unavailable


def extra_module(name: str, *, extra: str) -> ModuleType:
    """Return a module of a library that an extra brings.

    Raises:
        Unavailable: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as cause:
        library = name.partition(".")[0]
        raise Unavailable(f"is not installed: it comes with the extra `{extra}`", place=library) from cause
