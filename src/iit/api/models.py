"""`/api/v1/models`: what is trained and what serves."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from iit.api.dependencies import ServiceDep
from iit.api.rules import may
from iit.domain.access import Action, Principal

router = APIRouter(prefix="/api/v1/models", tags=["models"])

Reader = Annotated[Principal, may(Action.READ_MODELS)]
Manager = Annotated[Principal, may(Action.MANAGE_MODELS)]
Version = Annotated[str, Path(max_length=64, pattern=r"^[^\x00-\x1f/]+$")]


@router.get("")
def list_models(service: ServiceDep, _who: Reader) -> dict[str, Any]:
    """List all models with their standing."""
    return service.models.listing()


class RetrainWish(BaseModel):
    """What to train."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model_version: Annotated[str, Field(max_length=64, description="name of the new model, for example v2.0")]
    as_of: Annotated[date | None, Field(description="nothing known later is used")] = None
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 1


@router.post("/retrain", status_code=202)
def retrain(wish: RetrainWish, service: ServiceDep, who: Manager) -> dict[str, Any]:
    """Train a model in the background; it serves if nothing speaks against it. Follow it at `/api/v1/jobs/{job_id}`."""
    service.training.check_free(wish.model_version)
    return service.jobs.submit("train", wish.model_dump(mode="json", exclude_none=True), who=who)._asdict()


@router.post("/rollback")
def roll_back(service: ServiceDep, who: Manager) -> dict[str, Any]:
    """Return to the champion before."""
    return {"champion": service.models.roll_back(who=who)}


@router.get("/{version}")
def show_model(version: Version, service: ServiceDep, _who: Reader) -> dict[str, Any]:
    """Show a model: what it was made from, label policy, bands, main figures with intervals, limits for service."""
    return service.models.show(version)


@router.post("/{version}/promote")
def promote(version: Version, service: ServiceDep, who: Manager, *, force: bool = False) -> dict[str, Any]:
    """Make a model the champion. With `force`, although the gate objects to it."""
    service.models.promote(version, although_rejected=force, who=who)
    return {"champion": version}


@router.get("/{version}/metrics")
def model_metrics(version: Version, service: ServiceDep, _who: Reader) -> dict[str, Any]:
    """Show all figures of a model on its test, with intervals: by segment, facility, threshold, beside rivals."""
    return service.models.figures(version)
