"""The account that PostgreSQL runs under: it refuses root, so root hands it to an ordinary one."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iit.domain.errors import Unavailable

SHARED = Path("/var/lib/iit-ml-service")


@dataclass(frozen=True)
class Account:
    """Who runs PostgreSQL; `uid` None means whoever we are."""

    uid: int | None
    gid: int | None

    @classmethod
    def current(cls) -> "Account":
        """Return ourselves, or for root the user `postgres`, else `nobody`."""
        if os.geteuid() != 0:
            return cls(None, None)
        for name in ("postgres", "nobody"):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(entry.pw_uid, entry.pw_gid)
        raise Unavailable("PostgreSQL refuses to run as root and there is no user `postgres` or `nobody`")

    def run(self, command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program under this account, in the root folder, with its output captured."""
        identity: dict[str, Any] = {} if self.uid is None else {"user": self.uid, "group": self.gid, "extra_groups": []}
        done: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603 - our own commands
            command,
            cwd="/",
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", **environment},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            **identity,
        )
        return done

    def own(self, path: Path, mode: int) -> None:
        """Make a folder if it is missing and give it to the account."""
        path.mkdir(mode=mode, exist_ok=True)
        if self.uid is not None and path.stat().st_uid != self.uid:
            os.chown(path, self.uid, self.gid if self.gid is not None else -1)
        path.chmod(mode)

    def take(self, path: Path) -> None:
        """Give a file to the account, or a folder with all that is in it."""
        if self.uid is None:
            return
        group = self.gid if self.gid is not None else -1
        for one in (path, *(path.rglob("*") if path.is_dir() else ())):
            os.chown(one, self.uid, group, follow_symlinks=False)

    def can_enter(self, path: Path) -> bool:
        """Return whether the account can go into a folder. Asks the system, as the account."""
        return self.uid is None or self.run(["/usr/bin/test", "-x", f"{path}/."]).returncode == 0
