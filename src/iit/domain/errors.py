"""The few kinds of error and what each means to the sender.

The doors (HTTP, command line, HL7) translate a kind once; nothing else maps errors. A message names the place and the
reason, never a value of a patient.
"""

from typing import ClassVar


class ServiceError(Exception):
    """Base of every error that is shown to a user without a traceback.

    Args:
        reason: one sentence for a human, free of patients' values.
        place: where in the input or the system it happened, for example `messageData.obs[3].obsDatetime`.
    """

    kind: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, reason: str, *, place: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.place = place

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}" if self.place else self.reason


class InvalidInput(ServiceError):
    """The input is at fault: correct it and send it again."""

    kind = "invalid_input"
    status = 422
    exit_code = 10


class NotFound(ServiceError):
    """There is no such thing."""

    kind = "not_found"
    status = 404
    exit_code = 11


class NotAuthenticated(ServiceError):
    """Nobody valid is asking: send credentials."""

    kind = "not_authenticated"
    status = 401
    exit_code = 12


class InvalidKey(NotAuthenticated):
    """The API key is malformed, unknown, revoked or expired."""

    kind = "invalid_key"


class InvalidToken(NotAuthenticated):
    """The token was not made here for this, or was revoked."""

    kind = "invalid_token"


class TokenExpired(NotAuthenticated):
    """The token has had its time: get a new one with the refresh token."""

    kind = "token_expired"


class NotAllowed(ServiceError):
    """The one who asks has no right to it."""

    kind = "not_allowed"
    status = 403
    exit_code = 12


class RateLimited(ServiceError):
    """Too many requests: wait, then go on.

    Args:
        retry_after_seconds: when the next one is taken.
    """

    kind = "rate_limited"
    status = 429
    exit_code = 14

    def __init__(self, reason: str, *, place: str | None = None, retry_after_seconds: int = 1) -> None:
        super().__init__(reason, place=place)
        self.retry_after_seconds = retry_after_seconds


class Conflict(ServiceError):
    """The state of things contradicts the request: read again, then decide."""

    kind = "conflict"
    status = 409
    exit_code = 13


class Unavailable(ServiceError):
    """A part is away: send the same again later.

    Args:
        retry_after_seconds: when trying again is reasonable.
    """

    kind = "unavailable"
    status = 503
    exit_code = 14

    def __init__(self, reason: str, *, place: str | None = None, retry_after_seconds: int = 5) -> None:
        super().__init__(reason, place=place)
        self.retry_after_seconds = retry_after_seconds


class Busy(Unavailable):
    """The part works, but cannot take this one now: all its places are taken, or a lock or statement takes too long."""

    kind = "busy"


class ReadOnly(Unavailable):
    """Nothing can be written now; reading and scoring go on."""

    kind = "read_only"

    def __init__(self, reason: str, *, place: str | None = None, retry_after_seconds: int = 60) -> None:
        super().__init__(reason, place=place, retry_after_seconds=retry_after_seconds)
