"""Which mail server: apart from `mail`, so that settings are read without its libraries."""

from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

ADDRESSES: Final = r"^(\s*[^\s@,<>]+@[^\s@,<>]+\s*(,|$))*$"
"""Mail addresses, separated by commas; none is right too."""

_SCHEMES: Final = {"smtp": 587, "smtps": 465}


class Server(NamedTuple):
    """A mail server. `repr` shows no password."""

    host: str
    port: int
    user: str | None
    password: str | None
    has_tls: bool

    def __repr__(self) -> str:
        return f"Server({self.host}:{self.port})"

    @classmethod
    def of(cls, url: str) -> "Server":
        """Return the server that `smtp://[user:password@]host[:587]` or `smtps://…[:465]` names.

        Raises:
            ValueError: the URL names none.
        """
        told = urlsplit(url)
        if told.scheme not in _SCHEMES or not told.hostname:
            raise ValueError("must be smtp://[user:password@]host[:port] or smtps://…")
        user = unquote(told.username) if told.username else None
        password = unquote(told.password) if told.password else None
        return cls(told.hostname, told.port or _SCHEMES[told.scheme], user, password, told.scheme == "smtps")


def checked_server(url: SecretStr | None) -> SecretStr | None:
    """Return the URL of a mail server if it names one.

    Raises:
        ValueError: it does not; the message does not tell the URL.
    """
    if url is not None:
        Server.of(url.get_secret_value())
    return url
