"""All settings, each with what it means and what it may be."""

import os
import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from iit.breaker import NEVER
from iit.config.sign_on import OidcSettings
from iit.ops.mail_server import ADDRESSES, checked_server
from iit.store.pool import PoolSettings


def default_data_dir() -> Path:
    """Return where the service keeps everything when nothing is said: a system folder for root, else the user's."""
    if os.geteuid() == 0:
        return Path("/var/lib/iit-ml-service")
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "iit-ml-service"


RETIRED: Final = "retired:"
"""Before a secret that opens nothing any more but still verifies what was sealed under it."""

_KNOWN_SECRETS = ("changeme", "change-me", "change_me", "your-secret", "your_secret", "example", "placeholder")


class Settings(OidcSettings):
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
            description="Secret of at least 32 characters that hashes and signatures depend on; more of them, with "
            "spaces between, are still accepted after a rotation. One with `retired:` before it opens nothing, but the "
            "audit trail is still verified and people are still recognised by it: keep it. Else one is made and "
            "kept in the data folder."
        ),
    ] = None
    message_key: Annotated[
        SecretStr | None,
        Field(
            description="Key of 64 hexadecimal digits (`openssl rand -hex 32`) that stored messages are sealed with; "
            "more of them, with spaces between, still open what they sealed: put a new one first, restart, run "
            "`iit inbox reseal`, then drop the old one. Else messages are stored as they came."
        ),
    ] = None
    audit_anchor_dir: Annotated[
        Path | None,
        Field(
            description="Folder outside the database for the audit trail's anchors; else `audit` in the data folder."
        ),
    ] = None
    redis_url: Annotated[
        SecretStr | None, Field(description="redis:// URL for rate limits shared by all workers; else each counts.")
    ] = None
    rate_limit_per_minute: Annotated[
        int, Field(ge=0, description="Requests a minute of each user or key; 0 is without limit.")
    ] = 60_000
    rate_limit_strangers_per_minute: Annotated[
        int, Field(ge=0, description="Logins and refused requests a minute of each address; 0 is without limit.")
    ] = 300
    trusted_proxies: Annotated[
        str, Field(description="Addresses or networks, with commas, whose X-Forwarded-For and -Proto are believed.")
    ] = ""
    time_zone: Annotated[str, Field(description="Time zone of the facilities' clocks.")] = "Africa/Lagos"
    log_level: Annotated[str, Field(description="DEBUG, INFO, WARNING or ERROR.")] = "INFO"
    log_file: Annotated[Path | None, Field(description="File for logs besides standard error.")] = None
    slow_request_seconds: Annotated[
        float, Field(ge=0, description="A request that takes longer is told in the log, without its values.")
    ] = 1.0
    slow_transaction_seconds: Annotated[
        float, Field(ge=0, description="A transaction that takes longer is told in the log, with its place in code.")
    ] = 1.0
    debug_memory: Annotated[
        bool, Field(description="Watch which code holds memory, for `iit debug memory`; doubles its cost.")
    ] = False
    db_pool_size: Annotated[int, Field(ge=1, le=1000, description="Database connections kept open.")] = 20
    db_max_overflow: Annotated[int, Field(ge=0, le=1000, description="More connections under load.")] = 30
    db_pool_timeout_seconds: Annotated[
        float, Field(gt=0, le=30, description="Longest wait for a free connection before answering 503.")
    ] = 3.0
    spool_max_bytes: Annotated[
        int, Field(ge=65_536, description="Most that waits on disk, in `spool` of the data folder, for the database.")
    ] = 256_000_000
    db_pool_recycle_seconds: Annotated[int, Field(ge=1, description="Age at which a connection is replaced.")] = 3600
    request_deadline_seconds: Annotated[
        float, Field(ge=1, le=300, description="Longest time until an answer begins; waits for the database end in it.")
    ] = 10.0
    max_in_flight: Annotated[
        int, Field(ge=1, le=1000, description="Requests that one worker answers at the same time.")
    ] = 32
    max_queue_seconds: Annotated[
        float, Field(ge=0, le=30, description="Longest wait for a place among them before answering 503.")
    ] = 1.0
    max_body_seconds: Annotated[
        float, Field(gt=0, le=300, description="Longest time for a request's body to come in.")
    ] = 20.0
    max_body_bytes: Annotated[int, Field(ge=1024, description="Largest request body.")] = 10_000_000
    session_hours: Annotated[int, Field(ge=1, le=168, description="How long a login to the pages lasts.")] = 8
    session_idle_minutes: Annotated[
        int, Field(ge=1, le=1440, description="How long a login to the pages may lie unused.")
    ] = 30
    secure_cookies: Annotated[bool, Field(description="Send the session cookie over TLS only.")] = False
    hl7_senders: Annotated[
        str, Field(description="Who may send HL7, `application/facility` or `application/facility@network`, by commas.")
    ] = ""
    hl7_ignored: Annotated[
        str, Field(description="Types of HL7 message to acknowledge and leave alone, such as `ADT^A02,VXU^*`.")
    ] = ""
    hl7_processing_ids: Annotated[
        str, Field(description="Accepted values of MSH-11, by commas: P production, T training, D debugging.")
    ] = "P"
    hl7_facilities: Annotated[
        Path | None,
        Field(description="Table of facility codes by MSH-4 (CSV: msh4,facility); others stay as they are."),
    ] = None
    hl7_codes: Annotated[
        Path | None, Field(description="Table of the site's own codes of observations, in front of the built-in one.")
    ] = None
    openmrs_url: Annotated[
        SecretStr | None,
        Field(
            description="Where OpenMRS or NMRS is read: mysql://user:password@host/database, or https://host/openmrs."
        ),
    ] = None
    openmrs_write_back_url: Annotated[
        SecretStr | None,
        Field(description="https://user:password@host/openmrs that risks are told to; without it none are told."),
    ] = None
    openmrs_write_back_concept: Annotated[
        str | None, Field(description="UUID of the numeric concept there that takes the risk in percent.")
    ] = None
    openmrs_write_back_attribute: Annotated[
        str | None, Field(description="UUID of the type of person attribute there that takes the band.")
    ] = None
    openmrs_facility: Annotated[
        str | None,
        Field(
            description="Code of the facility whose OpenMRS it is; else what its setting `facility_datim_code` says."
        ),
    ] = None
    openmrs_overlap_hours: Annotated[
        float, Field(ge=0, le=8760, description="How far back changes in OpenMRS are read again.")
    ] = 24.0
    openmrs_limit_seconds: Annotated[
        float, Field(gt=0, le=86_400, description="How long one question to OpenMRS may take.")
    ] = 600.0
    public_url: Annotated[
        str | None, Field(description="Address under which others reach this service, for links and tokens of EMRs.")
    ] = None
    cds_issuer: Annotated[
        str | None,
        Field(description="Issuer (`iss`) of the tokens that an EMR signs for CDS Hooks."),
    ] = None
    cds_keys: Annotated[
        str | None, Field(description="The issuer's public keys: an https:// address or a file with a JWK set.")
    ] = None
    cds_facilities: Annotated[
        str,
        Field(description="Facilities whose patients the EMR may ask about, by commas; else everyone's."),
    ] = ""
    cds_origins: Annotated[
        str, Field(description="Origins of EMRs whose pages may call CDS Hooks from a browser, by commas.")
    ] = ""
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
    pgbackrest_stanza: Annotated[
        str | None,
        Field(
            pattern="^[A-Za-z0-9_.-]+$",
            description="pgBackRest's name of the server, for large sites with a PostgreSQL of their own: full and "
            "incremental backups are its.",
        ),
    ] = None
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
    otel_endpoint: Annotated[
        str | None,
        Field(
            pattern="^https?://",
            description="Address of an OpenTelemetry collector (OTLP over HTTP, as http://localhost:4318) that traces "
            "of requests go to; needs the extra `tracing`. Else nothing is traced.",
        ),
    ] = None
    tls_certificates: Annotated[
        str, Field(description="Files of certificates (PEM) in front of the service, by commas, whose expiry is told.")
    ] = ""
    smtp_url: Annotated[
        SecretStr | None,
        AfterValidator(checked_server),
        Field(description="Mail server for reports: smtp://[user:password@]host[:587] or smtps://…[:465]."),
    ] = None
    smtp_from: Annotated[str, Field(pattern=ADDRESSES, description="Address that mails come from.")] = "iit@localhost"
    smtp_ca_file: Annotated[
        Path | None, Field(description="Certificates (PEM) that vouch for the mail server; else the system's.")
    ] = None
    report_recipients: Annotated[
        str, Field(pattern=ADDRESSES, description="Addresses, by commas, to which alone health reports may be sent.")
    ] = ""
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
        if secret is None:
            return secret
        told = secret.get_secret_value().split()
        if told and told[0].startswith(RETIRED):
            raise ValueError("the first must not be retired")
        words = [word.removeprefix(RETIRED) for word in told]
        if not words or any(len(word) < 32 or len(set(word)) < 10 for word in words):
            raise ValueError("must have at least 32 characters and must not be a repetition")
        if any(known in word.lower() for word in words for known in _KNOWN_SECRETS):
            raise ValueError("must not be an example that others know: make one with `openssl rand -hex 32`")
        return secret

    @field_validator("message_key")
    @classmethod
    def _whole_keys(cls, keys: SecretStr | None) -> SecretStr | None:
        words = [] if keys is None else keys.get_secret_value().split()
        if keys is not None and (not words or not all(re.fullmatch("[0-9a-fA-F]{64}", word) for word in words)):
            raise ValueError("must be 64 hexadecimal digits, or several times that with spaces between")
        if any(len(set(word)) < 10 for word in words):
            raise ValueError("must not be a repetition: make one with `openssl rand -hex 32`")
        return keys

    def as_environment(self) -> dict[str, str]:
        """Return the settings that were given, secrets included, as variables for a process of our own."""
        told = {}
        for name in sorted(self.model_fields_set):
            value = getattr(self, name)
            if value is not None:
                shown = value.get_secret_value() if isinstance(value, SecretStr) else value
                told[f"IIT_{name.upper()}"] = str(shown)
        return told

    @field_validator("public_url")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("https://", "http://")):
            raise ValueError("must start with https:// or http://")
        return url

    @model_validator(mode="after")
    def _whole_trust(self) -> "Settings":
        told = [self.cds_issuer, self.cds_keys]
        if any(told) and not (all(told) and self.public_url):
            raise ValueError("IIT_CDS_ISSUER, IIT_CDS_KEYS and IIT_PUBLIC_URL are needed together")
        if self.cds_keys is not None and self.cds_keys.startswith("http://"):
            raise ValueError("IIT_CDS_KEYS must be an https:// address or a file")
        return self

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must start with redis://, rediss:// or unix://")
        return url

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, text: str) -> str:
        try:
            _networks_in(text)
        except ValueError:
            raise ValueError("holds what is no address and no network such as 10.0.0.0/8") from None
        return text

    @property
    def trusted_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Networks of the proxies that are believed."""
        return _networks_in(self.trusted_proxies)

    @property
    def zone(self) -> ZoneInfo:
        """The facilities' time zone."""
        return ZoneInfo(self.time_zone)

    @property
    def models_folder(self) -> Path:
        """Folder of model bundles."""
        return self.models_dir or self.data_dir / "models"

    @property
    def spool_folder(self) -> Path:
        """Folder of what waits for the database."""
        return self.data_dir / "spool"

    @property
    def breaker_failures(self) -> float:
        """How many failures in a row open a breaker."""
        return 5 if self.circuit_breaker_enabled else NEVER

    @property
    def anchor_folder(self) -> Path:
        """Folder of the audit trail's anchors."""
        return self.audit_anchor_dir or self.data_dir / "audit"

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
            slow_seconds=self.slow_transaction_seconds,
        )


def _networks_in(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(one.strip(), strict=False) for one in text.split(",") if one.strip())
