"""How often somebody may ask: each principal, and each address that has shown nothing valid."""

from fastapi import Request

from iit.bootstrap import Service
from iit.domain.access import Principal
from iit.domain.errors import RateLimited
from iit.services.logins import neighbourhood
from iit.store.limits import WINDOW_SECONDS, Standing


async def count_principal(request: Request, who: Principal) -> None:
    """Count a request of somebody known.

    Raises:
        RateLimited: there were too many within a minute.
    """
    service: Service = request.app.state.service
    limit = service.settings.rate_limit_per_minute
    if limit:
        _judge(request, await service.limits.hit(who.name, limit))


async def count_stranger(request: Request) -> None:
    """Count a request that showed nothing valid, by its address.

    Raises:
        RateLimited: there were too many within a minute.
    """
    service: Service = request.app.state.service
    limit = service.settings.rate_limit_strangers_per_minute
    if limit:
        _judge(request, await service.limits.hit(f"address:{neighbourhood(address_of(request))}", limit))


def address_of(request: Request) -> str:
    """Return where a request comes from; behind a trusted proxy, what the proxy says."""
    return request.client.host if request.client else ""


def headers_of(standing: Standing) -> dict[str, str]:
    """Return the RateLimit headers (draft-ietf-httpapi-ratelimit-headers-10)."""
    return {
        "RateLimit-Policy": f'"default";q={standing.limit};w={WINDOW_SECONDS}',
        "RateLimit": f'"default";r={standing.remaining};t={standing.reset_seconds}',
    }


def _judge(request: Request, standing: Standing) -> None:
    request.state.standing = standing
    if standing.is_exceeded:
        raise RateLimited("too many requests: wait", place="rate limit", retry_after_seconds=standing.reset_seconds)
