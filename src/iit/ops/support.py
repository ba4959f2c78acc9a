"""The support bundle: what somebody needs who helps from afar, and nothing of patients."""

import json
import platform
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError
from urllib.request import urlopen

from iit import __version__
from iit.domain.errors import Unavailable
from iit.ops.doctor.findings import Finding

_TAIL_BYTES: Final = 2_000_000
_KEPT: Final = ("timestamp", "level", "logger", "event", "request_id", "exception", "reason", "check", "role", "ms")
_WORDS: Final = re.compile(
    r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}"  # UUIDs
    r"|[^\s@]+@[^\s@]+"  # mail addresses
    r"|\+?\d[\d -]{5,}\d"  # phones, identifiers and dates of people
)
_SECONDS: Final = 5


def write_bundle(
    path: Path,
    *,
    findings: Sequence[Finding],
    settings: str,
    database: Mapping[str, Any],
    log_file: Path | None,
    url: str,
) -> list[str]:
    """Write the bundle as a zip that only its owner may read, and return the names in it.

    Args:
        path: where.
        findings: what the doctor found.
        settings: as JSON, without secrets.
        database: figures of the database, as the store tells them.
        log_file: the end of it is added, of each line only what is known to be harmless.
        url: of the running service, for its metrics.

    Raises:
        Unavailable: it cannot be written.
    """
    parts = {
        "doctor.json": _json([{"code": one.code, "reason": scrubbed(one.reason)} for one in findings]),
        "settings.json": settings,
        "versions.json": _json(_versions()),
        "database.json": _json(database),
        "metrics.txt": _metrics(url),
        "app.log": "\n".join(log_lines(log_file)) if log_file is not None else "no log file is set\n",
    }
    try:
        path.touch(mode=0o600)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
            for name, text in parts.items():
                bundle.writestr(name, text)
    except OSError as cause:
        raise Unavailable(f"cannot be written: {cause.strerror}", place=str(path)) from cause
    return list(parts)


def log_lines(path: Path) -> Iterator[str]:
    """Yield the end of a log: of each JSON line the known fields, scrubbed; other lines are counted, not shown."""
    n_left_out = 0
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - _TAIL_BYTES, 0))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError as problem:
        yield f"cannot be read: {problem.strerror}"
        return
    for line in lines:
        try:
            told = json.loads(line)
            kept = {name: scrubbed(str(told[name])) for name in _KEPT if name in told}
            if "timestamp" in told:
                kept["timestamp"] = str(told["timestamp"])[:32]
        except (ValueError, TypeError):
            n_left_out += 1
            continue
        yield json.dumps(kept)
    yield f"{n_left_out} lines of another form were left out"


def scrubbed(text: str) -> str:
    """Return a text without what could name a person: identifiers, addresses, long numbers."""
    return _WORDS.sub("…", text)


def _versions() -> dict[str, Any]:
    libraries = {str(one.metadata["Name"]): one.version for one in distributions()}
    return {"iit": __version__, "python": platform.python_version(), "system": platform.platform(), **libraries}


def _metrics(url: str) -> str:
    try:
        with urlopen(f"{url}/metrics", timeout=_SECONDS) as answer:  # noqa: S310 - an address of this machine
            return str(answer.read().decode())
    except (URLError, OSError, ValueError):
        return "the service does not answer\n"


def _json(value: object) -> str:
    return json.dumps(value, indent=2, default=str)
