"""The export of MEDS put together."""

from iit.bootstrap.serving import Service
from iit.services.meds import MedsExport


def meds_export(service: Service) -> MedsExport:
    """Return what writes datasets."""
    return MedsExport(service.database, service.audit, service.inbox.identities.secret, service.now)
