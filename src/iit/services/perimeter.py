"""Who is kept out whatever they show: blocked addresses, and in an emergency everyone but administrators."""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from iit.domain.access import Principal, Role
from iit.domain.audit import AuditEvent, EventType
from iit.domain.errors import Conflict, InvalidInput, NotFound, Unavailable
from iit.services.credentials import CredentialCache
from iit.store import perimeter as perimeter_store
from iit.store import sessions as session_store
from iit.store import tokens as token_store
from iit.store.database import Database
from iit.store.perimeter import PerimeterRow

REFRESH_SECONDS: Final = 2.0
"""How often a running worker reads the state."""

_NOTHING: Final = PerimeterRow(None, [])
_HELD: Final = 10_000


@dataclass
class _Snapshot:
    """What is shut, as read last, and which addresses were judged by it."""

    row: PerimeterRow = _NOTHING
    networks: list[IPv4Network | IPv6Network] = field(default_factory=list)
    judged: dict[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Perimeter:
    """Keeps addresses out and locks the service down; each worker reads the state anew every two seconds.

    Attributes:
        database: where the state is.
        cache: is told of a lock-down.
    """

    database: Database
    cache: CredentialCache
    _snapshot: list[_Snapshot] = field(default_factory=lambda: [_Snapshot()], repr=False)

    def refresh(self) -> None:
        """Read the state anew; while the database is away, the last one holds."""
        last = self._snapshot[0]
        try:
            row = self.state()
        except Unavailable:
            return
        same = row == last.row
        networks = last.networks if same else [ip_network(block.network) for block in row.blocks]
        self._snapshot[0] = _Snapshot(row, networks, last.judged if same else {})

    def is_blocked(self, address: str) -> bool:
        """Tell whether an address is kept out, by what is held."""
        snapshot = self._snapshot[0]
        if not snapshot.networks:
            return False
        told = snapshot.judged.get(address)
        if told is None:
            if len(snapshot.judged) >= _HELD:
                snapshot.judged.clear()
            found = _parsed(address)
            told = found is not None and any(found in network for network in snapshot.networks)
            snapshot.judged[address] = told
        return told

    def is_open_to(self, who: Principal) -> bool:
        """Tell whether the service is open to somebody, by what is held: while it is locked, to administrators only."""
        return self._snapshot[0].row.lock_reason is None or who.role == Role.ADMINISTRATOR

    def state(self) -> PerimeterRow:
        """Return what is shut, from the database."""
        with self.database.transaction() as tx:
            return perimeter_store.read(tx)

    def lock(self, reason: str, *, who: Principal) -> None:
        """Lock the service: sessions and tokens end, and only administrators may do anything."""
        with self.database.transaction() as tx:
            perimeter_store.lock(tx, reason, audit=_event(EventType.ACCESS_LOCKED, who, "access"))
            session_store.end_all(tx)
            token_store.revoke_all(tx)
        self.cache.forget()
        self.refresh()

    def unlock(self, *, who: Principal) -> None:
        """Unlock the service; people log in anew.

        Raises:
            Conflict: it is not locked.
        """
        with self.database.transaction() as tx:
            found = perimeter_store.unlock(tx, audit=_event(EventType.ACCESS_UNLOCKED, who, "access"))
        self.refresh()
        if not found:
            raise Conflict("the service is not locked", place="access")

    def block(self, network: str, reason: str, *, who: Principal) -> str:
        """Keep an address or network out; return it in its usual form.

        Raises:
            InvalidInput: it is no address or network, or it is everyone.
        """
        found = _network(network)
        with self.database.transaction() as tx:
            perimeter_store.block(tx, found, reason, audit=_event(EventType.ADDRESS_BLOCKED, who, f"network:{found}"))
        self.refresh()
        return found

    def unblock(self, network: str, *, who: Principal) -> str:
        """Let an address or network in again; return it in its usual form.

        Raises:
            NotFound: it is not blocked, though a network around it may be.
        """
        found = _network(network)
        with self.database.transaction() as tx:
            known = perimeter_store.unblock(
                tx, found, audit=_event(EventType.ADDRESS_UNBLOCKED, who, f"network:{found}")
            )
        self.refresh()
        if not known:
            raise NotFound("is not blocked", place="network")
        return found


def _network(text: str) -> str:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise InvalidInput("is no address and no network such as 192.0.2.0/24", place="network") from None
    if network.prefixlen == 0:
        raise InvalidInput("is everyone: use `iit access lock`", place="network")
    return str(network)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    """Return an address; one of IPv4 that is written as IPv6 is that of IPv4."""
    try:
        found = ip_address(address)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def _event(event_type: EventType, who: Principal, target: str) -> AuditEvent:
    return AuditEvent(event_type=event_type, actor=who.name, action="execute", target=target)
