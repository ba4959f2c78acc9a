"""How long a restore takes for each GB of database, by step, beside a service that rests.

Run as `python -m benchmarks.recovery --gigabytes 1`. The rows are predictions with 98 features of random values, which
compress as little as real ones at most; the server syncs as it does in use.
"""

import argparse
import platform
import shutil
import tempfile
from pathlib import Path
from typing import Final

import psycopg

from benchmarks.report import write_section
from iit.bootstrap.upkeep import backup_maker, restorer
from iit.config import Settings
from iit.features.registry import FEATURE_NAMES
from iit.store.embedded.cluster import Cluster
from iit.store.migrate import upgrade

_CHUNK: Final = 100_000
_ROWS: Final = (
    "INSERT INTO predictions SELECT gen_random_uuid(), 'p' || n %% 5000, 'SYN1', 'v1',"
    " date '2020-01-01' + n / 5000 + %s, NULL, random(), 'high', '[]',"
    " (SELECT array_agg((random() * (n + f))::real) FROM generate_series(1, 98) f),"
    " 1, 'champion', 0.9, '[]', 'bench', now() FROM generate_series(1, %s) n"
)
_LATEST: Final = (
    "UPDATE patients p SET risk_score = q.risk_score, risk_band = q.risk_band, risk_as_of = q.as_of"
    " FROM (SELECT DISTINCT ON (patient_uuid) * FROM predictions ORDER BY patient_uuid, as_of DESC) q"
    " WHERE q.patient_uuid = p.patient_uuid"
)


def fill(url: str, gigabytes: float) -> float:
    """Fill the database and return its size in GB."""
    with psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True) as connection:
        connection.execute("INSERT INTO facilities (facility) VALUES ('SYN1')")
        connection.execute(
            "INSERT INTO patients (patient_uuid, facility, status)"
            " SELECT 'p' || n, 'SYN1', 'active' FROM generate_series(0, 4999) n"
        )
        days = 0
        while True:
            row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
            size = float(row[0]) / 1e9 if row else 0.0
            if size >= gigabytes:
                connection.execute(_LATEST)
                return size
            connection.execute(_ROWS, [days, _CHUNK])
            days += 1 + _CHUNK // 5000


def measure(gigabytes: float) -> str:
    """Return the section of the document."""
    folder = Path(tempfile.mkdtemp(prefix="iit-recovery-"))
    folder.chmod(0o755)
    try:
        settings = Settings(data_dir=folder / "data")
        settings.data_dir.mkdir()
        with Cluster(settings.data_dir).running() as urls:
            upgrade(urls.owner_url, feature_names=FEATURE_NAMES)
            size = fill(urls.owner_url, gigabytes)
            with backup_maker(settings) as maker:
                made = maker.run("full", actor="bench")
            report = restorer(settings).rehearse()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    seconds = {**report.seconds}
    rows = [f"| {step} | {took:.1f} | {took / size:.1f} |" for step, took in seconds.items()]
    backed = (made.finished_at - made.started_at).total_seconds()
    size_told = f"{size:.2f} GB, backed up in {backed:.0f} s ({made.sealed_size / 1e9:.2f} GB sealed)"
    return "\n".join([
        "## Recovery", "",
        f"A database of {size_told}, restored beside", f"what runs and checked: {len(report.findings)} findings.", "",
        "| step | seconds | seconds a GB |", "|---|---|---|", *rows, "",
        f"{platform.machine()}, Python {platform.python_version()}, PostgreSQL {made.server_major}.",
    ])  # fmt: skip


def main() -> None:
    """Measure, print and write."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--gigabytes", type=float, default=1.0)
    section = measure(options.parse_args().gigabytes)
    print(section)
    write_section("recovery", section)


if __name__ == "__main__":
    main()
