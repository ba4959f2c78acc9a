"""Where a database of OpenMRS is and how to get in: `mysql://user:password@host:3306/openmrs?tls=verify&ca=/etc/ca.pem`."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from iit.domain.errors import InvalidInput

SCHEMES: Final = frozenset({"mysql", "mariadb", "mysql+pymysql"})
PLACE: Final = "the address of OpenMRS"
_OPTIONS: Final = frozenset({"tls", "ca", "cert", "key", "socket"})
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1", ""})
_PORT: Final = 3306


class Tls(StrEnum):
    """How the connection is protected: not at all, encrypted, or encrypted with the server's certificate checked."""

    OFF = "off"
    REQUIRE = "require"
    VERIFY = "verify"


@dataclass(frozen=True)
class Address:
    """Where the database is. `repr` and `name` show neither user nor password.

    Attributes:
        tls: by default `off` on this machine and `verify` to any other.
        ca: file with the certificates of who vouches for the server; else the system's.
        cert: file with a certificate of ours, if the server asks for one; `key` is its key.
        socket: a Unix socket instead of host and port.
    """

    host: str
    port: int
    database: str
    user: str = field(repr=False)
    password: str = field(repr=False)
    tls: Tls
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    socket: str | None = None

    @property
    def name(self) -> str:
        """What this database is called in summaries, logs and our own tables."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"mysql://{host}:{self.port}/{self.database}"

    def connection(self) -> dict[str, Any]:
        """Return what PyMySQL is told to get in.

        Raises:
            InvalidInput: a file of certificates cannot be read.
        """
        way: dict[str, Any] = {"unix_socket": self.socket} if self.socket else {"host": self.host, "port": self.port}
        tls = {"ssl_disabled": True} if self.tls is Tls.OFF else {"ssl": self._context()}
        return {**way, **tls, "user": self.user, "password": self.password, "database": self.database}

    def _context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.tls is Tls.REQUIRE:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if self.cert is not None:
                context.load_cert_chain(self.cert, self.key)
        except (OSError, ssl.SSLError) as cause:
            raise InvalidInput("a file of certificates cannot be read", place=PLACE) from cause
        return context


def read_address(url: str) -> Address:
    """Return the address that a URL tells.

    Raises:
        InvalidInput: it is none. The URL, which holds a password, is not repeated.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port or _PORT
    except ValueError:
        raise InvalidInput("is no URL", place=PLACE) from None
    if parts.scheme not in SCHEMES:
        raise InvalidInput("must be mysql://user:password@host/database or https://host/openmrs", place=PLACE)
    database = unquote(parts.path.strip("/"))
    if not database or "/" in database or not parts.username:
        raise InvalidInput("must name a user and a database: mysql://user:password@host/openmrs", place=PLACE)
    return _address(parts, port, database, _options(parts.query))


def _address(parts: SplitResult, port: int, database: str, options: Mapping[str, str]) -> Address:
    host = parts.hostname or "localhost"
    is_near = host in _LOCAL or "socket" in options
    try:
        tls = Tls(options.get("tls", Tls.OFF if is_near else Tls.VERIFY))
    except ValueError:
        raise InvalidInput("tls must be off, require or verify", place=PLACE) from None
    for name in ("ca", "cert", "key"):
        if name in options and not Path(options[name]).is_file():
            raise InvalidInput(f"the file of {name} is not there", place=PLACE)
    return Address(
        host=host, port=port, database=database, user=unquote(parts.username or ""),
        password=unquote(parts.password or ""), tls=tls, ca=options.get("ca"), cert=options.get("cert"),
        key=options.get("key"), socket=options.get("socket"),
    )  # fmt: skip


def _options(query: str) -> dict[str, str]:
    told = dict(parse_qsl(query, keep_blank_values=True))
    if set(told) - _OPTIONS:
        raise InvalidInput(f"knows the options {', '.join(sorted(_OPTIONS))} only", place=PLACE)
    return told
