"""`iit import --source hl7`: files of messages, taken as if they had been sent."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from iit.cli.shared import operator, running, say, tell
from iit.domain.errors import InvalidInput
from iit.ingest.hl7.ack import outcome_of
from iit.ingest.hl7.contents import read_contents
from iit.ingest.hl7.header import Rules
from iit.services.inbox import Frame
from iit.services.inbox_work import BATCH

SUFFIXES = frozenset({".hl7", ".er7", ".txt"})


def import_messages(paths: list[Path], *, errors: Path | None, as_json: bool) -> None:
    """Take in files of messages and work on them; those that are not taken are listed with their reasons.

    Raises:
        InvalidInput: there was something to read, and nothing of it was taken.
    """
    answers: Counter[str] = Counter()
    refused: list[dict[str, str]] = []
    with running() as service:
        for group in _groups(paths):
            told = service.inbox.receive([Frame(raw) for _, raw in group], actor=operator().name)
            for (place, raw), answer in zip(group, told, strict=True):
                code, _, reason = outcome_of(answer)
                answers[code] += 1
                if code != "AA":
                    refused.append({"place": place, "reason": reason, "document": raw.decode("utf-8", "replace")})
        summary = service.inbox.work()
    if errors is not None:
        _write(errors, refused)
    numbers = {"read": answers.total(), "taken": answers["AA"], "merged": summary.n_done, "rejected": len(refused)}
    if as_json:
        tell({**numbers, "rejections": [{name: one[name] for name in ("place", "reason")} for one in refused]})
    else:
        say(", ".join(f"{number} {name}" for name, number in numbers.items()))
        for one in refused[:10]:
            say(f"  rejected: {one['place']}: {one['reason']}")
    if answers and not answers["AA"]:
        raise InvalidInput("every message was rejected", place="import")


def _groups(paths: list[Path]) -> Iterator[list[tuple[str, bytes]]]:
    """Yield the messages of the files with their places, as many as one transaction takes."""
    group: list[tuple[str, bytes]] = []
    for path in paths:
        files = sorted(one for one in path.rglob("*") if one.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        for file in files:
            for number, item in enumerate(read_contents(file.read_bytes(), Rules()).items, 1):
                group.append((f"{file}:{number}", item.raw))
                if len(group) == BATCH:
                    yield group
                    group = []
    if group:
        yield group


def _write(path: Path, refused: list[dict[str, str]]) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(one) + "\n" for one in refused)
