"""Keeping the write-ahead log outside the data folder, and reading it back.

Shell, since a Python start for each segment would cost more than the copy. Segments are compressed: one that was closed
early by `archive_timeout` is mostly zeros.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from iit.domain.errors import InvalidInput, Unavailable
from iit.store.embedded.account import Account

_ARCHIVE: Final = r"""#!/bin/sh
# Keep one file of the log: compressed under a temporary name, synchronised, renamed. Never overwrites another.
set -eu
from=$1
to=$2/$(basename "$1").gz
if [ -e "$to" ]; then
  gzip -dc "$to" | cmp -s - "$from"
  exit
fi
draft=$2/.$(basename "$1").$$
trap 'rm -f "$draft"' EXIT
gzip -1 -c "$from" >"$draft"
sync "$draft"
mv "$draft" "$to"
sync "$2"
"""

_FETCH: Final = r"""#!/bin/sh
# Bring one file of the log back from the first folder that has it. 1: none has it. 200: it is damaged or a folder
# cannot be read, which stops the recovery; it would end early and look well otherwise.
set -u
name=$1
to=$2
shift 2
for folder in "$@"; do
  [ -r "$folder" ] && [ -x "$folder" ] || exit 200
  if [ -e "$folder/$name.gz" ]; then
    gzip -dc "$folder/$name.gz" >"$to" || exit 200
    exit 0
  fi
  for file in "$folder/$name" "$folder/$name.partial"; do
    if [ -e "$file" ]; then
      cp "$file" "$to" || exit 200
      exit 0
    fi
  done
done
exit 1
"""


def archive_settings(archive: Path, scripts: Path, account: Account) -> dict[str, str]:
    """Return the server's settings that keep its log in a folder, at the latest 30 s after a commit.

    Raises:
        InvalidInput: the server's account cannot use the folder.
    """
    try:
        archive.parent.mkdir(parents=True, exist_ok=True)
        account.own(archive, 0o700)
    except OSError as cause:
        raise InvalidInput(f"cannot be made: {cause.strerror}", place=f"IIT_WAL_ARCHIVE_DIR ({archive})") from cause
    if not account.can_enter(archive):
        raise InvalidInput("cannot be entered by the server's account", place=f"IIT_WAL_ARCHIVE_DIR ({archive})")
    script = _write(scripts / "archive_wal", _ARCHIVE, account)
    return {
        "archive_mode": "on",
        "archive_timeout": "'30s'",
        "archive_command": _setting(f"sh {shlex.quote(str(script))} %p {shlex.quote(str(archive))}"),
    }


def archive_history(data: Path, archive: Path, scripts: Path, account: Account) -> None:
    """Archive the files that tell how the log branched: a server that recovered without archiving has not.

    Raises:
        Unavailable: they cannot be kept, so that later restores would not find the new branch.
    """
    script = _write(scripts / "archive_wal", _ARCHIVE, account)
    for file in sorted((data / "pg_wal").glob("*.history")):
        if account.run(["sh", str(script), str(file), str(archive)]).returncode:
            raise Unavailable(f"{file.name} cannot be archived", place=str(archive))


def fetch_setting(folders: Sequence[Path], scripts: Path, account: Account) -> str:
    """Return the value of `restore_command` that looks into folders in turn."""
    script = _write(scripts / "fetch_wal", _FETCH, account)
    quoted = " ".join(shlex.quote(str(folder)) for folder in folders)
    return _setting(f"sh {shlex.quote(str(script))} %f %p {quoted}")


def _write(path: Path, text: str, account: Account) -> Path:
    draft = path.with_name(f".{path.name}")
    draft.write_text(text, encoding="ascii")
    draft.chmod(0o755)
    draft.rename(path)
    account.take(path)
    return path


def _setting(command: str) -> str:
    return "'" + command.replace("'", "''") + "'"
