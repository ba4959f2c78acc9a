"""`/api/v1/drift` and `/api/v1/analytics`: whether the world has changed, and how many patients are where."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from iit.api.dependencies import ServiceDep
from iit.api.rules import may
from iit.domain.access import Action, Principal

Reader = Annotated[Principal, may(Action.READ_ANALYTICS)]
router = APIRouter(prefix="/api/v1", tags=["monitoring"])

Facility = Annotated[str | None, Query(max_length=64, description="DATIM code; by default all.")]


@router.get("/drift")
def drift(
    service: ServiceDep,
    _who: Reader,
    since: Annotated[str, Query(max_length=8, description="How far back runs are listed, for example 30d.")] = "30d",
) -> dict[str, Any]:
    """Show the latest comparison of the champion with its reference, and the alerts of the runs before."""
    return service.monitoring.latest(since=since)


@router.get("/analytics/model-performance")
def model_performance(service: ServiceDep, _who: Reader) -> dict[str, Any]:
    """Show the champion's figures at training, and live as labels ripen."""
    return service.analytics.model_performance()


@router.get("/analytics/risk-distribution")
def risk_distribution(service: ServiceDep, who: Reader, facility: Facility = None) -> dict[str, Any]:
    """Count active patients by their latest risk: tenth 3 is from 0.3 up to but not including 0.4."""
    counts = service.analytics.risk_distribution(facility=facility, who=who)
    return {"facility": facility, "counts": [one._asdict() for one in counts]}


@router.get("/analytics/cascade")
def cascade(service: ServiceDep, who: Reader, facility: Facility = None) -> dict[str, Any]:
    """Count patients along the refill cycle, from registered to interrupted."""
    return {"facility": facility, **service.analytics.cascade(facility=facility, who=who)._asdict()}
