"""What routes ask for: the service put together."""

from typing import Annotated

from fastapi import Depends, Request

from iit.bootstrap import Service


def get_service(request: Request) -> Service:
    """Return the service that the application was made with."""
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(get_service)]
