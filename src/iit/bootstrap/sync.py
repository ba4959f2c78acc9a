"""Following other systems' records put together."""

from datetime import timedelta

from iit.bootstrap.serving import Service
from iit.config import Settings
from iit.domain.errors import InvalidInput
from iit.ingest.openmrs.address import read_address
from iit.ingest.openmrs.database import OpenmrsDatabase
from iit.services.reconciliation import Counted
from iit.services.sync import Source, Sync


def followed(service: Service, url: str | None = None) -> Source:
    """Return the OpenMRS at an address, by default that of the settings.

    Raises:
        InvalidInput: no address is told, or it is none.
    """
    return _database(service, _told(service.settings, url))


def counted(service: Service, url: str | None = None) -> Counted:
    """Return the OpenMRS database at an address, by default that of the settings, to be counted. Raises as above."""
    return _database(service, _told(service.settings, url))


def sync_of(service: Service) -> Sync:
    """Return what follows other systems."""
    overlap = timedelta(hours=service.settings.openmrs_overlap_hours)
    return Sync(service.database, service.intake, service.now, overlap=overlap)


def _database(service: Service, url: str) -> OpenmrsDatabase:
    settings = service.settings
    return OpenmrsDatabase(
        read_address(url), settings.openmrs_facility, settings.zone, service.now, settings.openmrs_limit_seconds
    )


def _told(settings: Settings, url: str | None) -> str:
    if url is not None:
        return url
    if settings.openmrs_url is None:
        raise InvalidInput("is not set, and no address is given", place="IIT_OPENMRS_URL")
    return settings.openmrs_url.get_secret_value()
