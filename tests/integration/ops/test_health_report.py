"""Health reports: mailed through a real SMTP server, kept while it is away, and only for those who may have them."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from fastapi.testclient import TestClient
from pydantic import SecretStr
from tests.certificates import make_certificates

from iit.api.app import create_app
from iit.bootstrap import Service, assemble, audit_keys
from iit.bootstrap.health import make_local_token
from iit.config import Settings
from iit.domain.errors import InvalidInput, NotAllowed, RateLimited, Unavailable
from iit.ops.mail import Mailer
from iit.ops.mail_server import Server
from iit.store.database import open_database
from iit.store.embedded.cluster import ClusterUrls

ADDRESS = "admin@ihvnigeria.org"
SECRET = "0123456789abcdefghijklmnopqrstuv-test"


class Inbox:
    """What a mail server does with messages: keeps them, or answers as told."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.had_tls: list[bool] = []
        self.logins: list[bytes] = []
        self.answer = "250 taken"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name
        if self.answer.startswith("250"):
            content = envelope.content
            assert isinstance(content, bytes)
            self.messages.append(message_from_bytes(content, policy=policy.default))  # type: ignore[arg-type]
            self.had_tls.append(session.ssl is not None)
        return self.answer

    def authenticate(self, _server: object, _session: object, _envelope: object, _how: str, data: object) -> AuthResult:
        self.logins.append(data.password)  # type: ignore[attr-defined]
        return AuthResult(success=data.password == b"right", handled=False)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("tls"))


@contextmanager
def mail_server(inbox: Inbox, tls: ssl.SSLContext | None = None, *, smtps: bool = False) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(
        inbox,
        hostname="127.0.0.1",
        port=port,
        ssl_context=tls if smtps else None,
        tls_context=None if smtps else tls,
        authenticator=inbox.authenticate,
    )
    controller.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        controller.stop()


def a_mailer(url: str, folder: Path, certificates: Path | None = None) -> Mailer:
    trusted = None if certificates is None else certificates / "ca.pem"
    return Mailer(server=Server.of(url), outbox=folder / "mail", trusted=trusted, timeout_seconds=3)


def a_message(subject: str = "s") -> EmailMessage:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, "a@example.org", ADDRESS
    message["Message-ID"] = f"<{subject}@example.org>"
    message.set_content("text")
    return message


