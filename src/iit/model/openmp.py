"""LightGBM needs GNU's OpenMP library (libgomp.so.1), which a bare Debian or Ubuntu does not have.

The wheel of scikit-learn carries that library under a name of its own. Where the system has none, a copy with the
expected name inside is loaded before LightGBM asks for it: the loader then finds it among the libraries in memory.
"""

import ctypes
import hashlib
import importlib.util
import os
import re
from pathlib import Path
from typing import Final

from iit.domain.errors import Unavailable

WANTED: Final = b"libgomp.so.1"
_BUNDLED_NAME: Final = re.compile(rb"libgomp-[0-9a-f]+\.so\.[0-9.]+\0")


def provide_openmp() -> None:
    """Make sure that libraries which need libgomp.so.1 can be loaded. Idempotent.

    Raises:
        Unavailable: neither the system nor a wheel has it.
    """
    try:
        ctypes.CDLL(WANTED.decode())
    except OSError:
        ctypes.CDLL(str(renamed_copy(_bundled(), _cache())), mode=ctypes.RTLD_GLOBAL)


def renamed_copy(bundled: Path, folder: Path) -> Path:
    """Return a copy of a bundled libgomp whose own name is `libgomp.so.1`, made once in a folder.

    Raises:
        Unavailable: the file does not hold exactly one name of the form that wheels give it.
    """
    data = bundled.read_bytes()
    names = set(_BUNDLED_NAME.findall(data))
    if len(names) != 1:
        raise Unavailable(f"{bundled} is no bundled libgomp", place="OpenMP")
    (name,) = names
    target = folder / hashlib.sha256(data).hexdigest()[:16] / WANTED.decode()
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f"{target.name}.{os.getpid()}")
        draft.write_bytes(data.replace(name, WANTED.ljust(len(name), b"\0")))
        draft.rename(target)
    return target


def _bundled() -> Path:
    spec = importlib.util.find_spec("sklearn")
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent.parent / "scikit_learn.libs"
        for found in sorted(folder.glob("libgomp-*.so*")):
            return found
    raise Unavailable("libgomp.so.1 is missing (Debian, Ubuntu: apt-get install libgomp1)", place="OpenMP")


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "iit-ml-service" / "openmp"
