"""What the doctor looks at, and how its questions are put: all at once, within a time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Thread
from time import perf_counter
from typing import Final

from iit.ops.doctor.findings import Finding
from iit.ops.maintenance import DiskLimits

LIMIT_SECONDS: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class Look:
    """An installation as its settings describe it.

    Attributes:
        data_dir: everything the service keeps.
        models: folder of the registry.
        log_file: None where logs go to standard error only.
        backup_folder: None where backups go to S3.
        disks: folders whose disks are watched.
        secret_files: files that nobody else may read, where they exist.
        host: address to listen on.
        port: port to listen on.
        time_zone: name of the facilities' zone.
        certificates: files whose end is watched.
        redis_url: None where there is no Redis.
        database_url: the application's; None where a private server does not run.
        is_private: whether the server is a private one.
        wanted_connections: which all workers together may ask for.
        message_keys: ids of the keys that stored messages are sealed with.
        check_audit: holds the trail to its anchor; None where there is no secret to do it with.
        now: the present time, aware.
    """

    data_dir: Path
    models: Path
    log_file: Path | None
    backup_folder: Path | None
    disks: DiskLimits
    secret_files: Sequence[Path]
    host: str
    port: int
    time_zone: str
    certificates: Sequence[Path]
    redis_url: str | None = field(repr=False)
    database_url: str | None = field(repr=False)
    is_private: bool
    wanted_connections: int
    message_keys: Sequence[str]
    check_audit: Callable[[], object] | None = field(repr=False)
    now: Callable[[], datetime] = field(repr=False)

    @property
    def is_open(self) -> bool:
        """Whether it listens beyond this machine."""
        return self.host not in ("127.0.0.1", "::1", "localhost")


Question = Callable[[Look], Iterator[Finding]]


def ask_all(look: Look, questions: Mapping[str, Question]) -> list[Finding]:
    """Put all questions at once and return what they found, the worst first.

    A question that is not answered within the time is itself told.
    """
    deadline = perf_counter() + LIMIT_SECONDS
    answers: dict[str, Future[list[Finding]]] = {name: Future() for name in questions}
    for name, question in questions.items():
        Thread(target=_answer, args=(look, question, answers[name]), name=f"doctor-{name}", daemon=True).start()
    found: list[Finding] = []
    for name, answer in answers.items():
        try:
            found += answer.result(timeout=max(deadline - perf_counter(), 0))
        except TooLate:
            found.append(Finding("not_examined", name))
    return sorted(found, key=lambda one: -one.remedy.level)


def _answer(look: Look, question: Question, answer: "Future[list[Finding]]") -> None:
    try:
        answer.set_result(list(question(look)))
    except Exception as bug:  # noqa: BLE001 - handed to the rim of commands, which waits for it
        answer.set_exception(bug)
