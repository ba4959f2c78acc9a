"""Settings are read from the environment, all problems told at once before anything starts."""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from iit.config.settings import Settings
from iit.domain.errors import InvalidInput

_NOT_SETTINGS = {"IIT_KERNEL_CACHE_DIR"}
"""Variables with our prefix that are read before settings exist."""


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of the environment.

    Raises:
        InvalidInput: names every unknown and wrong setting at once, never a value.
    """
    settings, problems = _read(os.environ if environ is None else environ)
    if problems or settings is None:
        raise InvalidInput("; ".join(problems), place="settings")
    return settings


def setting_problems(environ: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the settings of the environment, each with its name first and never a value."""
    return _read(environ)[1]


def _read(given: Mapping[str, str]) -> tuple[Settings | None, list[str]]:
    problems = _unknown_settings(given)
    settings: Settings | None = None
    try:
        settings = Settings(**_from_files(given, problems))
    except ValidationError as cause:
        problems += [_problem(dict(error)) for error in cause.errors(include_input=False, include_url=False)]
    return settings, problems


SECRET_SETTINGS = (
    "database_url", "database_owner_url", "message_key", "oidc_client_secret", "openmrs_url", "openmrs_write_back_url",
    "redis_url", "secret_key", "smtp_url",
)  # fmt: skip
"""Settings that a file may hold: `IIT_<NAME>_FILE` names it."""


def _from_files(environ: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    """Return the secrets that files hold, and tell of files that cannot be read or contradict a variable."""
    values: dict[str, Any] = {}
    for name in SECRET_SETTINGS:
        variable = f"IIT_{name.upper()}"
        path = environ.get(f"{variable}_FILE")
        if path is None:
            continue
        if variable in environ:
            problems.append(f"{variable}_FILE: {variable} is set too")
            continue
        try:
            values[name] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            problems.append(f"{variable}_FILE: cannot be read")
    return values


def _unknown_settings(environ: Mapping[str, str]) -> list[str]:
    known = {f"IIT_{name.upper()}" for name in Settings.model_fields} | _NOT_SETTINGS
    known |= {f"IIT_{name.upper()}_FILE" for name in SECRET_SETTINGS}
    problems = []
    for name in sorted(environ):
        if name.startswith("IIT_") and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            problems.append(f"{name} is no setting" + (f" (did you mean {near[0]}?)" if near else ""))
    return problems


def _problem(error: dict[str, Any]) -> str:
    name = "_".join(str(part) for part in error["loc"])
    if not name:
        return str(error["msg"]).removeprefix("Value error, ")
    shown = name if name.upper().startswith(("IIT_", "CIRCUIT_")) else f"IIT_{name.upper()}"
    return f"{shown}: {str(error['msg']).removeprefix('Value error, ')}"
