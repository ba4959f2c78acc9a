"""Sending mail: by SMTP over TLS where it can be, and kept on disk and sent again while the mail server is away."""

import fcntl
import os
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Final

from iit.domain.errors import InvalidInput, Unavailable
from iit.ops.mail_server import Server

TIMEOUT_SECONDS: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class Mailer:
    """Sends messages, each at least once.

    A message goes to the disk before it is sent and leaves it when the server has taken it. One that was taken just
    before a crash may come twice, with the same Message-ID.

    Attributes:
        server: which takes the messages.
        outbox: folder for messages that are not taken yet.
        trusted: who vouches for the server's certificate; None is whom the system trusts.
    """

    server: Server
    outbox: Path
    trusted: Path | None = None
    timeout_seconds: float = field(default=TIMEOUT_SECONDS)

    def send(self, message: EmailMessage) -> None:
        """Send a message.

        Raises:
            InvalidInput: the server refuses it for good; it is not kept.
            Unavailable: the server is away or refuses for now; the message is kept and `flush` sends it.
        """
        path = self._keep(message)
        with self._sending() as is_ours:
            if not is_ours:
                raise Unavailable("other mail is being sent; kept, it is sent next", place="mail")
            try:
                self._hand_over(path)
            except Unavailable as error:
                raise Unavailable(f"{error.reason}; kept, it is sent when it can be", place="mail") from error

    def flush(self) -> int:
        """Send what is kept, oldest first, and return how many messages went. One that is refused is set aside.

        Raises:
            Unavailable: the server is still away; the rest stays.
        """
        n_sent = 0
        with self._sending() as is_ours:
            for path in self.waiting() if is_ours else ():
                with suppress(InvalidInput):
                    self._hand_over(path)
                    n_sent += 1
        return n_sent

    def waiting(self) -> list[Path]:
        """Return the messages that are kept, oldest first."""
        return sorted(self.outbox.glob("*.eml"), key=lambda one: (one.stat().st_mtime_ns, one.name))

    def _hand_over(self, path: Path) -> None:
        message = message_from_bytes(path.read_bytes(), policy=policy.SMTP)
        try:
            with self._connected() as client:
                client.send_message(message)
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPResponseException) as refusal:
            code = _code_of(refusal)
            if 500 <= code < 600 and not isinstance(refusal, smtplib.SMTPAuthenticationError):
                path.rename(path.with_suffix(".refused"))
                raise InvalidInput(f"the mail server refuses the message with {code}", place="mail") from refusal
            raise Unavailable(f"the mail server answers {code}", place="mail") from refusal
        except ssl.SSLError as cause:
            raise Unavailable("the mail server's certificate or TLS is not sound", place="mail") from cause
        except (OSError, smtplib.SMTPException) as cause:
            raise Unavailable("the mail server cannot be reached", place="mail") from cause
        path.unlink()

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        """Yield a session, encrypted where the server can, and always before a password is told."""
        context = ssl.create_default_context(cafile=self.trusted)
        host, port, seconds = self.server.host, self.server.port, self.timeout_seconds
        client = (
            smtplib.SMTP_SSL(host, port, timeout=seconds, context=context)
            if self.server.has_tls
            else smtplib.SMTP(host, port, timeout=seconds)
        )
        with client:
            client.ehlo_or_helo_if_needed()
            if not self.server.has_tls and client.has_extn("starttls"):
                client.starttls(context=context)
            elif not self.server.has_tls and self.server.password is not None:
                raise Unavailable("the mail server offers no TLS: no password is sent", place="mail")
            if self.server.user is not None:
                client.login(self.server.user, self.server.password or "")
            yield client

    def _keep(self, message: EmailMessage) -> Path:
        self.outbox.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = "".join(letter for letter in message["Message-ID"] if letter.isalnum())
        path = self.outbox / f"{name}.eml"
        draft = path.with_name(f".{name}.{os.getpid()}")
        with draft.open("wb") as file:
            file.write(message.as_bytes(policy=policy.SMTP))
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        return path

    @contextmanager
    def _sending(self) -> Iterator[bool]:
        """Yield whether it is ours to send: of all workers, one at a time."""
        self.outbox.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self.outbox / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(lock)


def _code_of(refusal: smtplib.SMTPException) -> int:
    if isinstance(refusal, smtplib.SMTPRecipientsRefused):
        return min(code for code, _ in refusal.recipients.values())
    return int(getattr(refusal, "smtp_code", 0))
