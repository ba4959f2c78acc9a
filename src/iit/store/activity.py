"""What the service did in a time, counted in the database."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from iit.store.database import Transaction
from iit.store.schema import audit_logs, backups, inbox, maintenance_log, model_metrics, outcomes, predictions


class Share(NamedTuple):
    """How often something was counted."""

    name: str
    n: int


class LiveFigure(NamedTuple):
    """A figure of a model from labels, with the ends of its 95 % interval where they are known."""

    model: str
    name: str
    estimate: float
    low: float | None
    high: float | None


def predictions_by(tx: Transaction, column: str, *, start: datetime, end: datetime) -> list[Share]:
    """Return the number of predictions by `risk_band`, `source`, `model_version` or `facility`, the most first."""
    chosen = predictions.c[column]
    inside = _within(predictions.c.created_at, start, end)
    return _shares(tx, chosen, inside)


def predictions_by_day(tx: Transaction, *, start: datetime, end: datetime) -> list[Share]:
    """Return the number of predictions of each day that has any, in order."""
    day = func.to_char(predictions.c.created_at, "YYYY-MM-DD")
    inside = _within(predictions.c.created_at, start, end)
    rows = tx.execute(select(day, func.count()).where(inside).group_by(day).order_by(day))
    return [Share(*row) for row in rows]


def quality(tx: Transaction, *, start: datetime, end: datetime) -> tuple[float | None, float | None]:
    """Return the mean share of known features and the mean risk of a time's predictions; None without any."""
    inside = _within(predictions.c.created_at, start, end)
    row = tx.execute(
        select(func.avg(predictions.c.data_quality), func.avg(predictions.c.risk_score)).where(inside)
    ).one()
    return row[0], row[1]


def acts(tx: Transaction, *, start: datetime, end: datetime) -> list[Share]:
    """Return the number of audit events by kind and outcome, the most first."""
    inside = _within(audit_logs.c.timestamp, start, end)
    return _shares(tx, audit_logs.c.event_type + ", " + audit_logs.c.outcome, inside)


def backup_runs(tx: Transaction, *, start: datetime, end: datetime) -> list[Share]:
    """Return the number of backups by kind and state."""
    inside = _within(backups.c.started_at, start, end)
    return _shares(tx, backups.c.kind + ", " + backups.c.state, inside)


def tasks(tx: Transaction, *, start: datetime, end: datetime) -> list[Share]:
    """Return the number of maintenance tasks by name and outcome."""
    inside = _within(maintenance_log.c.started_at, start, end)
    return _shares(tx, maintenance_log.c.task + ", " + maintenance_log.c.outcome, inside)


def database_sizes(tx: Transaction, *, end: datetime) -> list[tuple[datetime, int]]:
    """Return when the database took how many bytes: what weekly maintenance noted before a time, in order."""
    size = maintenance_log.c.detail["database_bytes"].as_integer()
    rows = tx.execute(
        select(maintenance_log.c.finished_at, size)
        .where(
            (maintenance_log.c.task == "maintenance weekly") & (maintenance_log.c.finished_at < end) & size.is_not(None)
        )
        .order_by(maintenance_log.c.finished_at)
    )
    return [(row[0], row[1]) for row in rows]


def latest_figures(tx: Transaction, *, end: datetime) -> list[tuple[str, str, float]]:
    """Return (model, figure, value) of whole test sets, the newest of each before a time."""
    rows = tx.execute(
        select(model_metrics.c.model_id, model_metrics.c.metric_name, model_metrics.c.metric_value)
        .ext(distinct_on(model_metrics.c.model_id, model_metrics.c.metric_name))
        .where((model_metrics.c.segment == "all") & (model_metrics.c.recorded_at < end))
        .order_by(model_metrics.c.model_id, model_metrics.c.metric_name, model_metrics.c.recorded_at.desc())
    )
    return [(row[0], row[1], row[2]) for row in rows]


def live_figures(tx: Transaction, *, start: datetime, end: datetime) -> list[LiveFigure]:
    """Return the newest live figures of each model in a time, with their intervals."""
    metric = model_metrics.c
    rows = tx.execute(
        select(metric.model_id, metric.metric_name, metric.segment, metric.metric_value)
        .ext(distinct_on(metric.model_id, metric.metric_name, metric.segment))
        .where(metric.metric_name.startswith("live_") & metric.segment.in_(("all", "low", "high")))
        .where(_within(metric.recorded_at, start, end))
        .order_by(metric.model_id, metric.metric_name, metric.segment, metric.recorded_at.desc())
    )
    told: dict[tuple[str, str], dict[str, float]] = {}
    for model, name, segment, value in rows:
        told.setdefault((model, name), {})[segment] = value
    return [
        LiveFigure(model, name, ends["all"], ends.get("low"), ends.get("high"))
        for (model, name), ends in told.items()
        if "all" in ends
    ]


def outcomes_by_status(tx: Transaction, *, start: datetime, end: datetime) -> list[Share]:
    """Return what became of predictions made in a time, as far as it is known, the most first."""
    inside = _within(predictions.c.created_at, start, end)
    query = (
        select(outcomes.c.status, func.count())
        .join(predictions, predictions.c.prediction_id == outcomes.c.prediction_id)
        .where(inside)
        .group_by(outcomes.c.status)
        .order_by(func.count().desc(), outcomes.c.status)
    )
    return [Share(*row) for row in tx.execute(query)]


def known_by_facility(tx: Transaction, *, start: datetime, end: datetime) -> list[tuple[str, float, int]]:
    """Return (facility, mean share of known features, predictions) of a time, the lowest 50 shares first."""
    chosen = predictions.c
    query = (
        select(func.coalesce(chosen.facility, "none"), func.avg(chosen.data_quality), func.count())
        .where(_within(chosen.created_at, start, end) & chosen.data_quality.is_not(None))
        .group_by(chosen.facility)
        .order_by(func.avg(chosen.data_quality), chosen.facility)
        .limit(50)
    )
    return [(row[0], float(row[1]), row[2]) for row in tx.execute(query)]


def quality_scores(tx: Transaction, *, start: datetime, end: datetime) -> list[tuple[str, float]]:
    """Return (facility, score of 0 to 1), the newest of each in a time, the lowest 50 first; `all` is their mean."""
    metric = model_metrics.c
    newest = (
        select(metric.segment, metric.metric_value)
        .ext(distinct_on(metric.segment))
        .where((metric.metric_name == "data_quality_score") & _within(metric.recorded_at, start, end))
        .order_by(metric.segment, metric.recorded_at.desc())
        .subquery()
    )
    ordered = select(newest).order_by(newest.c.metric_value, newest.c.segment).limit(50)
    return [(row[0], row[1]) for row in tx.execute(ordered)]


def messages_by_state(tx: Transaction, *, start: datetime, end: datetime) -> list[Share]:
    """Return the number of messages received in a time by state, the most first."""
    return _shares(tx, inbox.c.state, _within(inbox.c.received_at, start, end))


def _within(moment: ColumnElement[datetime], start: datetime, end: datetime) -> ColumnElement[bool]:
    return (moment >= start) & (moment < end)


def _shares(tx: Transaction, name: ColumnElement[Any], inside: ColumnElement[bool]) -> list[Share]:
    rows = tx.execute(select(name, func.count()).where(inside).group_by(name).order_by(func.count().desc(), name))
    return [Share("none" if row[0] is None else str(row[0]), row[1]) for row in rows]
