"""Pages for operators that follow from the checks' own texts."""

from iit.ops.doctor.findings import REMEDIES
from iit.ops.health.checks import CHECKS
from iit.ops.health.run import DEEP_LIMIT_SECONDS, LIMIT_SECONDS

_HEALTH = f"""# Health

Generated from `iit.ops.health.checks`. All routes, the report and this page come from one list of checks. Checks run
at once, each at most once at a time, and are given up on after {LIMIT_SECONDS:.0f} seconds (deep ones after \
{DEEP_LIMIT_SECONDS:.0f}): an answer about health never hangs.

| route | tells | who may ask |
|---|---|---|
| `GET /health/live` | that the process answers; asks nothing else: for liveness probes | everybody |
| `GET /health/ready` | whether requests can be answered (critical checks): for load balancers | everybody |
| `GET /health` | the same in one word, and the version | everybody |
| `GET /health/detailed` | each check that is cheap, with time, reason and next step | `health:read` or local token |
| `GET`, `POST /health/check` | all checks, the deep ones too | as before; others get one word |

`status` is `ok`, `degraded` (it answers, and somebody should look), or `unavailable` with HTTP status 503 and
`Retry-After`. Only a critical check makes the service `unavailable`.

Whoever shows no right gets from `/health/check` one word that is at most 10 seconds old. The local token lies in the
data folder (`local_token`, mode 0600), is made when the service starts, and works while the database and with it every
key is away. It counts only for a program on the same machine, and only for health:

```sh
curl -s -H "X-API-Key: $(cat ~/.local/share/iit-ml-service/local_token)" http://localhost:8000/health/detailed
curl -fsS -X POST http://localhost:8000/health/check   # one word; the exit code tells whether it can answer
```

## Reports

`POST /health/report` with `{{"email": "…"}}` looks at everything, keeps a report as text and page (the newest hundred,
in `reports` of the data folder), and mails it. Only the addresses of `IIT_REPORT_RECIPIENTS` are sent anything, at
most once a minute; therefore a program on this machine needs no key, and a line of a crontab works as it stands:

```sh
curl -fsS -X POST http://localhost:8000/health/report \\
  -H "Content-Type: application/json" -d '{{"email": "admin@example.org"}}'
```

The answer says `sent` once the mail server of `IIT_SMTP_URL` has taken it. While that server is away it says `queued`
(202) and why; the service sends it again every five minutes, and `iit report flush` at once. `iit report health`
makes one without a running service. `GET /health/report/<id>` (`?form=txt`) gives a kept one to `health:read`.

## What each check means, and the next step

"""


def health_page() -> str:
    """Return the page on health."""
    lines = ["| check | well means | critical | deep | next step when it fails |", "|---|---|---|---|---|"]
    for one in CHECKS:
        marks = ["yes" if one.is_critical else "", "yes" if one.is_deep else ""]
        lines.append(f"| `{one.name}` | {one.looks_at} | {' | '.join(marks)} | {one.next_step} |")
    return _HEALTH + "\n".join(lines) + "\n"


_DOCTOR = """# The doctor

Generated from `iit.ops.doctor.findings`. `iit doctor` asks everything of the operators' first chapter at once and
names the cause and the next step, in under ten seconds, whether or not service and database run. It starts nothing and
changes nothing. `--host`, `--port` and `--workers` say how the service is to be run; `--json` is for machines.

Exit code 0: nothing, or notes. 10: warnings. 14: a fault keeps the service, or a part of it, from working.

| code | level | what it means | next step |
|---|---|---|---|
"""


def doctor_page() -> str:
    """Return the page on what the doctor finds."""
    rows = (
        f"| `{code}` | {one.level.name.lower()} | {one.means} | {one.next_step} |" for code, one in REMEDIES.items()
    )
    return _DOCTOR + "\n".join(rows) + "\n"
