"""`/api/v1/models`: what is trained and what serves."""

from typing import Any

from fastapi import APIRouter

from iit.api.dependencies import PrincipalDep, ServiceDep

router = APIRouter(prefix="/api/v1/models", tags=["models"])


@router.get("")
def list_models(service: ServiceDep, _who: PrincipalDep) -> dict[str, Any]:
    """List all models with their standing."""
    return service.modelling.listing()


@router.get("/{version}")
def show_model(version: str, service: ServiceDep, _who: PrincipalDep) -> dict[str, Any]:
    """Show a model: what it was made from, label policy, bands, main figures with intervals, limits for service."""
    return service.modelling.show(version)


@router.get("/{version}/metrics")
def model_metrics(version: str, service: ServiceDep, _who: PrincipalDep) -> dict[str, Any]:
    """Show all figures of a model on its test, with intervals: by segment, facility, threshold, beside rivals."""
    return service.modelling.figures(version)
