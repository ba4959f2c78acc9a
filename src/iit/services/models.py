"""Which model serves: promoting one, and returning to the one before. Each change is on the audit trail."""

from dataclasses import dataclass
from pathlib import Path

from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import Conflict
from iit.model.registry import Registry
from iit.services.audit import recorded
from iit.store.database import Database


@dataclass(frozen=True)
class Models:
    """Changes the registry of models.

    Attributes:
        database: where the audit trail is.
        folder: folder of bundles.
    """

    database: Database
    folder: Path

    def promote(self, version: str, *, actor: str, force: bool = False) -> None:
        """Make a model the champion.

        Args:
            version: which.
            actor: who asks, for the audit trail.
            force: although the gate objects.

        Raises:
            NotFound: no such model. Conflict: the gate objects. InvalidInput: the bundle was altered.
        """
        registry = Registry(self.folder)
        objections = registry.entry(version).get("objections", [])
        if objections and not force:
            raise Conflict("; ".join(objections), place=version)
        with recorded(self.database, _event(EventType.MODEL_PROMOTED, actor, version, len(objections))):
            registry.promote(version)

    def roll_back(self, *, actor: str) -> str:
        """Return to the champion before, and tell which that is.

        Raises:
            Conflict: there was none before.
        """
        registry = Registry(self.folder)
        with recorded(self.database, _event(EventType.MODEL_ROLLED_BACK, actor, registry.champion() or "none", 0)):
            return registry.roll_back()


def _event(event_type: EventType, actor: str, version: str, n_objections: int) -> AuditEvent:
    return AuditEvent(
        event_type=event_type,
        actor=actor,
        action="update",
        target=f"model:{version}",
        detail={"objections": n_objections},
    )
