"""How fast HL7 messages are read and mapped, beside two libraries, and how fast they are stored and acknowledged.

Run as `python -m benchmarks.hl7`. The libraries (`hl7`, `hl7apy`) only split and extract: they map nothing.
"""

import multiprocessing
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import hl7
from hl7apy.parser import parse_message
from tests.hl7_messages import a_message, a_person
from tests.integration.inbox_processes import Processes, make_inbox

from benchmarks.report import write_section
from iit.features.registry import FEATURE_NAMES
from iit.ingest.hl7.header import Rules
from iit.ingest.hl7.map import mapper
from iit.ingest.hl7.mllp import Sender
from iit.store.embedded.cluster import Cluster
from iit.store.migrate import upgrade

AT = datetime(2024, 6, 1, tzinfo=UTC)
SECONDS = 1.0
LOAD_SECONDS = 5.0
CONNECTIONS = 64


def result_message(number: int) -> bytes:
    """Return an ORU with twenty observations, one of them a viral load."""
    other = [f"OBX|{i}|NM|{i}-4^Analyte {i}^LN||{i}.5|mmol/L|||||F|||20240109" for i in range(2, 21)]
    obx = f"OBX|1|NM|20447-9^HIV RNA^LN||{number % 9000}|copies/mL|||||F|||20240109"
    order = f"OBR|1|P{number}|F{number}|20447-9^HIV RNA^LN|||20240109|||||||||||||||20240112"
    lines = (a_person(f"N{number % 1000}"), order, obx, *other)
    return bytes(a_message(*lines, kind="ORU^R01", control_id=str(number)))


def pickup_message(number: int) -> bytes:
    """Return an RDS that hands out antiretrovirals."""
    on = f"{date(2010, 1, 1) + timedelta(days=number % 5000):%Y%m%d}"
    lines = ("ORC|RE|P|F", f"RXD|1|1^TLD^L|{on}|90|TAB||RX{number}", "TQ1|1|||||90^d")
    return bytes(a_message(a_person(f"N{number % 1000}"), *lines, kind="RDS^O13", control_id=str(number)))


def rate(act: Callable[[bytes], object], messages: list[bytes], seconds: float = SECONDS) -> float:
    """Return messages a second of CPU time."""
    began = time.process_time()
    n = 0
    while time.process_time() - began < seconds:
        act(messages[n % len(messages)])
        n += 1
    return n / (time.process_time() - began)


def with_hl7(raw: bytes) -> object:
    """Split with python-hl7 and take what the map takes."""
    parsed = hl7.parse(raw.decode())
    return [parsed["PID.3"]] + [
        (str(obx[3]), str(obx[5])) for obx in parsed.segments("OBX" if b"OBX" in raw else "RXD")
    ]


def with_hl7apy(raw: bytes) -> object:
    """Split with hl7apy and take what the map takes."""
    parsed = parse_message(raw.decode().strip(), find_groups=False)
    return [parsed.pid.pid_3.value] + [
        (obx.obx_3.value, obx.obx_5.value) for obx in parsed.children if obx.name == "OBX"
    ]


def send(port: int, first: int, until: float) -> int:
    """Send messages of its own until a time; return how many were acknowledged."""
    n = 0
    with Sender("127.0.0.1", port) as sender:
        while time.monotonic() < until:
            n += b"MSA|AA" in sender.send(pickup_message(first + n))
    return n


def send_with_many(port: int, first: int, until: float, result: "multiprocessing.Queue[int]") -> None:
    """Send over many connections from one process."""
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        done = pool.map(lambda i: send(port, first + 1_000_000 * i, until), range(CONNECTIONS))
        result.put(sum(done))


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def acknowledged_a_second() -> tuple[float, float, float]:
    """Return messages acknowledged a second while two workers merge them, merged a second in all.

    The third is those acknowledged a second of the listener's own processor time.
    """
    folder = Path(tempfile.mkdtemp(prefix="iit-bench-"))
    folder.chmod(0o755)
    with Cluster(folder).running() as urls:
        upgrade(urls.owner_url, feature_names=FEATURE_NAMES)
        with Processes(urls.app_url) as processes:
            processes.wait_until_listening()
            listener = processes.running["listener"].pid or 0
            used = cpu_seconds(listener)
            began = time.monotonic()
            result: multiprocessing.Queue[int] = multiprocessing.Queue()
            load = multiprocessing.Process(
                target=send_with_many, args=(processes.port, 0, began + LOAD_SECONDS, result)
            )
            load.start()
            n = result.get(timeout=60)
            took = time.monotonic() - began
            used = cpu_seconds(listener) - used
            load.join()
            inbox = make_inbox(urls.app_url)
            while inbox.depth().n_waiting:
                time.sleep(0.1)
            in_all = time.monotonic() - began
            inbox.database.close()
    shutil.rmtree(folder, ignore_errors=True)
    return n / took, n / in_all, n / used


def main() -> None:
    """Measure and write the section."""
    mapping = mapper(Rules(), ZoneInfo("Africa/Lagos"))

    def ours(raw: bytes) -> object:
        return mapping.map_raw(raw, received=AT)

    lines = ["| message | parsed and mapped, ours | python-hl7, split only | hl7apy, split only |", "|---|---|---|---|"]
    for name, make in (("ORU with 20 observations", result_message), ("RDS, one pick-up", pickup_message)):
        messages = [make(number) for number in range(500)]
        own, second, third = rate(ours, messages), rate(with_hl7, messages), rate(with_hl7apy, messages)
        lines.append(
            f"| {name} | {own:,.0f}/s | {second:,.0f}/s (ours {own / second:.1f} times) "
            f"| {third:,.0f}/s (ours {own / third:.0f} times) |"
        )
    acknowledged, merged, by_listener = acknowledged_a_second()
    lines += [
        "",
        f"Over MLLP, {CONNECTIONS} connections, one listener and two workers, durable commits, all on this machine: "
        f"**{acknowledged:,.0f} messages a second acknowledged** while workers merge; {merged:,.0f} a second stored, "
        f"acknowledged and merged in all. The listener itself used a second of one core for {by_listener:,.0f}. "
        f"Load average of the machine meanwhile: {os.getloadavg()[0]:.1f}.",
        "",
        f"Messages a second of CPU time of one core; Python {platform.python_version()}, {platform.machine()}, "
        f"{multiprocessing.cpu_count()} cores, {datetime.now(UTC):%Y-%m-%d}. "
        "Run again with `python -m benchmarks.hl7`.",
    ]
    print("\n".join(lines))
    write_section("hl7", "## HL7 messages\n\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