@pytest.fixture
def tls(certificates: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    return context


def test_what_is_sent_is_taken_and_not_kept(tmp_path: Path) -> None:
    inbox = Inbox()
    with mail_server(inbox) as address:
        mailer = a_mailer(f"smtp://{address}", tmp_path)
        mailer.send(a_message())
    assert [one["Subject"] for one in inbox.messages] == ["s"]
    assert mailer.waiting() == []


@pytest.mark.parametrize("smtps", [False, True], ids=["starttls", "smtps"])
def test_mail_is_encrypted_where_the_server_can(
    tmp_path: Path, tls: ssl.SSLContext, certificates: Path, smtps: bool
) -> None:
    inbox = Inbox()
    with mail_server(inbox, tls, smtps=smtps) as address:
        port = address.rpartition(":")[2]
        a_mailer(f"{'smtps' if smtps else 'smtp'}://localhost:{port}", tmp_path, certificates).send(a_message())
    assert len(inbox.messages) == 1
    assert smtps or inbox.had_tls == [True]  # of TLS from the start the session tells nothing


def test_a_password_is_told_over_tls_only(tmp_path: Path, tls: ssl.SSLContext, certificates: Path) -> None:
    inbox = Inbox()
    with mail_server(inbox) as address, pytest.raises(Unavailable, match="offers no TLS"):
        a_mailer(f"smtp://us:right@{address}", tmp_path).send(a_message())
    assert inbox.logins == []
    with mail_server(inbox, tls) as address:
        port = address.rpartition(":")[2]
        a_mailer(f"smtp://us:right@localhost:{port}", tmp_path, certificates).send(a_message())
        with pytest.raises(Unavailable, match="answers 535"):
            a_mailer(f"smtp://us:wrong@localhost:{port}", tmp_path, certificates).send(a_message("t"))
    assert set(inbox.logins) == {b"right", b"wrong"}


def test_a_server_whose_certificate_nobody_vouches_for_gets_nothing(tmp_path: Path, tls: ssl.SSLContext) -> None:
    inbox = Inbox()
    with mail_server(inbox, tls) as address, pytest.raises(Unavailable, match="certificate"):
        a_mailer(f"smtp://localhost:{address.rpartition(':')[2]}", tmp_path).send(a_message())
    assert inbox.messages == []


def test_what_cannot_be_sent_is_kept_and_sent_in_order_later(tmp_path: Path) -> None:
    away = a_mailer("smtp://127.0.0.1:9", tmp_path)
    for subject in ("first", "second"):
        with pytest.raises(Unavailable, match="kept"):
            away.send(a_message(subject))
    with pytest.raises(Unavailable):
        away.flush()
    inbox = Inbox()
    with mail_server(inbox) as address:
        back = a_mailer(f"smtp://{address}", tmp_path)
        assert back.flush() == 2
        assert back.flush() == 0
    assert [one["Subject"] for one in inbox.messages] == ["first", "second"]


@pytest.mark.parametrize(
    ("answer", "kind", "n_kept"),
    [
        pytest.param("451 later", Unavailable, 1, id="refused for now"),
        pytest.param("552 too large", InvalidInput, 0, id="refused for good"),
    ],
)
def test_a_refusal_for_good_is_not_tried_again(tmp_path: Path, answer: str, kind: type[Exception], n_kept: int) -> None:
    inbox = Inbox()
    inbox.answer = answer
    with mail_server(inbox) as address:
        mailer = a_mailer(f"smtp://{address}", tmp_path)
        with pytest.raises(kind):
            mailer.send(a_message())
    assert len(mailer.waiting()) == n_kept


def test_no_password_shows() -> None:
    assert "CANARY" not in repr(a_mailer("smtp://us:CANARY@host", Path("/nowhere")))


@contextmanager
def serving(tmp_path: Path, url: str, mail: str | None) -> Iterator[tuple[Service, TestClient]]:
    tmp_path.chmod(0o755)
    settings = Settings(
        data_dir=tmp_path,
        secret_key=SecretStr(SECRET),
        smtp_url=None if mail is None else SecretStr(mail),
        report_recipients=f"somebody@example.org, {ADDRESS}",
    )
    make_local_token(settings)
    database = open_database(url, time_zone="UTC", audit_keys=audit_keys(settings), pool=settings.pool)
    service = assemble(settings, database)
    with TestClient(create_app(service), base_url="http://localhost:8000", client=("127.0.0.1", 1)) as client:
        try:
            yield service, client
        finally:
            database.close()


def ask(client: TestClient, address: str = ADDRESS, **headers: str) -> tuple[int, dict[str, str]]:
    answer = client.post("/health/report", json={"email": address}, headers=headers)
    return answer.status_code, answer.json()


def test_the_guides_own_command_sends_a_report(tmp_path: Path, database_urls: ClusterUrls) -> None:
    inbox = Inbox()
    with mail_server(inbox) as address, serving(tmp_path, database_urls.app_url, f"smtp://{address}") as (made, client):
        status, told = ask(client)
        assert (status, told["status"], told["state"]) == (200, "sent", "failing")
        token = {"X-API-Key": (made.settings.data_dir / "local_token").read_text()}
        page = client.get(told["download"], headers=token)
        assert client.get(told["download"]).status_code == 401
        assert client.get("/health/report/20200101T000000-00000000", headers=token).status_code == 404
        assert client.get("/health/report/..%2Flocal_token?form=txt", headers=token).status_code == 404
        assert ask(client)[0] == 429
    (message,) = inbox.messages
    assert message["To"] == ADDRESS
    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None and "no model is in service" in text.get_content()
    assert html is not None and "<svg" in html.get_content()
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "Out of service" in page.text


def test_a_report_is_queued_honestly_while_the_mail_server_is_away(tmp_path: Path, database_urls: ClusterUrls) -> None:
    with serving(tmp_path, database_urls.app_url, "smtp://127.0.0.1:9") as (service, client):
        status, told = ask(client)
        assert (status, told["status"]) == (202, "queued")
        assert told["reason"] == "the mail server cannot be reached; kept, it is sent when it can be"
        with pytest.raises(Unavailable):
            service.reporting.flush()


def test_nobody_else_is_sent_anything(tmp_path: Path, database_urls: ClusterUrls) -> None:
    with serving(tmp_path, database_urls.app_url, None) as (_, client):
        assert ask(client, "stranger@example.org")[0] == 403
        status, told = ask(client)
        assert (status, told["detail"]) == (503, "no mail server is set: IIT_SMTP_URL")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"X-Forwarded-For": "203.0.113.9"}, id="through a proxy"),
        pytest.param({"Host": "example.org"}, id="a name that was led here"),
        pytest.param({"Content-Type": "text/plain"}, id="a form of a page in a browser"),
    ],
)
def test_only_a_program_on_this_machine_needs_no_key(
    tmp_path: Path, database_urls: ClusterUrls, headers: dict[str, str]
) -> None:
    with serving(tmp_path, database_urls.app_url, "smtp://127.0.0.1:9") as (_, client):
        assert ask(client, **headers)[0] == 401


def test_a_report_is_made_while_the_database_is_away(tmp_path: Path) -> None:
    with serving(tmp_path, "postgresql+psycopg://nobody@127.0.0.1:1/none", "smtp://127.0.0.1:9") as (_, client):
        status, told = ask(client)
        assert (status, told["state"]) == (202, "failing")
    (page,) = (tmp_path / "reports").glob("*.html")
    assert "Nothing could be counted" in page.read_text()


def test_the_newest_hundred_reports_are_kept(tmp_path: Path, database_urls: ClusterUrls) -> None:
    with serving(tmp_path, database_urls.app_url, None) as (service, _):
        folder = service.reporting.folder
        folder.mkdir()
        for n in range(105):
            (folder / f"health-20200101T000000-{n:08x}.html").touch()
        report = service.reporting.make()
        assert len(list(folder.glob("*.html"))) == 100
        assert (folder / f"health-{report.report_id}.txt").exists()


def test_a_second_report_within_a_minute_is_refused(tmp_path: Path, database_urls: ClusterUrls) -> None:
    with serving(tmp_path, database_urls.app_url, None) as (service, _):
        service.reporting.demand_pause()
        service.reporting.make()
        with pytest.raises(RateLimited):
            service.reporting.demand_pause()
        with pytest.raises(NotAllowed):
            service.reporting.check_recipient("stranger@example.org")
