"""Export and import of MEDS put together."""

from iit.bootstrap.serving import Service
from iit.services.meds import MedsExport
from iit.services.meds_intake import MedsIntake


def meds_export(service: Service) -> MedsExport:
    """Return what writes datasets."""
    return MedsExport(service.database, service.audit, service.inbox.identities.secret, service.now)


def meds_intake(service: Service) -> MedsIntake:
    """Return what takes datasets in."""
    return MedsIntake(service.database, service.intake, service.inbox.identities, service.now)
