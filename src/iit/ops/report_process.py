"""Drawing the report in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Final

from iit.domain.errors import Unavailable

_LONGEST_SECONDS: Final = 120


def draw_pdf(told: Mapping[str, Any]) -> bytes:
    """Return what `iit.ops.report_pdf.as_pdf` makes of the same argument.

    Raises:
        Unavailable: it could not be drawn; most likely the libraries of training are not installed.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "iit.ops.report_pdf"],
            input=json.dumps(told).encode(),
            capture_output=True,
            timeout=_LONGEST_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as cause:
        raise Unavailable("the PDF could not be drawn: install the extra `train`", place="report") from cause
    return done.stdout
