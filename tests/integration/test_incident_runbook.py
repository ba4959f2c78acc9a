"""The page for incidents, as it stands: every command and statement of it is run, and the guide's own beside it."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from fastapi.testclient import TestClient
from tests.commands import Command, settings_at
from tests.conftest import libpq
from tests.integration.conftest import PASSWORD, SECRET

from iit.bootstrap import Service
from iit.domain.access import Role
from iit.services.keys import KeyWish
from iit.store.embedded.cluster import ClusterUrls
from iit.testing import TESTER

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/runbooks/incident.md").read_text()
GUIDE = ROOT.parent / "shared/guide/troubleshooting-and-maintenance.md"
TYPED = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines() if line]
ASKED = [one for block in re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL) for one in block.split(";") if one.strip()]
ADDRESS = "198.51.100.66"


@pytest.fixture(scope="module")
def words(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Return what stands for the words in capitals: a key and a user that were misused."""
    key = service.access.keys.create(KeyWish(label="misused", role=Role.VIEWER), who=TESTER)
    service.access.users.save("misused", PASSWORD, Role.VIEWER, who=TESTER)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    return {
        "ADDRESS": ADDRESS, "KEY_ID": key.split("_")[1], "KEY": key, "USER": "misused", "TOKEN": "no.real.token",
        "FOLDER": str(tmp_path_factory.mktemp("proof")), "DAY": f"{yesterday:%Y-%m-%d}",
        "MOMENT": f"{yesterday:%Y-%m-%d %H:%M+00}", "incident_start_time": f"{yesterday:%Y-%m-%d %H:%M+00}",
    }  # fmt: skip


def filled(text: str, words: Mapping[str, str]) -> str:
    return re.sub(rf"\b({'|'.join(words)})\b", lambda found: words[found[0]], text)


@pytest.fixture
def iit(
    database_urls: ClusterUrls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    return Command(monkeypatch, capsys, settings_at(database_urls, tmp_path))


@pytest.fixture
def connection(database_urls: ClusterUrls) -> "Iterator[psycopg.Connection[tuple[object, ...]]]":
    with psycopg.connect(libpq(database_urls.app_url)) as connection:
        yield connection


def test_what_a_caller_is_told_is_what_the_page_says(client: TestClient, words: Mapping[str, str]) -> None:
    typed = [shlex.split(filled(line, words)) for line in TYPED if line.startswith("curl ")]
    told = []
    for line in typed:
        name, _, value = line[line.index("-H") + 1].partition(": ")
        told.append(client.get(line[-1].removeprefix("http://localhost:8000"), headers={name: value}))
    assert [one.status_code for one in told] == [401, 200]
    assert "Invalid token" in told[0].text
    told.append(client.get("/api/v1/models", headers={"X-API-Key": words["KEY"][:-1]}))
    assert "Invalid API key format" in told[2].text
    for said in (
        "Token expired",
        "Invalid token",
        "Invalid API key format",
        "the API key is unknown, revoked or expired",
    ):
        assert f"`{said}`" in PAGE


def test_each_command_in_its_order(
    iit: Command, client: TestClient, service: Service, words: Mapping[str, str], tmp_path: Path
) -> None:
    (tmp_path / "secret_key").write_text(SECRET + SECRET)
    client.get("/api/v1/patients", headers={"X-API-Key": words["KEY"]})
    assert client.post("/login", data={"user_name": "misused", "password": "wrong"}).status_code == 401
    told = {}
    for line in (one for one in TYPED if one.startswith("iit ")):
        done = iit(*shlex.split(filled(line, words))[1:])
        # The trail of the fixture is sealed with another secret than the commands' own: it is told, with the row.
        assert done.returncode == 0 or line == "iit audit verify", (line, done.stderr)
        told[line] = done.stdout
    assert ADDRESS in told["iit access blocked"]
    assert "the service is locked: incident" in told["iit access blocked"]
    assert "login_failure" in told["iit audit search --type login_failure --type unauthorized_access --from DAY"]
    assert f"key:{words['KEY_ID']}" in told["iit audit search --actor key:KEY_ID --from DAY"]
    folder = Path(words["FOLDER"])
    assert (folder / "trail.ndjson").stat().st_size > 0
    assert (folder / "affected.csv").read_text().startswith("patient_uuid")
    service.access.cache.forget()
    service.access.perimeter.refresh()
    assert client.get("/api/v1/models", headers={"X-API-Key": words["KEY"]}).status_code == 401


@pytest.mark.parametrize("statement", ASKED, ids=[f"statement {n}" for n in range(len(ASKED))])
def test_each_statement_answers(
    statement: str, connection: "psycopg.Connection[tuple[object, ...]]", words: Mapping[str, str]
) -> None:
    rows = connection.execute(filled(statement, words)).fetchall()  # type: ignore[call-overload]
    assert rows


@pytest.mark.skipif(not GUIDE.exists(), reason="the operators' guide is not beside this tree")
def test_the_guides_own_statement_answers(
    connection: "psycopg.Connection[tuple[object, ...]]", words: Mapping[str, str]
) -> None:
    chapter = GUIDE.read_text().partition("### Security Incidents")[2]
    found = re.search(r"```sql\n(.*?)```", chapter, re.DOTALL)
    assert found is not None
    statement = filled(found[1], words)
    assert "login_failure" in statement
    rows = connection.execute(statement).fetchall()  # type: ignore[call-overload]
    assert any("login_failure" in row for row in rows)


@pytest.mark.skipif(shutil.which("iptables") is None or shutil.which("unshare") is None, reason="iptables is missing")
def test_the_rule_of_the_firewall_comes_first(words: Mapping[str, str]) -> None:
    (rule,) = [filled(line, words) for line in TYPED if line.startswith("iptables ")]
    script = f"iptables -A INPUT -j ACCEPT && {rule} && iptables -S INPUT"
    done = subprocess.run(["unshare", "-rn", "sh", "-c", script], capture_output=True, text=True)
    if done.returncode and "Operation not permitted" in done.stderr:
        pytest.skip("namespaces or iptables are not allowed here")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == f"-A INPUT -s {ADDRESS}/32 -j DROP"
