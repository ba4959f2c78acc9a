#!/usr/bin/env python3
"""Train a model anew in the background and follow it: hands over to `iit models retrain`.

`python scripts/retrain_model.py --model-version v2.0`
"""

import os
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Find the command and become it."""
    beside = HERE.parent / ".venv" / "bin" / "iit"
    command = os.environ.pop("IIT", None) or (str(beside) if beside.exists() else shutil.which("iit"))
    if command is None:
        sys.exit("iit is neither in .venv/bin nor on PATH: run make setup, or set IIT")
    os.execv(command, [command, "models", "retrain", *sys.argv[1:]])  # noqa: S606 - the very purpose


if __name__ == "__main__":
    main()
