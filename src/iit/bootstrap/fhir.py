"""FHIR put together."""

from collections.abc import Callable
from datetime import datetime

from iit.bootstrap.secrets import message_keys_of
from iit.config import Settings
from iit.ingest.fhir.map import fhir_mapper
from iit.services.fhir import Exchange
from iit.services.identities import Identities
from iit.store.database import Database


def exchange(settings: Settings, database: Database, identities: Identities, clock: Callable[[], datetime]) -> Exchange:
    """Return what takes resources in.

    Raises:
        InvalidInput: the site's table of codes cannot be read.
    """
    mapper = fhir_mapper(settings.zone, settings.hl7_codes)
    return Exchange(database, mapper, identities, clock, message_keys_of(settings))
