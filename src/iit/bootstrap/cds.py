"""CDS Hooks put together: the hooks, and trust in an EMR where it is configured."""

import importlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from iit.config import Settings
from iit.domain.access import EVERYTHING, Scope
from iit.domain.errors import Unavailable
from iit.ingest.fhir.map import FhirMapper
from iit.services.cds import Hooks
from iit.services.emr_tokens import EmrTokens, KeySet
from iit.services.identities import Identities
from iit.services.predictions import Predictor
from iit.store.database import Database

_SECONDS: Final = 2.0
_MOST_BYTES: Final = 200_000


def hooks(
    settings: Settings, database: Database, mapper: FhirMapper, identities: Identities, predictor: Predictor
) -> Hooks:
    """Return what answers hooks."""
    return Hooks(database, mapper, identities, predictor, settings.zone, lambda: datetime.now(settings.zone))


def emr_tokens(settings: Settings, database: Database, secret: bytes) -> EmrTokens | None:
    """Return what checks the tokens of the configured EMR; None where none is."""
    if settings.cds_issuer is None or settings.cds_keys is None or settings.public_url is None:
        return None
    facilities = frozenset(one.strip() for one in settings.cds_facilities.split(",") if one.strip())
    return EmrTokens(
        database,
        secret,
        KeySet(_source(settings.cds_keys), time.monotonic),
        settings.cds_issuer,
        settings.public_url,
        Scope(facilities=facilities) if facilities else EVERYTHING,
        lambda: datetime.now(UTC),
    )


def _source(told: str) -> Callable[[], bytes]:
    return (lambda: _fetched(told)) if told.startswith("https://") else (lambda: _read(Path(told)))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as cause:
        raise Unavailable("the file of keys cannot be read", place="IIT_CDS_KEYS") from cause


def _fetched(url: str) -> bytes:
    """Return what lies at an address: within two seconds, without following it elsewhere, and not without end."""
    httpx2 = importlib.import_module("httpx2")  # at first use: it takes longer to load than a small command to run
    told = b""
    try:
        with httpx2.stream("GET", url, timeout=_SECONDS, follow_redirects=False) as answer:
            answer.raise_for_status()
            for part in answer.iter_bytes():
                told += part
                if len(told) > _MOST_BYTES:
                    raise Unavailable("the keys are too large", place="IIT_CDS_KEYS")
    except (httpx2.HTTPError, httpx2.InvalidURL) as cause:
        raise Unavailable("the keys cannot be had", place="IIT_CDS_KEYS") from cause
    return told
