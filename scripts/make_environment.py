"""Make a virtual environment that holds `uv`, with whatever the machine's Python offers for that.

Usage: make_environment.py FOLDER
"""

import subprocess
import sys
import venv
from pathlib import Path

UV = "uv>=0.9"
ADVICE = "Python lacks both venv with pip and pip itself. On Debian or Ubuntu: apt-get install python3-venv"


def run(*command: str) -> bool:
    """Run a command, quietly; return whether it succeeded."""
    return subprocess.run(command, check=False, capture_output=True).returncode == 0  # noqa: S603 - our own arguments


def main(folder: Path) -> int:
    """Make the environment; return the exit code."""
    python = folder / "bin" / "python"
    if run(sys.executable, "-m", "venv", "--clear", str(folder)) and run(str(python), "-m", "pip", "install", UV):
        return 0
    # Debian's python3 comes without ensurepip: an environment without pip, filled by the system's pip if there is one.
    venv.create(folder, clear=True, with_pip=False)
    target = folder / "uv-tool"
    if run(sys.executable, "-m", "pip", "install", "--target", str(target), UV):
        (folder / "bin" / "uv").symlink_to(target.resolve() / "bin" / "uv")
        return 0
    print(ADVICE, file=sys.stderr)  # noqa: T201 - this is its way to speak
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
