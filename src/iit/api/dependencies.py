"""What routes ask for: the service put together, and who is asking."""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader

from iit.bootstrap import Service
from iit.services.access import Principal

_header = APIKeyHeader(name="X-API-Key", auto_error=False)


def get_service(request: Request) -> Service:
    """Return the service that the application was made with."""
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(get_service)]


def get_principal(service: ServiceDep, key: Annotated[str | None, Security(_header)] = None) -> Principal:
    """Return who is asking.

    Raises:
        NotAuthenticated: no valid API key.
    """
    return service.access.authenticate_key(key)


PrincipalDep = Annotated[Principal, Depends(get_principal)]
