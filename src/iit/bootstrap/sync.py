"""Following other systems' records put together."""

from datetime import timedelta

from iit.bootstrap.faults import breaker_of
from iit.bootstrap.serving import Service
from iit.config import Settings
from iit.domain.errors import InvalidInput
from iit.ingest.nmrs import SOURCE
from iit.ingest.openmrs.address import read_address
from iit.ingest.openmrs.database import OpenmrsDatabase
from iit.ingest.openmrs.rest import Rest, read_web_address
from iit.ingest.openmrs.web import OpenmrsWeb, needed_facility
from iit.services.reconciliation import Counted
from iit.services.sync import Source, Sync
from iit.services.write_back import Targets, WriteBack
from iit.store import sync as sync_store


def followed(service: Service, url: str | None = None) -> Source:
    """Return the OpenMRS at an address, by default that of the settings.

    Raises:
        InvalidInput: no address is told, or it is none.
    """
    told = _told(service.settings, url)
    return _web(service, told) if is_web(told) else _database(service, told)


def counted(service: Service, url: str | None = None) -> Counted:
    """Return the OpenMRS database at an address, by default that of the settings, to be counted. Raises as above."""
    told = _told(service.settings, url)
    if is_web(told):
        raise InvalidInput("only a database can be counted: mysql://user:password@host/database", place="reconcile")
    return _database(service, told)


def is_web(url: str) -> bool:
    """Tell whether an address is of the REST interface."""
    return url.strip().startswith(("http://", "https://"))


def sync_of(service: Service) -> Sync:
    """Return what follows other systems."""
    overlap = timedelta(hours=service.settings.openmrs_overlap_hours)
    return Sync(service.database, service.intake, service.now, overlap=overlap)


def _database(service: Service, url: str) -> OpenmrsDatabase:
    settings = service.settings
    return OpenmrsDatabase(
        read_address(url), settings.openmrs_facility, settings.zone, service.now, settings.openmrs_limit_seconds
    )


def _web(service: Service, url: str) -> OpenmrsWeb:
    settings = service.settings
    facility = needed_facility(settings.openmrs_facility)

    def known() -> list[str]:
        with service.database.transaction() as tx:
            return [row[0] for row in sync_store.treated(tx, facility, SOURCE)]

    return OpenmrsWeb(rest_of(settings, url), facility, settings.zone, service.now, known)


def rest_of(settings: Settings, url: str) -> Rest:
    """Return the way to an OpenMRS over HTTP. Raises InvalidInput where the address is none."""
    return Rest(read_web_address(url), breaker_of(settings, "openmrs"))


def write_back_of(service: Service) -> WriteBack:
    """Return what tells risks back to an OpenMRS.

    Raises:
        InvalidInput: no address, or neither concept nor attribute is set.
    """
    settings = service.settings
    if settings.openmrs_write_back_url is None:
        raise InvalidInput("is not set", place="IIT_OPENMRS_WRITE_BACK_URL")
    targets = Targets(settings.openmrs_write_back_concept, settings.openmrs_write_back_attribute)
    if targets == Targets(None, None):
        raise InvalidInput("is not set, nor IIT_OPENMRS_WRITE_BACK_ATTRIBUTE", place="IIT_OPENMRS_WRITE_BACK_CONCEPT")
    rest = rest_of(settings, settings.openmrs_write_back_url.get_secret_value())
    return WriteBack(service.database, rest, targets, settings.openmrs_facility, settings.zone, service.now)


def _told(settings: Settings, url: str | None) -> str:
    if url is not None:
        return url
    if settings.openmrs_url is None:
        raise InvalidInput("is not set, and no address is given", place="IIT_OPENMRS_URL")
    return settings.openmrs_url.get_secret_value()
