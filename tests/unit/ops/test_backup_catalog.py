"""Which backups a restore needs, which moments they reach, and which may go."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.manifests import KEY, NOW, a_backup

from iit.domain.errors import InvalidInput, NotFound
from iit.ops.backup.catalog import chain, newest, removable
from iit.ops.backup.manifest import Manifest, decode, encode
from iit.ops.backup.sealing import BackupKey
from iit.ops.restore.choice import base_for, check_namespace, of_day, parse_day, parse_moment
from iit.ops.restore.target import RecoveryTarget

LAGOS = ZoneInfo("Africa/Lagos")


OLD = a_backup(90, name="old")
FULL = a_backup(60, name="full")
FIRST = a_backup(50, "incremental", parent="full", name="first")
SECOND = a_backup(20, "incremental", parent="first", name="second")
DUMP = a_backup(80, "logical", name="dump")
ALL = [OLD, DUMP, FULL, FIRST, SECOND]


def test_what_kept_backups_build_on_stays() -> None:
    assert removable(ALL, now=NOW, keep_days=30) == ["old"]


def test_the_newest_of_each_kind_stays_however_old() -> None:
    assert removable(ALL, now=NOW + timedelta(days=3650), keep_days=1) == ["old"]
    assert removable([OLD], now=NOW, keep_days=1) == []


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=12), st.integers(1, 60))
def test_pruning_never_breaks_a_chain(shape: list[tuple[float, bool]], keep_days: int) -> None:
    made: list[Manifest] = []
    for place, (days, is_incremental) in enumerate(sorted(shape, reverse=True)):
        grows = is_incremental and bool(made)
        made.append(
            a_backup(
                days, "incremental" if grows else "full", parent=made[-1].backup_id if grows else None, name=f"b{place}"
            )
        )
    gone = set(removable(made, now=NOW, keep_days=keep_days))
    left = [one for one in made if one.backup_id not in gone]
    assert bool(left) == bool(made)
    for one in left:
        assert chain(left, one)[0].kind == "full"
    assert not gone & {one.backup_id for one in made if one.finished_at >= NOW - timedelta(days=keep_days)}


def test_a_chain_begins_with_its_full_backup() -> None:
    assert [one.backup_id for one in chain(ALL, SECOND)] == ["full", "first", "second"]


def test_a_broken_chain_is_named() -> None:
    with pytest.raises(NotFound, match="second: builds on first, which is gone"):
        chain([FULL, SECOND], SECOND)


@pytest.mark.parametrize(
    ("days_ago", "found"), [(0, "second"), (20, "second"), (20.001, "first"), (70, "old"), (90, "old")]
)
def test_a_time_begins_from_the_newest_backup_before_it(days_ago: float, found: str) -> None:
    assert base_for(ALL, RecoveryTarget(time=NOW - timedelta(days=days_ago))).backup_id == found


def test_a_time_before_the_oldest_backup_is_refused_with_that_moment() -> None:
    with pytest.raises(NotFound, match="the oldest moment is 2025-04-01 12:00:00 UTC"):
        base_for(ALL, RecoveryTarget(time=NOW - timedelta(days=91)))


@pytest.mark.parametrize(("xid", "found"), [(980, "second"), (979, "first"), (910, "old")])
def test_a_transaction_begins_from_a_backup_taken_before_it_began(xid: int, found: str) -> None:
    assert base_for(ALL, RecoveryTarget(xid=xid)).backup_id == found


@pytest.mark.parametrize("target", [RecoveryTarget(xid=900), RecoveryTarget(lsn="0/4FFFFFF")])
def test_what_lies_before_all_backups_is_refused(target: RecoveryTarget) -> None:
    with pytest.raises(NotFound, match="before the oldest backup"):
        base_for(ALL, target)


def test_two_moments_at_once_are_refused() -> None:
    with pytest.raises(InvalidInput, match="give one of"):
        RecoveryTarget(xid=5, name="x")


def test_no_backup_of_a_kind_is_named() -> None:
    with pytest.raises(NotFound, match="no backup of kind models"):
        newest(ALL, ("models",))


def test_a_day_is_the_facilities_day() -> None:
    late = replace(FULL, finished_at=datetime(2025, 6, 1, 23, 30, tzinfo=UTC))  # 00:30 of 2 June in Lagos
    assert of_day([late], datetime(2025, 6, 2).date(), zone=LAGOS, kinds=("full",)) == late  # noqa: DTZ001
    with pytest.raises(NotFound, match="there are ones of 2025-06-02"):
        of_day([late], datetime(2025, 6, 1).date(), zone=LAGOS, kinds=("full",))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("text", "hour"),
    [("2024-01-01 14:30:00", 13), ("2024-01-01T14:30:00Z", 14), ("2024-01-01 14:30:00+03:00", 11)],
    ids=["in the service's zone", "in UTC", "in a zone of its own"],
)
def test_a_moment_has_a_time_zone(text: str, hour: int) -> None:
    moment = parse_moment(text, zone=LAGOS, now=NOW)
    assert moment.astimezone(UTC) == datetime(2024, 1, 1, hour, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", ["yesterday", "", "2024-13-01 00:00:00", "2025-06-30 13:00:01"])
def test_what_is_no_moment_or_lies_ahead_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="point in time"):
        parse_moment(text, zone=LAGOS, now=NOW)


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "/etc", "a b", "A", "-a", "a-", "a\n", "a\0", "x" * 64, "ä"])
def test_a_namespace_is_no_path(name: str) -> None:
    with pytest.raises(InvalidInput, match="namespace"):
        check_namespace(name)


@pytest.mark.parametrize("name", ["dr-test", "a", "0", "x" * 63])
def test_names_of_kubernetes_are_namespaces(name: str) -> None:
    assert check_namespace(name) == name


@pytest.mark.parametrize("text", ["2025-07-01", "2025-02-30", "../2025", "2025-6-1", "", "2025-01-01 ", "20250132"])
def test_what_is_no_day_or_lies_ahead_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="backup date"):
        parse_day(text, today=NOW.date())


def test_both_ways_of_writing_a_day_are_read() -> None:
    assert parse_day("2025-06-30", today=NOW.date()) == parse_day("20250630", today=NOW.date()) == NOW.date()


def test_a_manifest_reads_back() -> None:
    assert decode(encode(FIRST, KEY), KEY, place="x") == FIRST


@given(st.data())
def test_any_flipped_bit_of_a_manifest_is_found(data: st.DataObject) -> None:
    whole = bytearray(encode(FIRST, KEY))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(InvalidInput, match="is damaged"):
        decode(bytes(whole), KEY, place="x")


def test_a_manifest_of_another_key_says_so() -> None:
    with pytest.raises(InvalidInput, match=f"sealed with the key {KEY.key_id}"):
        decode(encode(FIRST, KEY), BackupKey(bytes(range(32))), place="x")
