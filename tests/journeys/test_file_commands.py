"""Files of other systems, as a user imports them."""

import json
from pathlib import Path

import pytest

from iit.store.embedded.cluster import ClusterUrls
from tests.commands import Command, settings_at
from tests.radet_lists import a_line, a_list


@pytest.fixture
def iit(
    database_urls: ClusterUrls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    return Command(monkeypatch, capsys, settings_at(database_urls, tmp_path / "data"))


def test_a_list_is_imported_and_rejected_lines_are_written_without_values(iit: Command, tmp_path: Path) -> None:
    (tmp_path / "radet.csv").write_bytes(
        a_list(a_line(), a_line(Hospital="HN-18", Unique="A-18", Last_Pickup="CANARY"))
    )
    errors = tmp_path / "errors.ndjson"
    told = iit("import", str(tmp_path / "radet.csv"), "--source", "csv", "--reported", "2024-01-31",
               "--errors", str(errors), "--json")  # fmt: skip
    assert told.returncode == 0, told.stderr
    summary = json.loads(told.stdout)
    assert (summary["read"], summary["added"], summary["rejected"]) == (2, 1, 1)
    (rejected,) = [json.loads(line) for line in errors.read_text().splitlines()]
    assert rejected == {
        "place": f"{tmp_path / 'radet.csv'}:3",
        "reason": "column 10 (pickup): is no date that can be read",
    }


def test_options_of_lists_are_refused_elsewhere(iit: Command, tmp_path: Path) -> None:
    assert iit("import", str(tmp_path), "--reported", "2024-01-31").returncode == 10
    assert iit("import", str(tmp_path), "--source", "csv", "--encoding", "utf-9").returncode == 10
