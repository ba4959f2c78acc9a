"""The support bundle: all that helps is in it, and nobody."""

import json
import os
import zipfile
from pathlib import Path

import psycopg
import pytest
from tests.conftest import libpq

from iit.bootstrap.doctor import bundle
from iit.ops.support import scrubbed
from iit.store.embedded.cluster import ClusterUrls

CANARIES = ("Adaeze", "08031234567", "5f0c2a4e-1111-4222-8333-944455556666", "CANARY", "ada@example.org", "1990-05-17")


def test_the_bundle_holds_what_helps_and_nothing_of_people(
    tmp_path: Path, database_urls: ClusterUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "app.log"
    good = {
        "timestamp": "2026-03-02T10:00:00Z", "level": "ERROR", "event": f"failed for {CANARIES[2]} {CANARIES[1]}",
        "patient": CANARIES[0], "reason": f"{CANARIES[4]} born {CANARIES[5]}",
    }  # fmt: skip
    log.write_text(json.dumps(good) + f"\nplain words about {CANARIES[0]}\n")
    with psycopg.connect(libpq(database_urls.owner_url), autocommit=True) as owner:
        owner.execute("INSERT INTO facilities (facility) VALUES ('SYN1')")
        owner.execute(
            "INSERT INTO patients (patient_uuid, facility, status, birthdate) VALUES (%s, 'SYN1', 'active', %s)",
            [CANARIES[2], CANARIES[5]],
        )
    (tmp_path / "data").mkdir()
    for name, value in {
        "IIT_DATA_DIR": str(tmp_path / "data"), "IIT_DATABASE_URL": database_urls.app_url, "IIT_LOG_FILE": str(log),
        "IIT_REDIS_URL": "redis://u:CANARY@127.0.0.1:9", "IIT_SMTP_URL": "smtp://u:CANARY@127.0.0.1:9",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    out = tmp_path / "bundle.zip"
    names = bundle(dict(os.environ), out, host="127.0.0.1", port=9)
    assert out.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(out) as opened:
        told = {name: opened.read(name).decode() for name in opened.namelist()}
    assert set(told) == set(names)
    whole = "\n".join(told.values())
    password = database_urls.app_url.partition("ml_service:")[2].partition("@")[0]
    assert [one for one in (*CANARIES, password) if one in whole] == []
    assert '"level": "ERROR"' in told["app.log"]
    assert "1 lines of another form were left out" in told["app.log"]
    assert "max_connections" in told["database.json"]
    assert "patients: " in told["database.json"]
    assert "redis_unreachable" in told["doctor.json"]
    assert "psycopg" in told["versions.json"]


@pytest.mark.parametrize("word", CANARIES[1:3] + CANARIES[4:])
def test_what_could_name_a_person_is_scrubbed(word: str) -> None:
    assert word not in scrubbed(f"a {word} b")
