"""Write the generated pages of `docs/reference`, or with --check tell which of them are out of date."""

import sys
from pathlib import Path

from fastapi import FastAPI
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from iit.api.app import add_routes
from iit.api.rules import rules
from iit.config import Settings
from iit.domain.access import RIGHTS, Role
from iit.domain.audit import COLUMNS, EventType, Purpose
from iit.features.dictionary import as_markdown
from iit.services.gauges import MEANINGS
from iit.web.pages import add_pages

from operate_pages import doctor_page, health_page  # isort: skip - lies beside this file

FOLDER = Path(__file__).parent.parent / "docs" / "reference"


def settings_page() -> str:
    """Return the table of settings."""
    lines = [
        "# Settings",
        "",
        "Environment variables, all optional. Generated from `iit.config`. Unknown or wrong ones stop the start.",
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = "" if field.is_required() or field.default in (None, ...) or field.default_factory else field.default
        lines.append(f"| `IIT_{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


def access_page() -> str:
    """Return who may do what, and which route does what."""
    lines = [
        "# Access",
        "",
        "Generated from `iit.domain.access` and from the routes. A route without an entry does not start.",
        "",
        "| action | " + " | ".join(Role) + " |",
        "|---|" + "---|" * len(Role),
    ]
    for action, roles in RIGHTS.items():
        lines.append(f"| `{action}` | " + " | ".join("yes" if role in roles else "" for role in Role) + " |")
    lines += ["", "Commands of `iit` act as `cli:<account>` with all rights: who can run them holds the machine.", ""]
    lines += ["| route | action |", "|---|---|"]
    app = FastAPI(openapi_url=None)
    add_routes(app)
    add_pages(app)
    for path, methods, rule in sorted(rules(app), key=lambda one: (one[0], sorted(one[1]))):
        action = None if rule is None else rule.action
        lines.append(f"| `{' '.join([*sorted(methods - {'HEAD'}), path])}` | {f'`{action}`' if action else 'public'} |")
    return "\n".join(lines) + "\n"


def audit_page() -> str:
    """Return the columns, event types and purposes of the audit trail."""
    lines = [
        "# The audit trail",
        "",
        "Table `audit_logs`: rows are only ever added, each in the commit of the act it tells of. Generated from "
        "`iit.domain.audit`.",
        "",
        "| column | meaning |",
        "|---|---|",
        *(f"| `{name}` | {meaning} |" for name, meaning in COLUMNS.items()),
        "",
        "## Event types",
        "",
        "| type | written when |",
        "|---|---|",
        *(f"| `{one.value}` | {one.meaning} |" for one in EventType),
        "",
        "## Purposes",
        "",
        f"The header `X-Purpose` may say why: {', '.join(f'`{one.value}`' for one in Purpose)}. "
        "Anything else counts as `unstated`. Commands are `operations`.",
    ]
    return "\n".join(lines) + "\n"


_UNITS = {"_seconds": "s", "_bytes": "bytes", "_total": "count", "_psi": "PSI"}


def metrics_page() -> str:
    """Return the figures that `/metrics` tells."""
    counted = [
        (
            f"{one.name}_total" if one.type == "counter" else one.name,
            one.type,
            instrument._labelnames,
            one.documentation,
        )
        for instrument in REGISTRY._collector_to_names
        if isinstance(instrument, MetricWrapperBase)
        for one in instrument.describe()
    ]
    read = [(name, "counter" if one.is_counter else "gauge", one.labels, one.text) for name, one in MEANINGS.items()]
    lines = [
        "# Figures for Prometheus",
        "",
        "What `GET /metrics` tells, of all workers together. Generated from `iit.telemetry` and `iit.services.gauges`. "
        "No label holds anything of a patient. Histograms come as `_bucket`, `_sum` and `_count`; besides these there "
        "are `process_*`, summed over workers.",
        "",
        "| name | type | labels | unit | meaning |",
        "|---|---|---|---|---|",
    ]
    for name, kind, labels, text in sorted({*counted, *read}):
        unit = next((unit for suffix, unit in _UNITS.items() if name.endswith(suffix)), "")
        lines.append(f"| `{name}` | {kind} | {', '.join(f'`{one}`' for one in labels)} | {unit} | {text} |")
    return "\n".join(lines) + "\n"


PAGES = {
    "metrics.md": metrics_page,
    "features.md": as_markdown,
    "settings.md": settings_page,
    "access.md": access_page,
    "audit.md": audit_page,
    "../operate/health.md": health_page,
    "../operate/doctor.md": doctor_page,
}


def main(*, check: bool) -> int:
    """Write or compare the pages; return the exit code."""
    stale = [name for name, page in PAGES.items() if not _is_current(FOLDER / name, page())]
    if check:
        for name in stale:
            print(f"docs/reference/{name} is out of date: run `make docs`")  # noqa: T201
        return len(stale)
    for name in stale:
        (FOLDER / name).write_text(PAGES[name](), encoding="utf-8")
    return 0


def _is_current(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv))
