"""To which moment a restore goes."""

from dataclasses import dataclass
from datetime import datetime

from iit.domain.errors import InvalidInput


@dataclass(frozen=True, kw_only=True)
class RecoveryTarget:
    """At most one of the moments is set; none means the newest that the log reaches.

    Attributes:
        time: commits up to and including this time.
        xid: this transaction and those that committed before it.
        lsn: up to this place of the log.
        name: up to this restore point.
        is_inclusive: with the commit at the moment itself, or without.
        is_immediate: only until the backup is consistent, without more of the log.
    """

    time: datetime | None = None
    xid: int | None = None
    lsn: str | None = None
    name: str | None = None
    is_inclusive: bool = True
    is_immediate: bool = False

    def __post_init__(self) -> None:
        """Refuse two moments at once."""
        given = [self.time, self.xid, self.lsn, self.name, self.is_immediate or None]
        if sum(one is not None for one in given) > 1:
            raise InvalidInput(
                "give one of a time, a transaction, a place of the log or a name", place="restore target"
            )
        if self.time is not None and self.time.tzinfo is None:
            raise InvalidInput("needs a time zone", place="restore target")

    def settings(self) -> dict[str, str]:
        """Return PostgreSQL's settings for it."""
        inclusive = {"recovery_target_inclusive": "on" if self.is_inclusive else "off"}
        if self.time is not None:
            return {"recovery_target_time": f"'{self.time.isoformat()}'", **inclusive}
        if self.xid is not None:
            return {"recovery_target_xid": f"'{self.xid}'", **inclusive}
        if self.lsn is not None:
            return {"recovery_target_lsn": f"'{self.lsn}'", **inclusive}
        if self.name is not None:
            quoted = self.name.replace("'", "''")
            return {"recovery_target_name": f"'{quoted}'"}
        return {"recovery_target": "'immediate'"} if self.is_immediate else {}
