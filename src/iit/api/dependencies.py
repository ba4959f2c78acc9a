"""What routes ask for: the service put together, its address, and words without control characters."""

from typing import Annotated, Final

from fastapi import Depends, Request

from iit.bootstrap import Service


def get_service(request: Request) -> Service:
    """Return the service that the application was made with."""
    service: Service = request.app.state.service
    return service


PRINTED: Final = r"^[^\x00-\x1f]+$"
"""Pattern of codes and names: what cannot be printed cannot be stored either."""


def public_address(request: Request) -> str:
    """Return the address that others reach this service under: as set, else as this request names it."""
    return (get_service(request).settings.public_url or str(request.base_url)).rstrip("/")


ServiceDep = Annotated[Service, Depends(get_service)]
