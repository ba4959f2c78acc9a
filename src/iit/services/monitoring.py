"""Noticing when the world changes: the latest lists, and what became of earlier ones, against a model's reference."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from iit.domain.access import Principal
from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import Conflict, InvalidInput, NotFound
from iit.domain.record import day_number
from iit.features.context import FacilityContext
from iit.model.changes import (
    Figure,
    Resolved,
    changes_of_features,
    has_enough,
    label_has_moved,
    performance,
    performance_is_lost,
)
from iit.model.drift import Moved, moved
from iit.model.estimate import expected_performance
from iit.model.quality import LEAST_ROWS, QUALITY_LOSS, Quality, quality_of
from iit.model.registry import Registry
from iit.services.analytics import live_figures
from iit.services.days import refuse_future
from iit.services.outcomes import Outcomes, OutcomeSummary
from iit.store import audit as audit_trail
from iit.store import facilities as facility_store
from iit.store import metrics as metric_store
from iit.store import monitoring as monitoring_store
from iit.store.database import Database, Transaction
from iit.store.metrics import Metric
from iit.store.monitoring import ListDay, ListedRow, ResolvedRow

SINCE: Final = "30d"
LONGEST_DAYS: Final = 3650
_LIST_SHARE: Final = 0.5  # of a facility's largest day: a day with fewer is single requests, not its list


@dataclass(frozen=True)
class DriftReport:
    """What a run found.

    Attributes:
        model_version: the champion.
        as_of: last day looked at.
        since: first day whose lists and closed windows count.
        n_listed: patients on the latest lists.
        n_resolved: past predictions that could judge the model.
        alerts: by kind; None where there was not enough to tell.
        features: how far each feature has moved.
        score: how far the risks have moved.
        expected: what the risks of the latest lists claim (CBPE), before labels are known.
        reference: the same at the reference.
        live: figures with 95 % intervals from labels; empty while there are too few.
        quality: of each facility, and `fallen`: those that lost much against their reference.
    """

    model_version: str
    as_of: date
    since: date
    n_listed: int
    n_resolved: int
    alerts: Mapping[str, bool | None]
    features: Mapping[str, Moved]
    score: Moved
    expected: Mapping[str, float]
    reference: Mapping[str, float]
    live: Mapping[str, Figure]
    quality: Mapping[str, Quality]
    fallen: Sequence[str]


class DailyRun(NamedTuple):
    """What a day's run found."""

    outcomes: OutcomeSummary
    drift: DriftReport


