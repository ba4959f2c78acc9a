"""`/api/v1/auth`: tokens for a name and a password."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Request, Response
from pydantic import BaseModel

from iit.api.dependencies import ServiceDep
from iit.api.limits import address_of, count_stranger
from iit.api.rules import PUBLIC
from iit.services.logins import Origin
from iit.services.tokens import TokenPair

router = APIRouter(prefix="/api/v1/auth", tags=["tokens"], dependencies=[PUBLIC, Depends(count_stranger)])


class TokenAnswer(BaseModel):
    """An access token for `Authorization: Bearer`, and the refresh token that gets the next pair, once."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a kind, not a secret
    expires_in: int
    refresh_token: str


@router.post("/token")
def issue_token(
    request: Request,
    service: ServiceDep,
    username: Annotated[str, Form(max_length=64)],
    password: Annotated[str, Form(max_length=1000)],
    grant_type: Annotated[Literal["password"], Form()] = "password",
) -> TokenAnswer:
    """Log in (OAuth2 password form)."""
    return _answer(service.access.tokens.issue(username, password, Origin(address_of(request))))


@router.post("/refresh")
def refresh_token(
    service: ServiceDep,
    refresh_token: Annotated[str, Form(max_length=200)],
    grant_type: Annotated[Literal["refresh_token"], Form()] = "refresh_token",
) -> TokenAnswer:
    """Exchange a refresh token for the next pair. Using one twice ends the login that it came of."""
    return _answer(service.access.tokens.refresh(refresh_token))


@router.post("/logout", status_code=204)
def log_out(service: ServiceDep, refresh_token: Annotated[str, Form(max_length=200)]) -> Response:
    """End the login that a refresh token came of; its access tokens end within seconds."""
    service.access.tokens.revoke(refresh_token)
    return Response(status_code=204)


def _answer(pair: TokenPair) -> TokenAnswer:
    return TokenAnswer(access_token=pair.access_token, expires_in=pair.expires_in, refresh_token=pair.refresh_token)
