"""Figures about models over time."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import desc, func, insert, select

from iit.store.database import Transaction
from iit.store.schema import model_metrics


class Metric(NamedTuple):
    """One figure of a model at a time."""

    metric_name: str
    segment: str
    metric_value: float
    recorded_at: datetime


def save(tx: Transaction, model_id: str, values: Mapping[tuple[str, str], float]) -> None:
    """Keep figures by (name, segment)."""
    if values:
        tx.execute(
            insert(model_metrics),
            [
                {"model_id": model_id, "metric_name": name, "segment": segment, "metric_value": value}
                for (name, segment), value in values.items()
            ],
        )


def of_model(tx: Transaction, model_id: str, *, limit: int = 1000) -> list[Metric]:
    """Return a model's figures, newest first."""
    columns = [model_metrics.c[name] for name in Metric._fields]
    query = select(*columns).where(model_metrics.c.model_id == model_id)
    return [Metric(*row) for row in tx.execute(query.order_by(desc(model_metrics.c.recorded_at)).limit(limit))]


def of_latest_run(tx: Transaction, model_id: str) -> list[Metric]:
    """Return the figures of a model's latest comparison with its reference; none if there was none."""
    latest = (
        select(func.max(model_metrics.c.recorded_at))
        .where(model_metrics.c.model_id == model_id)
        .where(model_metrics.c.metric_name == "drift_alert")
        .scalar_subquery()
    )
    columns = [model_metrics.c[name] for name in Metric._fields]
    query = select(*columns).where(model_metrics.c.model_id == model_id).where(model_metrics.c.recorded_at == latest)
    return [Metric(*row) for row in tx.execute(query)]


def alerts_since(tx: Transaction, model_id: str, since: datetime) -> list[Metric]:
    """Return the alerts of a model's runs from a time on, newest first."""
    columns = [model_metrics.c[name] for name in Metric._fields]
    query = select(*columns).where(model_metrics.c.model_id == model_id).where(model_metrics.c.recorded_at >= since)
    query = query.where(model_metrics.c.metric_name == "drift_alert")
    return [Metric(*row) for row in tx.execute(query.order_by(desc(model_metrics.c.recorded_at)))]