@dataclass(frozen=True)
class Monitoring:
    """Watches the champion.

    Attributes:
        database: where predictions and outcomes are.
        models: folder of bundles.
        outcomes: resolves predictions.
        today: the present day.
    """

    database: Database
    models: Path
    outcomes: Outcomes
    today: Callable[[], date]

    def run_daily(self, *, as_of: date | None = None, who: Principal) -> DailyRun:
        """Resolve past predictions, then compare with the reference; meant to follow the day's scoring.

        Raises:
            As `resolve` and `drift`.
        """
        return DailyRun(self.outcomes.resolve(as_of=as_of, who=who), self.drift(as_of=as_of, who=who))

    def drift(self, *, since: str = SINCE, as_of: date | None = None, who: Principal) -> DriftReport:
        """Compare the latest list of each facility, and labels that became due, with the champion's reference; keep it.

        Args:
            since: lists and closed windows count from so many days before, for example `30d`.
            as_of: last day, by default today.
            who: asks.

        Raises:
            NotFound: no champion, or nobody was scored with it in that time.
            Conflict: its bundle is older than these comparisons. InvalidInput: a day or span out of range.
        """
        day = as_of or self.today()
        refuse_future(day, self.today())
        first = day - timedelta(days=span_of(since))
        version, reference, high = self._reference()
        with self.database.transaction() as tx:
            days = _lists(monitoring_store.list_days(tx, version, since=first, until=day))
            rows = monitoring_store.listed(tx, version, days) if days else []
            ripe = monitoring_store.resolved(tx, version, since=first, until=day)
            contexts = _contexts(tx)
        if not rows:
            raise NotFound(f"nobody was scored with {version} in that time: run `iit score`", place="predictions")
        latest = max(one.as_of for one in days)
        report = _compared(_Seen(version, first, latest, rows, ripe, contexts), reference, high)
        target, told = f"model:{version}", dict(report.alerts)
        event = AuditEvent(
            event_type=EventType.DRIFT_CHECKED, actor=who.name, action="execute", target=target, detail=told
        )
        with self.database.transaction() as tx:
            metric_store.save(tx, version, _metrics(report))
            audit_trail.write(tx, event)
        return report

    def latest(self, *, since: str) -> dict[str, Any]:
        """Return the latest kept run, and the alerts of all runs from some days before today.

        Raises:
            NotFound: no champion, or it was never compared. InvalidInput: the span is written in another way.
        """
        first = self.today() - timedelta(days=span_of(since))
        version = Registry(self.models).champion()
        if version is None:
            raise NotFound("no model is in service", place="model")
        with self.database.transaction() as tx:
            found = metric_store.of_latest_run(tx, version)
            alerts = metric_store.alerts_since(tx, version, datetime.combine(first, time.min, UTC))
        if not found:
            raise NotFound("drift was never looked for: run `iit drift`", place="drift")
        return {"model_version": version, **_told(found), "runs": _runs(alerts)}

    def _reference(self) -> tuple[str, Mapping[str, Any], float]:
        registry = Registry(self.models)
        version = registry.champion()
        if version is None:
            raise NotFound("no model is in service", place="model")
        bundle = registry.load(version)
        reference = bundle.manifest.get("reference", {})
        if not reference.get("n_patients"):
            raise Conflict(f"{version} holds no reference to compare with: train anew", place="model")
        return version, reference, bundle.bands["high"]


def span_of(text: str) -> int:
    """Return the days of a span written like `30d` or `30`.

    Raises:
        InvalidInput: it is written in another way, or is not from 1 to 3650 days.
    """
    digits = text.removesuffix("d")
    if not (digits.isascii() and digits.isdecimal()) or not 1 <= int(digits) <= LONGEST_DAYS:
        raise InvalidInput(f"must be 1d to {LONGEST_DAYS}d", place="since")
    return int(digits)


def _told(found: Sequence[Metric]) -> dict[str, Any]:
    figures = {(one.metric_name, one.segment): one.metric_value for one in found}

    def of(name: str) -> dict[str, float]:
        return {segment: value for (metric, segment), value in figures.items() if metric == name}

    distance, limit = of("feature_ks"), of("feature_psi_limit")
    features = sorted(of("feature_psi").items(), key=lambda one: -one[1] / limit[one[0]])
    return {
        "recorded_at": found[0].recorded_at,
        "n_listed": int(figures[("n_listed", "all")]),
        "n_resolved": int(figures[("n_resolved", "all")]),
        "alerts": {kind: bool(value) for kind, value in of("drift_alert").items()},
        "score": {"psi": figures[("score_psi", "all")], "ks": figures[("score_ks", "all")]},
        "features": [
            {"feature": name, "psi": value, "ks": distance.get(name), "limit": limit[name]} for name, value in features
        ],
        **live_figures(figures),
        "data_quality_score": of("data_quality_score"),
    }


def _runs(alerts: Sequence[Metric]) -> list[dict[str, Any]]:
    runs: dict[datetime, dict[str, bool]] = {}
    for one in alerts:
        runs.setdefault(one.recorded_at, {})[one.segment] = bool(one.metric_value)
    return [{"recorded_at": at, "alerts": kinds} for at, kinds in runs.items()]


class _Seen(NamedTuple):
    version: str
    since: date
    as_of: date
    rows: list[ListedRow]
    ripe: list[ResolvedRow]
    contexts: Mapping[str, FacilityContext]

    def __repr__(self) -> str:
        return "_Seen()"


