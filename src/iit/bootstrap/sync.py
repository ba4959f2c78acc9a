"""Following other systems' records put together."""

from datetime import timedelta

from iit.bootstrap.serving import Service
from iit.config import Settings
from iit.domain.errors import InvalidInput
from iit.ingest.openmrs.address import read_address
from iit.ingest.openmrs.database import OpenmrsDatabase
from iit.services.sync import Source, Sync


def openmrs(settings: Settings, service: Service, url: str | None = None) -> Source:
    """Return the OpenMRS at an address, by default that of the settings.

    Raises:
        InvalidInput: no address is told, or it is none.
    """
    if url is None:
        if settings.openmrs_url is None:
            raise InvalidInput("is not set, and no address is given", place="IIT_OPENMRS_URL")
        url = settings.openmrs_url.get_secret_value()
    return OpenmrsDatabase(
        read_address(url), settings.openmrs_facility, settings.zone, service.now, settings.openmrs_limit_seconds
    )


def sync(settings: Settings, service: Service) -> Sync:
    """Return what follows other systems."""
    return Sync(service.database, service.intake, service.now, overlap=timedelta(hours=settings.openmrs_overlap_hours))
