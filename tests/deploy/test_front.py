"""What stands in front keeps its word: nginx, pgbouncer, and workers of a new version that take over under load."""

import json
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from iit.store.database import PoolSettings, open_database
from iit.store.embedded.cluster import ClusterUrls
from tests.certificates import make_certificates
from tests.conftest import a_copy, libpq
from tests.deploy.conftest import ROOT, answers, wait_for

pytestmark = pytest.mark.deploy
SERVICE, PLAIN, TLS, POOL = 18200, 18201, 18202, 18203
DIRECT, FRONT = f"http://127.0.0.1:{SERVICE}", f"https://127.0.0.1:{TLS}"


@dataclass
class Site:
    """A service behind pgbouncer and nginx.

    Attributes:
        program: folder with a link `iit` to the version that runs.
        server: its first process.
        key: of its API.
        tls: who is believed.
        pooled: the database's URL through pgbouncer, without its name.
    """

    program: Path
    server: "subprocess.Popen[bytes]"
    key: str
    tls: ssl.SSLContext
    pooled: str

    def ask(self, path: str, body: object = None, *, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        request = urllib.request.Request(  # noqa: S310 - our own address
            FRONT + path, None if body is None else json.dumps(body).encode(),
            {"X-API-Key": self.key, "Content-Type": "application/json", **(headers or {})},
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request, timeout=30, context=self.tls) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


@contextmanager
def a_process(*command: str | Path, **variables: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program while this is open."""
    process = subprocess.Popen([*map(str, command)], env=variables or None, cwd="/", stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def version(folder: Path, name: str) -> Path:
    """Return a copy of the program that says it is of this version."""
    copy = folder / name
    shutil.copytree(ROOT / "src" / "iit", copy, ignore=shutil.ignore_patterns("__pycache__"))
    first = copy / "__init__.py"
    first.write_text(re.sub(r"__version__.*=.*", f'__version__ = "{name}"', first.read_text()))
    return copy


def pgbouncer(folder: Path, urls: ClusterUrls) -> str:
    """Write our settings of pgbouncer for a database, and return its URL through it, without its name."""
    told = urlsplit(libpq(urls.app_url))
    place = f"host={parse_qs(told.query)['host'][0]}"
    text = (ROOT / "deploy/pgbouncer/pgbouncer.ini").read_text()
    text = text.replace("host=127.0.0.1 port=5432", place).replace("dbname=iit_ml_service", f"dbname={told.path[1:]}")
    text = text.replace("/etc/pgbouncer", str(folder)).replace("6432", str(POOL))
    (folder / "pgbouncer.ini").write_text(text + f"unix_socket_dir =\npidfile = {folder}/pgbouncer.pid\n")
    users = [urlsplit(libpq(url)) for url in (urls.app_url, urls.owner_url)]
    (folder / "userlist.txt").write_text("".join(f'"{user.username}" "{user.password}"\n' for user in users))
    return f"postgresql+psycopg://{told.username}:{told.password}@127.0.0.1:{POOL}"


def nginx(folder: Path) -> None:
    """Write our settings of nginx for other ports, shorter waits and a certificate of the tests."""
    make_certificates(folder)
    text = (ROOT / "deploy/nginx/iit-ml-service.conf").read_text()
    text = text.replace("127.0.0.1:8000", f"127.0.0.1:{SERVICE}").replace("header_timeout 10s", "header_timeout 2s")
    text = re.sub(
        r"listen (?!\[)(80|443)", lambda found: f"listen 127.0.0.1:{PLAIN if found[1] == '80' else TLS}", text
    )
    text = re.sub(r"\n +listen \[.*", "", text)
    text = text.replace("/etc/iit-ml-service/tls/fullchain.pem", f"{folder}/server.pem")
    text = text.replace("/etc/iit-ml-service/tls/privkey.pem", f"{folder}/server.key")
    (folder / "nginx.conf").write_text(
        f"pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;\n{text}}}\n"
    )


@pytest.fixture(scope="module")
def site(cluster: ClusterUrls) -> Iterator[Site]:
    missing = [name for name in ("nginx", "pgbouncer") if shutil.which(name) is None]
    assert not missing, f"to test what stands in front, install {', '.join(missing)}"
    folder = Path(tempfile.mkdtemp(prefix="iit-front-"))
    folder.chmod(0o755)
    urls = a_copy(cluster, "front")
    pooled = pgbouncer(folder, urls)
    (folder / "program").mkdir()
    (folder / "program" / "iit").symlink_to(version(folder, "1.0.0"))
    settings = {
        "PATH": "/usr/bin:/bin", "PYTHONPATH": str(folder / "program"), "IIT_DATA_DIR": str(folder / "data"),
        "IIT_DATABASE_URL": f"{pooled}/iit_ml", "IIT_DATABASE_OWNER_URL": urls.owner_url, "IIT_DB_POOL_SIZE": "4",
        "IIT_TRUSTED_PROXIES": "127.0.0.1", "IIT_KERNEL_CACHE_DIR": str(folder / "kernels"),
    }  # fmt: skip
    nginx(folder)
    with ExitStack() as stack:
        stack.enter_context(a_process("pgbouncer", "-u", readable(folder, urls), folder / "pgbouncer.ini"))
        demo = subprocess.run(
            [sys.executable, "-m", "iit", "demo", "--patients", "700", "--no-serve"], env=settings, check=True,
            cwd="/", stdout=subprocess.PIPE, text=True, timeout=280,
        )  # fmt: skip
        key = re.search(r"API key +(\S+)", demo.stdout)[1]  # type: ignore[index]
        serve = (sys.executable, "-m", "iit", "serve", "--port", str(SERVICE), "--workers", "2")
        server = stack.enter_context(a_process(*serve, **settings))
        stack.enter_context(a_process("nginx", "-c", folder / "nginx.conf", "-g", "daemon off;"))
        wait_for(lambda: answers(f"{DIRECT}/health/ready"), seconds=120, what="the service is ready")
        tls = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        yield Site(folder / "program", server, key, tls, libpq(pooled))
    shutil.rmtree(folder)


def readable(folder: Path, urls: ClusterUrls) -> str:
    """Let pgbouncer run as the account that may enter the socket's folder; return the account."""
    account = Path(parse_qs(urlsplit(urls.app_url).query)["host"][0]).owner()
    for path in (folder, folder / "pgbouncer.ini", folder / "userlist.txt"):
        shutil.chown(path, account)
    return account


def test_through_nginx_there_is_only_tls(site: Site) -> None:
    assert site.ask("/health/live")[0] == 200
    with socket.create_connection(("127.0.0.1", PLAIN), timeout=5) as plain:
        plain.sendall(b"GET /health/live HTTP/1.0\r\nHost: here\r\n\r\n")
        told = plain.recv(4096)
    assert told.startswith(b"HTTP/1.1 301")
    assert b"Location: https://here/health/live" in told
    with urllib.request.urlopen(f"{FRONT}/health/live", context=site.tls, timeout=5) as answer:  # noqa: S310
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert answer.headers["Server"] == "nginx"


def test_nginx_refuses_too_much_and_cuts_off_the_slow(site: Site) -> None:
    assert site.ask("/api/v1/predictions", "x" * 10_000_001)[0] == 413
    with socket.create_connection(("127.0.0.1", TLS), timeout=20) as slow, site.tls.wrap_socket(
        slow, server_hostname="localhost"
    ) as wrapped:  # fmt: skip
        wrapped.sendall(b"GET /health/live HTTP/1.1\r\nHost: ")
        began = time.monotonic()
        wrapped.recv(4096)
        assert time.monotonic() - began < 10


def test_both_names_of_the_database_lead_to_it_and_sessions_are_set(site: Site) -> None:
    for name in ("iit_ml", "iit_ml_service"):
        with psycopg.connect(f"{site.pooled}/{name}") as connection:
            assert connection.execute("SELECT count(*) > 0 FROM patients").fetchone() == (True,)
    url = site.pooled.replace("postgresql://", "postgresql+psycopg://") + "/iit_ml"
    through = open_database(url, time_zone="Africa/Lagos", pool=PoolSettings(size=1, statement_timeout_ms=1234))
    with through.transaction() as tx:
        told = [tx.exec_driver_sql(f"SHOW {name}").scalar_one() for name in ("statement_timeout", "TimeZone")]
    through.close()
    assert told == ["1234ms", "Africa/Lagos"]


def test_workers_of_a_new_version_take_over_without_a_failed_request(site: Site) -> None:
    _, listed = site.ask("/api/v1/worklist")
    patient = json.loads(listed)["worklist"][0]["patient_uuid"]
    outcomes: Counter[object] = Counter()
    is_over = threading.Event()

    def load() -> None:
        while not is_over.is_set():
            try:
                outcomes[site.ask("/api/v1/predictions", {"patient_uuid": patient})[0]] += 1
            except OSError as error:
                outcomes[repr(error)] += 1

    clients = [threading.Thread(target=load) for _ in range(4)]
    for client in clients:
        client.start()
    began = time.monotonic()
    try:
        for new in ("1.0.1", "1.0.2", "1.0.3"):
            replace_workers(site, new)
    finally:
        is_over.set()
        for client in clients:
            client.join()
    seconds = time.monotonic() - began
    print(f"{sum(outcomes.values())} requests in the {seconds:.0f} s of three changes: {dict(outcomes)}")
    assert set(outcomes) == {200}


def replace_workers(site: Site, new: str) -> None:
    """Put another version in the place of the one that runs, and wait until only workers of it answer."""
    (site.program / "next").symlink_to(version(site.program.parent, new))
    (site.program / "next").replace(site.program / "iit")
    site.server.send_signal(signal.SIGHUP)
    wait_for(lambda: told_versions(site) == {new}, seconds=180, what=f"only {new} answers")


def told_versions(site: Site) -> set[str]:
    """Return the versions that the workers are of, as 20 answers tell them."""
    return {json.loads(site.ask("/openapi.json")[1])["info"]["version"] for _ in range(20)}
