"""Drawing the card's page in a process of its own: neither a command nor the service carries a chart library for it."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Final

from iit.domain.errors import Unavailable

_LONGEST_SECONDS: Final = 300


def draw_page(markdown: str, manifest: Mapping[str, Any]) -> str:
    """Return what `iit.model.card_page.as_page` makes of the same arguments.

    Raises:
        Unavailable: it could not be drawn; most likely the libraries of training are not installed.
    """
    shown = {name: manifest[name] for name in ("version", "evaluation", "learning_curve") if name in manifest}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "iit.model.card_page"],
            input=json.dumps({"markdown": markdown, "manifest": shown}, default=float),
            capture_output=True,
            encoding="utf-8",
            timeout=_LONGEST_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as cause:
        raise Unavailable("its plots could not be drawn: install the extra `train`", place="model card") from cause
    return done.stdout
