"""What a programme sees of its patients and its model, from figures that are kept."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iit.domain.access import Principal
from iit.domain.errors import NotAllowed, NotFound
from iit.model.registry import Registry
from iit.services.refusals import note_refused_facility
from iit.store import analytics as analytics_store
from iit.store import metrics as metric_store
from iit.store.analytics import Cascade, RiskCount
from iit.store.database import Database


@dataclass(frozen=True)
class Analytics:
    """Counts patients and tells figures; nothing of a single patient.

    Attributes:
        database: where they are.
        models: folder of bundles.
    """

    database: Database
    models: Path

    def risk_distribution(self, *, facility: str | None, who: Principal) -> list[RiskCount]:
        """Return how many active patients have which latest risk.

        Raises:
            NotAllowed: the facility, or everyone, is outside the scope.
        """
        self._demand_scope(facility, who)
        with self.database.transaction() as tx:
            return analytics_store.risk_distribution(tx, facility)

    def cascade(self, *, facility: str | None, who: Principal) -> Cascade:
        """Return how many patients are at each step, from registered to interrupted.

        Raises:
            NotAllowed: the facility, or everyone, is outside the scope.
        """
        self._demand_scope(facility, who)
        with self.database.transaction() as tx:
            return analytics_store.cascade(tx, facility)

    def _demand_scope(self, facility: str | None, who: Principal) -> None:
        if not who.scope.covers(facility, None):
            note_refused_facility(self.database, who, action="read", facility=facility)
            raise NotAllowed("name a facility that you may see", place="facility")

    def model_performance(self) -> dict[str, Any]:
        """Return the champion's figures at training and live, from labels as far as they are known.

        Raises:
            NotFound: no model is in service.
        """
        registry = Registry(self.models)
        version = registry.champion()
        if version is None:
            raise NotFound("no model is in service", place="model")
        evaluation = registry.load(version).manifest["evaluation"]
        with self.database.transaction() as tx:
            found = metric_store.of_latest_run(tx, version)
        return {
            "model_version": version,
            "at_training": {"metrics": evaluation["metrics"], "intervals": evaluation["intervals"]},
            "recorded_at": max((one.recorded_at for one in found), default=None),
            **live_figures({(one.metric_name, one.segment): one.metric_value for one in found}),
        }


def live_figures(found: dict[tuple[str, str], float]) -> dict[str, Any]:
    """Return the figures of a run: `live` ones with intervals, and what the risks `expected` before labels."""
    names = sorted({name for name, _ in found})
    return {
        "live": {
            name.removeprefix("live_"): {
                "value": found.get((name, "all")), "low": found.get((name, "low")), "high": found.get((name, "high")),
            }
            for name in names
            if name.startswith("live_")
        },
        "expected": {
            name.removeprefix("expected_"): found[(name, "all")] for name in names if name.startswith("expected_")
        },
    }  # fmt: skip
