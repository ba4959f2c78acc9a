"""Health reports: mailed to those whom the settings allow, kept, and to be fetched."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from iit.api.dependencies import ServiceDep
from iit.api.local import may_here, may_here_unasked
from iit.domain.access import Action, Principal
from iit.ops.health.reporting import KINDS

router = APIRouter(prefix="/health/report", tags=["health"])


class Wish(BaseModel, extra="forbid"):
    """To whom a report is to go."""

    email: str = Field(max_length=254, description="One of the addresses of `IIT_REPORT_RECIPIENTS`.")


class Told(BaseModel):
    """What became of a report."""

    status: Literal["sent", "queued"] = Field(description="`queued`: the mail server is away; it is sent again.")
    report_id: str
    state: Literal["ok", "degraded", "failing"] = Field(description="What the report says.")
    download: str = Field(description="Path of the report.")
    reason: str | None = None


_QUEUED: dict[int | str, dict[str, Any]] = {202: {"model": Told, "description": "Kept, to be sent"}}


@router.post("", responses=_QUEUED)
def report(
    wish: Wish,
    response: Response,
    service: ServiceDep,
    _who: Annotated[Principal, may_here_unasked(Action.READ_HEALTH)],
) -> Told:
    """Make a health report of this moment and mail it; at most one a minute.

    A program on this machine needs no key: only addresses of the settings are sent anything.
    """
    service.reporting.check_recipient(wish.email)
    service.reporting.demand_pause()
    made = service.reporting.make()
    sent = service.reporting.mail(made, wish.email)
    response.status_code = 200 if sent.is_taken else 202
    return Told(
        status="sent" if sent.is_taken else "queued",
        report_id=made.report_id,
        state=made.state.value,
        download=f"{router.prefix}/{made.report_id}",
        reason=sent.reason,
    )


@router.get("/{report_id}", response_class=Response)
def kept(
    report_id: str,
    service: ServiceDep,
    _who: Annotated[Principal, may_here(Action.READ_HEALTH)],
    form: Literal["html", "txt"] = "html",
) -> Response:
    """Give a kept report, as page or text."""
    return Response(service.reporting.read(report_id, form), media_type=KINDS[form])
