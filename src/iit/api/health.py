"""`/health` and `/metrics`: for load balancers, supervisors and Prometheus; no key needed, nothing of patients told."""

import time
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess
from prometheus_client import REGISTRY as PROCESS_REGISTRY
from starlette.responses import JSONResponse, PlainTextResponse

from iit import __version__
from iit.api.dependencies import ServiceDep
from iit.api.gauges import exposition
from iit.api.rules import PUBLIC, may
from iit.bootstrap import Service
from iit.domain.access import Action, Principal
from iit.domain.errors import ServiceError, Unavailable
from iit.store import backups, migrate
from iit.telemetry import backup_age_seconds

router = APIRouter(tags=["health"])

_STATE = {"application/json": {"schema": {"type": "object", "required": ["status"]}}}
_STATES: dict[int | str, dict[str, Any]] = {503: {"description": "Something is away", "content": _STATE}}


@router.get("/health/live", dependencies=[PUBLIC])
def live() -> dict[str, str]:
    """Tell that the process answers. Does not ask any dependency, so an outage of one restarts nothing."""
    return {"status": "live"}


@router.get("/health/ready", dependencies=[PUBLIC], responses=_STATES)
def ready(service: ServiceDep) -> Response:
    """Tell whether requests can be answered: database, schema and model. 503 if not."""
    checks = _checks(service)
    return _answer({name: check["status"] for name, check in checks.items()}, checks)


@router.get("/health", dependencies=[PUBLIC], responses=_STATES)
def health(service: ServiceDep) -> Response:
    """Tell the state in one word, as `/health/ready` does."""
    return _answer({"version": __version__}, _checks(service))


@router.get("/health/detailed", responses=_STATES)
def detailed(service: ServiceDep, _who: Annotated[Principal, may(Action.READ_HEALTH)]) -> Response:
    """Tell the state of each dependency with the time it took and the reason."""
    checks = _checks(service)
    return _answer({"version": __version__, "checks": checks}, checks)


@router.get("/metrics", dependencies=[PUBLIC], response_class=PlainTextResponse)
def metrics(service: ServiceDep) -> Response:
    """Give all figures in Prometheus' text format, of all workers together."""
    kept = exposition(service.gauges.figures)
    with suppress(Unavailable):  # the figures of the inbox stay as they were
        service.inbox.measure()
    _tell_backup_age(service)
    if service.metrics_folder is None:
        return Response(generate_latest(PROCESS_REGISTRY) + kept, media_type=CONTENT_TYPE_LATEST)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, path=str(service.metrics_folder))  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry) + kept, media_type=CONTENT_TYPE_LATEST)


def _tell_backup_age(service: Service) -> None:
    with suppress(Unavailable), service.database.transaction() as tx:  # figures go on without the database
        for kind, finished_at in backups.latest_good(tx).items():
            backup_age_seconds.labels(kind).set((service.now() - finished_at).total_seconds())


def _checks(service: Service) -> dict[str, dict[str, Any]]:
    def database() -> None:
        with service.database.transaction() as tx:
            migrate.check(tx)

    return {"database": _timed(database), "model": _timed(service.champion.current)}


def _timed(check: Any) -> dict[str, Any]:
    began = time.perf_counter()
    try:
        check()
    except ServiceError as error:
        return {"status": "failing", "reason": error.reason, "ms": round(1000 * (time.perf_counter() - began), 1)}
    return {"status": "ok", "ms": round(1000 * (time.perf_counter() - began), 1)}


def _answer(body: dict[str, Any], checks: dict[str, dict[str, Any]]) -> Response:
    well = all(check["status"] == "ok" for check in checks.values())
    status = {"status": "ok" if well else "unavailable"}
    headers = None if well else {"Retry-After": "5"}
    return JSONResponse({**status, **body}, status_code=200 if well else 503, headers=headers)
