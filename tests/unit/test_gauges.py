"""Figures that are read when Prometheus asks: fixed names, nothing invented, and never a scrape that hangs or fails."""

import os
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from iit.api.gauges import exposition
from iit.domain.errors import Unavailable
from iit.ops.gauges import of_certificates, of_spool
from iit.services.gauges import FRESH_SECONDS, MEANINGS, Figure, Gauges, told_of_comparison

NOW = datetime(2025, 6, 30, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_kept_figures_have_the_names_that_dashboards_rely_on() -> None:
    kept = {
        ("live_accuracy", "all"): 0.9, ("live_accuracy", "low"): 0.8, ("data_quality_score", "all"): 0.95,
        ("data_quality_score", "SYN1"): 0.5, ("feature_psi", "age"): 0.1, ("drift_alert", "data"): 1.0,
        ("live_auroc", "all"): 0.77, ("expected_auroc", "all"): 0.8, ("score_psi", "all"): 0.02,
    }  # fmt: skip
    assert {(name, *labels): value for name, labels, value in told_of_comparison(kept)} == {
        ("iit_prediction_accuracy",): 0.9,
        ("iit_data_quality_score",): 0.95,
        ("iit_score_psi",): 0.02,
        ("iit_feature_psi", "age"): 0.1,
        ("iit_drift_alert", "data"): 1.0,
        ("iit_live_performance", "accuracy"): 0.9,
        ("iit_live_performance", "auroc"): 0.77,
        ("iit_expected_performance", "auroc"): 0.8,
    }


def test_every_figure_has_its_name_and_meaning_before_it_has_a_value() -> None:
    told = exposition(list, None).decode()
    assert {f"# TYPE {name} " for name in MEANINGS} <= {
        line.rpartition(" ")[0] + " " for line in told.splitlines() if line.startswith("# TYPE")
    }
    assert "\niit_model_loaded " not in told


def test_figures_are_read_at_most_every_ten_seconds() -> None:
    clock, reads = Clock(), []

    def read() -> Iterable[Figure]:
        reads.append(1)
        return [("iit_active_users", (), float(len(reads)))]

    gauges = Gauges({"people": read}, clock, lambda: NOW)
    assert ("iit_active_users", (), 1.0) in list(gauges.figures())
    clock.seconds = FRESH_SECONDS - 0.1
    assert ("iit_active_users", (), 1.0) in list(gauges.figures())
    clock.seconds = FRESH_SECONDS
    assert ("iit_active_users", (), 2.0) in list(gauges.figures())


def test_a_source_that_is_away_leaves_its_figures_and_the_others_as_they_are() -> None:
    clock, away = Clock(), []

    def read() -> Iterable[Figure]:
        if away:
            raise Unavailable("is away", place="database")
        return [("iit_active_users", (), 3.0)]

    gauges = Gauges({"people": read, "disks": lambda: [("iit_model_loaded", (), 1.0)]}, clock, lambda: NOW)
    assert ("iit_figures_up", ("people",), 1.0) in list(gauges.figures())
    away.append(1)
    clock.seconds = 60
    told = list(gauges.figures())
    assert ("iit_active_users", (), 3.0) in told
    assert ("iit_figures_up", ("people",), 0.0) in told
    assert ("iit_figures_up", ("disks",), 1.0) in told


def test_a_source_that_hangs_holds_nobody_up() -> None:
    hang, clock = Event(), Clock()

    def read() -> Iterable[Figure]:
        hang.wait(30)
        return []

    gauges = Gauges({"people": read}, clock, lambda: NOW)
    began = time.perf_counter()
    first = list(gauges.figures())
    again = time.perf_counter()
    list(gauges.figures())
    assert time.perf_counter() - again < 0.5
    assert again - began < 3
    assert ("iit_figures_up", ("people",), 0.0) in first
    hang.set()


def test_a_spool_tells_how_much_waits_and_for_how_long(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "mail").mkdir()
    (tmp_path / "pages" / "one.json").write_text("{}")
    (tmp_path / "pages" / ".draft").write_text("{}")
    os.utime(tmp_path / "pages" / "one.json", (NOW.timestamp() - 60, NOW.timestamp() - 60))
    told = set(of_spool(tmp_path, lambda: NOW))
    assert {
        ("iit_spool_files", ("pages",), 1), ("iit_spool_oldest_seconds", ("pages",), 60.0),
        ("iit_spool_files", ("mail",), 0), ("iit_spool_oldest_seconds", ("mail",), 0.0),
    } == told  # fmt: skip


def test_a_certificate_tells_when_it_expires(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    until = NOW + timedelta(days=20)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(NOW).not_valid_after(until).sign(key, hashes.SHA256())
    )  # fmt: skip
    file = tmp_path / "server.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    assert list(of_certificates([file])) == [
        ("iit_certificate_expires_timestamp_seconds", ("server.pem",), until.timestamp())
    ]
