#!/usr/bin/env python3
"""Train a new model in the background and follow it: `python scripts/retrain_model.py --model-version v2.0`.

Hands over to `iit models retrain`, which the environment of this script, the project's `.venv` or the path must hold.
"""

import os
import shutil
import sys
from pathlib import Path


def command() -> str:
    """Return the path of the command `iit`."""
    for folder in (Path(sys.executable).parent, Path(__file__).resolve().parent.parent / ".venv" / "bin"):
        if (folder / "iit").is_file():
            return str(folder / "iit")
    found = shutil.which("iit")
    if found is None:
        sys.exit("retrain_model.py: the command iit is missing (make setup)")
    return found


if __name__ == "__main__":
    iit = command()
    os.execv(iit, [iit, "models", "retrain", *sys.argv[1:]])  # noqa: S606 - the arguments are its own
