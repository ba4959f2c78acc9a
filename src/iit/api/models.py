"""`/api/v1/models`: what is trained and what serves."""

from typing import Annotated, Any

from fastapi import APIRouter, Path

from iit.api.dependencies import ServiceDep
from iit.api.rules import may
from iit.domain.access import Action, Principal

router = APIRouter(prefix="/api/v1/models", tags=["models"])

Reader = Annotated[Principal, may(Action.READ_MODELS)]
Version = Annotated[str, Path(max_length=64, pattern=r"^[^\x00-\x1f/]+$")]


@router.get("")
def list_models(service: ServiceDep, _who: Reader) -> dict[str, Any]:
    """List all models with their standing."""
    return service.modelling.listing()


@router.get("/{version}")
def show_model(version: Version, service: ServiceDep, _who: Reader) -> dict[str, Any]:
    """Show a model: training window, label policy, metrics, bands."""
    return service.modelling.show(version)


@router.get("/{version}/metrics")
def model_metrics(version: Version, service: ServiceDep, _who: Reader) -> dict[str, Any]:
    """Show the figures of a model."""
    return {"model_version": version, "metrics": service.modelling.show(version)["metrics"]}
