"""Single values of a document: numbers written as text, text written as numbers, flags, ids.

The exporter writes whatever its database driver gave it, so every reader here takes any JSON scalar.
"""

import math
import re
from typing import Final

Scalar = str | int | float | bool | None

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_WHOLE: Final = re.compile(r"[+-]?\d{1,19}(\.0*)?", re.ASCII)
_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_FLAGS: Final = {"": False, "0": False, "0.0": False, "false": False, "no": False, "f": False, "n": False,
                 "1": True, "1.0": True, "true": True, "yes": True, "t": True, "y": True}  # fmt: skip
_LARGEST: Final = 2**63 - 1  # what the database's bigint holds


def number(value: Scalar) -> float | None:
    """Return a finite number, or None where there is none. Zero is a number."""
    if value is None:
        return None
    if isinstance(value, str):
        value = value.strip()
        if not _NUMBER.fullmatch(value):
            return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def whole(value: Scalar) -> int | None:
    """Return an integer of at most 64 bits, or None where there is none. Zero is an integer."""
    if value is None:
        return None
    if type(value) is int:  # nearly always
        return value if -_LARGEST <= value <= _LARGEST else None
    if isinstance(value, str):
        value = value.strip()
        if not _WHOLE.fullmatch(value):
            return None
        value = int(value.partition(".")[0])
    if isinstance(value, float) and not value.is_integer():
        return None
    return int(value) if abs(value) <= _LARGEST else None


def row_number(value: Scalar) -> int | None:
    """Return a row's or concept's number, or None: NMRS writes NULL as 0."""
    return whole(value) or None


def flag(value: Scalar) -> bool | None:
    """Return a yes or no, or None where the value is neither. Nothing counts as no."""
    return _FLAGS.get("" if value is None else str(value).strip().lower())


def text(value: Scalar, *, longest: int = 200) -> str | None:
    """Return printable text without runs of blanks, cut at `longest` characters; or None where nothing is left."""
    if value is None or isinstance(value, bool):
        return None
    shown = "".join(letter if letter.isprintable() else " " for letter in str(value)[: 4 * longest])
    return " ".join(shown.split())[:longest] or None


def identity(value: Scalar) -> str | None:
    """Return an id of 1 to 64 ASCII letters, digits and hyphens, or None where the value is not one."""
    if isinstance(value, str):
        value = value.strip()
        return value if _ID.fullmatch(value) else None
    return None


def is_blank(value: Scalar) -> bool:
    """Return whether a value says nothing: null or blank text."""
    return value is None or (isinstance(value, str) and not value.strip())


def normal(name: str) -> str:
    """Return a name's ASCII letters and digits in lower case, by which names are compared."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def words(name: Scalar) -> frozenset[str]:
    """Return the words of a name in lower case."""
    return frozenset(re.findall(r"[a-z0-9]+", str(name).lower())) if name else frozenset()
