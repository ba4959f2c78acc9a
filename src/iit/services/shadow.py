"""A model that is tried beside the champion: it scores the same features, and nobody who treats patients sees it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import InvalidInput, NotFound, ServiceError
from iit.model.changes import LEAST_EVENTS, compare_pairs
from iit.model.registry import Registry
from iit.model.scorer import Scorer
from iit.store import monitoring as monitoring_store
from iit.store import shadows as shadow_store
from iit.store.database import Database, Transaction
from iit.store.predictions import PredictionRow
from iit.store.shadows import ShadowScore

log = logging.getLogger(__name__)

SOURCE: Final = "shadow"


@dataclass
class Shadow:
    """Scores with the registry's shadow model.

    Attributes:
        database: where scores are kept.
        models: folder of the registry.
    """

    database: Database
    models: Path
    _held: Scorer | None = field(default=None, repr=False)

    def keep(self, tx: Transaction, rows: Sequence[PredictionRow], *, actor: str) -> int:
        """Keep what the shadow says of the features of stored predictions; return of how many.

        Without a shadow, or with one that fails, it keeps nothing: the champion's answers never wait for it.
        """
        try:
            scorer = self._scorer()
            if scorer is None or not rows:
                return 0
            risks = scorer.score(np.array([row.features for row in rows], np.float32))
        except ServiceError as problem:
            log.warning("shadow not scored", extra={"reason": problem.reason})
            return 0
        scores = [
            ShadowScore(row.prediction_id, scorer.version, float(risk))
            for row, risk in zip(rows, risks, strict=True)
            if row.model_version != scorer.version
        ]
        event = AuditEvent(event_type=EventType.PREDICTION, actor=actor, action="execute", target=SOURCE,
                           detail={"n": len(scores), "model_version": scorer.version})  # fmt: skip
        shadow_store.save(tx, scores, audit=event)
        return len(scores)

    def keep_beside(self, row: PredictionRow, *, actor: str) -> None:
        """Keep what the shadow says of a prediction that is stored already; a failure is only logged."""
        try:
            with self.database.transaction() as tx:
                self.keep(tx, [row], actor=actor)
        except ServiceError as problem:
            log.warning("shadow not kept", extra={"reason": problem.reason})

    def compare(self, champion: str | None = None, shadow: str | None = None) -> dict[str, Any]:
        """Return both models' figures on the resolved predictions that both have scored.

        Args:
            champion: the model that answered; by default the champion.
            shadow: the other; by default the registry's shadow.

        Raises:
            NotFound: there is no such model. InvalidInput: too few labels yet.
        """
        registry = Registry(self.models)
        first, second = champion or registry.champion(), shadow or registry.shadow()
        if first is None or second is None:
            raise NotFound("there are no two models to compare: set one with `iit models shadow`", place="model")
        for version in (first, second):
            registry.entry(version)
        with self.database.transaction() as tx:
            rows = monitoring_store.paired(tx, first, second)
        label = np.array([row.label for row in rows], np.int64)
        if min(int(label.sum()), len(rows) - int(label.sum())) < LEAST_EVENTS:
            raise InvalidInput(
                f"both models have scored {len(rows)} resolved predictions, {int(label.sum())} of them interrupted; "
                f"at least {LEAST_EVENTS} of either label are needed", place="models compare",
            )  # fmt: skip
        patient = np.unique(np.array([row.patient_uuid for row in rows], str), return_inverse=True)[1]
        risks = [np.array([getattr(row, name) for row in rows], np.float64) for name in ("risk_score", "shadow_score")]
        return {
            "models": [first, second],
            "n": len(rows),
            "n_interrupted": int(label.sum()),
            **compare_pairs(risks[0], risks[1], label, patient.astype(np.int64)),
        }

    def _scorer(self) -> Scorer | None:
        registry = Registry(self.models)
        version = registry.shadow()
        if version is None:
            return None
        if self._held is None or self._held.version != version:
            self._held = Scorer(registry.load(version))
        return self._held
