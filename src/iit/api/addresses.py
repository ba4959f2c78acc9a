"""Where a request really comes from. What a proxy says counts only if the configuration trusts the proxy."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from starlette.types import Scope

Networks = Sequence[IPv4Network | IPv6Network]

_LOOPBACK: Final = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
_FORWARDED: Final = (b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip")


def take_forwarded(scope: Scope, trusted: Networks) -> None:
    """Set the client (and the scheme) of a request from X-Forwarded-For and -Proto if its peer is a trusted proxy.

    Of the addresses listed, the last that is no trusted proxy counts: what stands before it anybody can write. Where it
    is no address, the proxy's own stays.
    """
    peer = scope.get("client")
    if not trusted or peer is None or not _is_in(peer[0], trusted):
        return
    listed = [_plain(one) for value in _values(scope, b"x-forwarded-for") for one in value.split(",")]
    strangers = [one for one in listed if not _is_in(one, trusted)]
    if strangers and strangers[-1]:
        scope["client"] = (strangers[-1], 0)
    if _values(scope, b"x-forwarded-proto")[-1:] == ["https"]:
        scope["scheme"] = "https"


def is_from_here(scope: Scope) -> bool:
    """Tell whether a request comes from a program on this machine, and not through a proxy on it.

    The name it asks for must be this machine's own too: a page in a browser here cannot have another site's name lead
    to this machine and ask in its place.
    """
    peer = scope.get("client")
    if peer is None or not _is_in(peer[0], _LOOPBACK) or any(_values(scope, name) for name in _FORWARDED):
        return False
    host = "".join(_values(scope, b"host")).rsplit(":", 1)[0].strip("[]")
    return host == "localhost" or _is_in(host, _LOOPBACK)


def _plain(told: str) -> str:
    """Return an address that a proxy told, without the port that some add; empty if it is none."""
    text = told.strip()
    bare = text[1:].partition("]")[0] if text.startswith("[") else text
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return str(ip_address(bare))
    except ValueError:
        return ""


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for header, value in scope["headers"] if header == name]


def _is_in(address: str, networks: Networks) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in networks)
