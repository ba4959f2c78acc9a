"""How long training takes and how much memory: `python -m benchmarks.training [--patients 200000] [--seed 1]`.

Documents of a synthetic cohort are read into a private database of its own as `iit import` reads them, except that
their single events, which training never reads, are left out. Then `iit train` runs on it as a user runs it, with its
model card, and is asked for the most memory it ever held.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from benchmarks.model_quality.records import PROCESSES, ZONE
from benchmarks.report import write_section
from iit.bootstrap import service
from iit.config import Settings
from iit.domain.audit import AuditEvent, EventType
from iit.features.columns import pack, unpack
from iit.ingest.nmrs import read_nmrs
from iit.services.intake import content_hash
from iit.store.records import RecordWrite, save
from iit.synth import DEFAULT_UNTIL
from iit.synth.blocks import BLOCK, Plan, make_block
from iit.synth.facilities import make_facilities

_GOAL: Final = "10 minutes and 6 GB for 200,000 patients of 60 events"


class _Run(NamedTuple):
    seconds: float
    cpu_seconds: float
    peak_gb: float
    told: dict[str, object]


def main() -> None:
    """Make the cohort, train, print and write the section."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--patients", type=int, default=200_000)
    asked.add_argument("--seed", type=int, default=1)
    wanted = asked.parse_args()
    with _folder() as folder:
        plan = Plan(patients=wanted.patients, seed=wanted.seed, until=DEFAULT_UNTIL)
        with service(Settings(data_dir=folder)) as made:
            events = 0
            for done, writes in enumerate(_blocks(plan), start=1):
                event = AuditEvent(event_type=EventType.RECORDS_IMPORTED, actor="benchmark", action="update",
                                   target="patients", detail={"n": len(writes)})  # fmt: skip
                with made.database.transaction() as tx:
                    save(tx, writes, audit=event)
                events += int(unpack([write.facts for write in writes]).offsets[-1])
                if done % 20 == 0:
                    print(f"{done * BLOCK} patients read", flush=True)
            run = _train(folder)
    text = _section(wanted.patients, events / wanted.patients, run)
    print(text)
    write_section("training", text)


def _blocks(plan: Plan) -> Iterator[list[RecordWrite]]:
    """Yield the records of each block, read in processes of their own, few at a time."""
    firsts = iter(range(0, plan.patients, BLOCK))
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(_read, plan, first) for first in islice(firsts, 2 * PROCESSES)]
        while running:
            yield running.pop(0).result()
            running += [pool.submit(_read, plan, first) for first in islice(firsts, 1)]


def _read(plan: Plan, first: int) -> list[RecordWrite]:
    block = make_block(plan, make_facilities(plan.seed, plan.until), first)
    writes = []
    for _, data in block.documents():
        record = read_nmrs(data, zone=ZONE).record
        facts = pack(record)
        writes.append(RecordWrite("nmrs", record.patient, (), facts, content_hash(record, facts)))
    return writes


def _train(folder: Path) -> _Run:
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "iit", "train", "--model-version", "bench", "--json"],
        env={**os.environ, "IIT_DATA_DIR": str(folder)},
        stdout=subprocess.PIPE,
    ) as training:
        told = training.stdout.read() if training.stdout is not None else b""
        _, status, used = os.wait4(training.pid, 0)
        training.returncode = os.waitstatus_to_exitcode(status)
    if training.returncode != 0:
        raise SystemExit(f"training failed with exit code {training.returncode}")
    seconds = time.monotonic() - began
    return _Run(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20, json.loads(told))


def _section(patients: int, events: float, run: _Run) -> str:
    load = float(np.round(os.getloadavg()[0], 1))
    return "\n".join([
        "## Training",
        "",
        f"{(__doc__ or '').partition(chr(10))[2].strip()}",
        "",
        "| patients | events each | wall time, s | processor time, s | most memory, GB | load of the machine after |",
        "|---|---|---|---|---|---|",
        f"| {patients:,} | {events:.0f} | {run.seconds:.0f} | {run.cpu_seconds:.0f} | {run.peak_gb:.1f} | {load} |",
        "",
        f"Goal on two cores: {_GOAL}. {platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}.",
    ])  # fmt: skip


@contextmanager
def _folder() -> Iterator[Path]:
    """Yield a folder that PostgreSQL's own account can enter, too."""
    with tempfile.TemporaryDirectory(prefix="iit-bench-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


if __name__ == "__main__":
    main()