def _lists(days: Sequence[ListDay]) -> list[ListDay]:
    """Return the latest list of each facility: the newest day on which most of its patients were scored."""
    largest: dict[str, int] = {}
    for one in days:
        largest[one.facility] = max(one.n, largest.get(one.facility, 0))
    chosen: dict[str, ListDay] = {}
    for one in days:
        if one.n >= _LIST_SHARE * largest[one.facility]:
            chosen.setdefault(one.facility, one)
    return list(chosen.values())


def _contexts(tx: Transaction) -> dict[str, FacilityContext]:
    return {
        one.facility: FacilityContext.unpack(one.context)
        for one in facility_store.all_states(tx)
        if one.context is not None
    }


def _compared(seen: _Seen, reference: Mapping[str, Any], high: float) -> DriftReport:
    features = np.array([row.features for row in seen.rows], np.float32)
    risk = np.array([row.risk_score for row in seen.rows], np.float64)
    changes = changes_of_features(reference, features, len({row.facility for row in seen.rows}))
    score = moved(reference["risk"], risk, reference["n_patients"], len(risk), 1)
    quality = _quality(seen, features, reference)
    fallen = [
        facility
        for facility, (score_then, _) in sorted(reference["quality"].items())
        if facility in quality and quality[facility].score < score_then - QUALITY_LOSS
    ]
    resolved = _resolved(seen.ripe)
    live = performance(resolved, reference, high) if has_enough(resolved) else {}
    alerts: dict[str, bool | None] = {
        "data": any(one.is_large for one in changes.values()),
        "score": score.is_large,
        "label": label_has_moved(live) if live else None,
        "performance": performance_is_lost(live) if live else None,
        "quality": bool(fallen),
    }
    return DriftReport(
        seen.version, seen.as_of, seen.since, len(risk), len(seen.ripe), alerts, changes, score,
        expected_performance(risk, high), reference["expected"], live, quality, fallen,
    )  # fmt: skip


def _quality(seen: _Seen, features: NDArray[np.float32], reference: Mapping[str, Any]) -> dict[str, Quality]:
    """Return the quality of each facility that has a reference or enough patients on its list."""
    of = np.array([row.facility for row in seen.rows])
    on = day_number(seen.as_of)
    told = {}
    for facility, context in seen.contexts.items():
        own = features[of == facility]
        if len(own) >= LEAST_ROWS or facility in reference["quality"]:
            told[facility] = quality_of(own, reference["bounds"], context, on)
    return told


def _resolved(rows: Sequence[ResolvedRow]) -> Resolved:
    def places(names: list[str]) -> NDArray[np.int64]:
        return np.unique(np.array(names, str), return_inverse=True)[1].astype(np.int64)

    return Resolved(
        risk=np.array([row.risk_score for row in rows], np.float64),
        label=np.array([row.label for row in rows], np.int64),
        days_to_expected=np.array([row.days_to_expected for row in rows], np.int64),
        patient=places([row.patient_uuid for row in rows]),
        facility=places([row.facility for row in rows]),
    )


def _metrics(report: DriftReport) -> dict[tuple[str, str], float]:
    """Return the report as figures by (name, segment); what is not known is left out."""
    told: dict[tuple[str, str], float] = {("score_psi", "all"): report.score.psi, ("score_ks", "all"): report.score.ks}
    for name, one in report.features.items():
        told |= {("feature_psi", name): one.psi, ("feature_ks", name): one.ks, ("feature_psi_limit", name): one.limit}
    told |= {(f"expected_{name}", "all"): value for name, value in report.expected.items()}
    for name, (value, low, high) in report.live.items():
        told |= {(f"live_{name}", "all"): value, (f"live_{name}", "low"): low, (f"live_{name}", "high"): high}
    told |= {("data_quality_score", facility): one.score for facility, one in report.quality.items()}
    n = sum(one.n for one in report.quality.values())
    if n:
        told[("data_quality_score", "all")] = sum(one.score * one.n for one in report.quality.values()) / n
    told |= {("drift_alert", kind): float(value) for kind, value in report.alerts.items() if value is not None}
    told |= {("n_listed", "all"): report.n_listed, ("n_resolved", "all"): report.n_resolved}
    return {key: float(value) for key, value in told.items() if np.isfinite(value)}
