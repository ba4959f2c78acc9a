"""Make one archive that installs the service on a machine without a network: `make release`, or with other Pythons.

Usage: make_release.py [FOLDER] [--python 3.11 --python 3.13 ...] [--platform manylinux_2_28_x86_64 ...]

The archive holds the wheels of everything that is locked and of the service itself, the lock with its hashes, an
`install.sh`, `deploy/`, `scripts/`, the documentation, a list of parts (CycloneDX) and SHA256SUMS. Of the same commit
and lock it is the same to the byte.
"""

import argparse
import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from packaging.markers import Marker

ROOT = Path(__file__).resolve().parent.parent
LOCK = "requirements-train.txt"
ALONG = ("deploy", "scripts", "docs", "README.md", "LICENSE", "CHANGELOG.md")
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
INSTALL = """#!/usr/bin/env bash
# Install from this folder alone: ./install.sh [FOLDER, else /opt/iit-ml-service]. Needs Python 3.11 or newer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
sha256sum --check --quiet SHA256SUMS
target=${1:-/opt/iit-ml-service}
python3 -m venv --without-pip "$target/.venv"
installer=(wheels/pip-*.whl) # runs as it lies: Debian's Python may lack its own
pip=(python3 "${installer[0]}/pip" --isolated --python "$target/.venv/bin/python" install --quiet --no-index)
pip+=(--find-links wheels)
"${pip[@]}" --no-deps --require-hashes -r requirements.txt
"${pip[@]}" --no-deps wheels/iit_ml_service-*.whl
cp -r deploy scripts docs README.md LICENSE CHANGELOG.md sbom.json "$target/"
"$target/.venv/bin/iit" version
echo "installed in $target: see $target/docs/operate/install.md"
"""


def main() -> int:
    """Make the archive and say where it lies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "dist")
    parser.add_argument("--python", action="append", help="version that wheels are for; else the one that runs this")
    parser.add_argument("--platform", action="append", help="of the wheels, as pip names it; else this machine's")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        content = Path(scratch) / "content"
        (content / "wheels").mkdir(parents=True)
        wheel = build_wheel(content / "wheels")
        for python in asked.python or [HERE]:
            download(content / "wheels", python, asked.platform or [])
        shutil.copy(ROOT / LOCK, content / "requirements.txt")
        for name in tracked(ALONG):
            (content / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, content / name)
        (content / "install.sh").write_text(INSTALL, encoding="utf-8")
        (content / "install.sh").chmod(0o755)
        list_parts(content / "sbom.json")
        sums = [f"{digest(path)}  {path.relative_to(content)}\n" for path in files_of(content)]
        (content / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")
        name = f"iit-ml-service-{wheel.name.split('-')[1]}-py{'-'.join(asked.python or [HERE])}"
        archive = asked.folder / f"{name}.tar.gz"
        pack(content, archive, name)
    (asked.folder / f"{archive.name}.sha256").write_text(f"{digest(archive)}  {archive.name}\n", encoding="utf-8")
    print(f"{archive} ({archive.stat().st_size / 1e6:.0f} MB)")  # noqa: T201 - this is its way to speak
    return 0


def build_wheel(target: Path) -> Path:
    """Build the service's own wheel; dated by the commit, so that it is the same whenever it is built."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(commit_time())}
    run(
        "uv",
        "build",
        "--quiet",
        "--wheel",
        "--no-build-isolation",
        "--out-dir",
        str(target),
        str(ROOT),
        env=environment,
    )
    (target / ".gitignore").unlink(missing_ok=True)
    (wheel,) = target.glob("*.whl")
    return wheel


def download(target: Path, python: str, platforms: list[str]) -> None:
    """Fetch the locked wheels, and pip's own, which installs them where the machine has none."""
    wanted = [option for platform in platforms for option in ("--platform", platform)]
    chosen = target.parent / "chosen.txt"
    chosen.write_text(locked_for(python), encoding="utf-8")
    fetch = (
        "pip",
        "download",
        "--quiet",
        "--quiet",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--python-version",
        python,
        *wanted,
    )
    run(*fetch, "--require-hashes", "-r", str(chosen), "-d", str(target))
    run(*fetch, "pip>=24", "-d", str(target))
    chosen.unlink()


def locked_for(python: str) -> str:
    """Return the part of the lock that some Linux with any patch of a Python needs, without conditions."""
    told = []
    for block in re.split(r"^(?=[a-z0-9])", (ROOT / LOCK).read_text(encoding="utf-8"), flags=re.MULTILINE):
        first, _, rest = block.partition(" \\\n")
        requirement, _, condition = first.partition(" ; ")
        if not requirement.strip().startswith("#") and _is_wanted(condition, python):
            told.append(f"{requirement} \\\n{rest}")
    return "".join(told)


def _is_wanted(condition: str, python: str) -> bool:
    where = {"python_version": python, "sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
    patches = (f"{python}.0", f"{python}.99")
    return not condition or any(
        Marker(condition).evaluate({**where, "python_full_version": full}) for full in patches
    )  # fmt: skip


def list_parts(target: Path) -> None:
    """Write the list of parts from the lock."""
    run("cyclonedx-py", "requirements", str(ROOT / LOCK), "--output-reproducible", "--of", "JSON", "-o", str(target))


def tracked(names: tuple[str, ...]) -> list[str]:
    """Return the files under names that belong to the project."""
    return run("git", "-C", str(ROOT), "ls-files", *names).split()


def commit_time() -> int:
    """Return when the commit was made, in seconds since 1970."""
    return int(run("git", "-C", str(ROOT), "log", "-1", "--format=%ct"))


def files_of(folder: Path) -> list[Path]:
    """Return all files below a folder, in order of their names."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pack(content: Path, archive: Path, name: str) -> None:
    """Pack files in the order of their names, all of one date and nobody in particular."""
    when = commit_time()
    with (
        archive.open("wb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=when) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in files_of(content):
            data = path.read_bytes()
            entry = tarfile.TarInfo(f"{name}/{path.relative_to(content)}")
            entry.size, entry.mtime = len(data), when
            entry.mode = 0o755 if os.access(path, os.X_OK) else 0o644
            tar.addfile(entry, io.BytesIO(data))


def run(program: str, *arguments: str, env: dict[str, str] | None = None) -> str:
    """Run a program of this environment or of the system and return what it says; raise if it fails."""
    own = Path(sys.executable).parent / program
    command = [sys.executable, "-m", "pip"] if program == "pip" else [str(own) if own.exists() else program]
    done = subprocess.run(  # noqa: S603 - our own arguments
        [*command, *arguments], check=True, stdout=subprocess.PIPE, text=True, env=env
    )
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
