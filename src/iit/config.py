"""Settings: environment variables with the prefix IIT_, checked all at once before anything starts."""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from iit.domain.errors import InvalidInput
from iit.store.database import PoolSettings


def default_data_dir() -> Path:
    """Return where the service keeps everything when nothing is said: a system folder for root, else the user's."""
    if os.geteuid() == 0:
        return Path("/var/lib/iit-ml-service")
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "iit-ml-service"


class Settings(BaseSettings):
    """All settings of the service. Secrets never show in `repr`."""

    model_config = SettingsConfigDict(env_prefix="IIT_", frozen=True, extra="forbid", secrets_dir=None)

    data_dir: Annotated[
        Path, Field(default_factory=default_data_dir, description="Folder for everything the service keeps.")
    ]
    database_url: Annotated[
        SecretStr | None,
        Field(description="postgresql+psycopg:// URL; without it a private PostgreSQL runs in the data folder."),
    ] = None
    database_owner_url: Annotated[
        SecretStr | None, Field(description="URL of the role that runs migrations; else `IIT_DATABASE_URL`.")
    ] = None
    postgres_bin: Annotated[
        Path | None, Field(description="Folder with PostgreSQL's programs for the private server.")
    ] = None
    models_dir: Annotated[
        Path | None, Field(description="Folder of model bundles; else `models` in the data folder.")
    ] = None
    secret_key: Annotated[
        SecretStr | None,
        Field(
            description="Secret of at least 32 characters that keys are hashed with; else one made and kept in a file."
        ),
    ] = None
    time_zone: Annotated[str, Field(description="Time zone of the facilities' clocks.")] = "Africa/Lagos"
    log_level: Annotated[str, Field(description="DEBUG, INFO, WARNING or ERROR.")] = "INFO"
    log_file: Annotated[Path | None, Field(description="File for logs besides standard error.")] = None
    db_pool_size: Annotated[int, Field(ge=1, le=1000, description="Database connections kept open.")] = 20
    db_max_overflow: Annotated[int, Field(ge=0, le=1000, description="More connections under load.")] = 30
    db_pool_timeout_seconds: Annotated[
        float, Field(gt=0, le=30, description="Longest wait for a free connection before answering 503.")
    ] = 3.0
    db_pool_recycle_seconds: Annotated[int, Field(ge=1, description="Age at which a connection is replaced.")] = 3600
    max_body_bytes: Annotated[int, Field(ge=1024, description="Largest request body.")] = 10_000_000
    session_hours: Annotated[int, Field(ge=1, le=168, description="How long a login to the pages lasts.")] = 8
    secure_cookies: Annotated[bool, Field(description="Send the session cookie over TLS only.")] = False
    backup_target: Annotated[
        str | None,
        Field(description="Folder or s3://bucket/prefix for backups; else `backups` in the data folder."),
    ] = None
    backup_s3_endpoint: Annotated[str | None, Field(description="URL of an S3 that is not Amazon's.")] = None
    backup_key_file: Annotated[
        Path | None,
        Field(
            description="File with the key that backups are sealed with, best on another machine or medium; else "
            "`backup_key` in the data folder, made at the first backup."
        ),
    ] = None
    backup_keep_days: Annotated[int, Field(ge=1, description="Days after which `iit backup prune` removes one.")] = 30
    wal_archive_dir: Annotated[
        Path | None,
        Field(
            description="Folder, best on another disk, for the private server's log; with it one can go back to any "
            "second, and at most a minute is lost with the data folder."
        ),
    ] = None
    wal_copy_dir: Annotated[
        Path | None,
        Field(description="Folder into which `iit backup receive-wal` copies the log as it is written."),
    ] = None
    pagerduty_routing_key: Annotated[
        SecretStr | None, Field(description="Key of the service in PagerDuty (Events API v2) for `iit page`.")
    ] = None
    pagerduty_url: Annotated[str, Field(description="Where events go.")] = "https://events.pagerduty.com/v2/enqueue"
    disk_warn_percent: Annotated[
        float, Field(gt=0, lt=100, description="Use of a disk that daily maintenance complains of.")
    ] = 80.0
    circuit_breaker_enabled: Annotated[
        bool,
        Field(
            validation_alias=AliasChoices("IIT_CIRCUIT_BREAKER_ENABLED", "CIRCUIT_BREAKER_ENABLED"),
            description="Stop asking a dependency that keeps failing.",
        ),
    ] = True

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        if name not in available_timezones():
            raise ValueError("is no known time zone")
        return name

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, name: str) -> str:
        if name.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
        return name.upper()

    @field_validator("database_url", "database_owner_url")
    @classmethod
    def _right_dialect(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith("postgresql+psycopg://"):
            raise ValueError("must start with postgresql+psycopg://")
        return url

    @field_validator("secret_key")
    @classmethod
    def _strong_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and (len(secret.get_secret_value()) < 32 or len(set(secret.get_secret_value())) < 10):
            raise ValueError("must have at least 32 characters and must not be a repetition")
        return secret

    @property
    def zone(self) -> ZoneInfo:
        """The facilities' time zone."""
        return ZoneInfo(self.time_zone)

    @property
    def models_folder(self) -> Path:
        """Folder of model bundles."""
        return self.models_dir or self.data_dir / "models"

    @property
    def backup_address(self) -> str:
        """Where backups go."""
        return self.backup_target or str(self.data_dir / "backups")

    @property
    def pool(self) -> PoolSettings:
        """The pool's settings."""
        return PoolSettings(
            size=self.db_pool_size,
            max_overflow=self.db_max_overflow,
            timeout_seconds=self.db_pool_timeout_seconds,
            recycle_seconds=self.db_pool_recycle_seconds,
        )


_NOT_SETTINGS = {"IIT_KERNEL_CACHE_DIR"}
"""Variables with our prefix that are read before settings exist."""


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of the environment.

    Raises:
        InvalidInput: names every unknown and wrong setting at once, never a value.
    """
    problems = _unknown_settings(os.environ if environ is None else environ)
    settings: Settings | None = None
    try:
        settings = Settings()  # type: ignore[call-arg]
    except ValidationError as cause:
        problems += [_problem(dict(error)) for error in cause.errors(include_input=False, include_url=False)]
    if problems or settings is None:
        raise InvalidInput("; ".join(problems), place="settings")
    return settings


def _unknown_settings(environ: Mapping[str, str]) -> list[str]:
    known = {f"IIT_{name.upper()}" for name in Settings.model_fields} | _NOT_SETTINGS
    problems = []
    for name in sorted(environ):
        if name.startswith("IIT_") and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            problems.append(f"{name} is no setting" + (f" (did you mean {near[0]}?)" if near else ""))
    return problems


def _problem(error: dict[str, Any]) -> str:
    name = "_".join(str(part) for part in error["loc"])
    shown = name if name.upper().startswith(("IIT_", "CIRCUIT_")) else f"IIT_{name.upper()}"
    return f"{shown}: {str(error['msg']).removeprefix('Value error, ')}"
