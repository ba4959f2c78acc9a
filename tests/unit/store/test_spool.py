"""The spool: on disk before it answers, whole entries only, bounded, safe for several processes, closed to others."""

import multiprocessing
import os
import resource
import signal
import stat
import time
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iit.domain.errors import Unavailable
from iit.store.spool import Spool

_spawn = multiprocessing.get_context("spawn")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", 1_000_000)


def drained(spool: Spool) -> list[bytes]:
    found: list[bytes] = []
    spool.drain(lambda data: not found.append(data))  # type: ignore[func-returns-value]
    return found


def the_segment(spool: Spool) -> Path:
    spool.seal()
    (path,) = spool.folder.glob("*.spool")
    return path


def test_what_was_added_comes_out_once_in_order(spool: Spool) -> None:
    for n in range(3):
        spool.add(b"entry %d" % n)
    assert spool.depth().n_waiting == 3
    assert drained(spool) == [b"entry 0", b"entry 1", b"entry 2"]
    assert (drained(spool), spool.depth().n_waiting, spool.is_empty()) == ([], 0, True)


def test_nobody_else_may_read_it(spool: Spool) -> None:
    spool.add(b"entry")
    path = the_segment(spool)
    assert [stat.S_IMODE(one.stat().st_mode) for one in (spool.folder, path)] == [0o700, 0o600]


@given(st.data())
def test_a_torn_tail_is_cut_off_wherever_it_is_torn(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    spool = Spool(tmp_path_factory.mktemp("spool"), 1_000_000)
    spool.add(b"whole")
    spool.add(b"torn by a power cut")
    path = the_segment(spool)
    size = path.stat().st_size
    os.truncate(path, size - data.draw(st.integers(1, len(b"torn by a power cut") + 12)))
    if data.draw(st.booleans()):  # a file system may keep the size and lose the content
        os.truncate(path, size + 4096)
    assert drained(spool) == [b"whole"]
    spool.add(b"after")
    assert drained(spool) == [b"after"]


def test_a_damaged_entry_lies_aside_and_never_comes_out(spool: Spool) -> None:
    for text in (b"first", b"second", b"third"):
        spool.add(text)
    path = the_segment(spool)
    content = bytearray(path.read_bytes())
    content[content.index(b"second")] ^= 1
    path.write_bytes(content)
    assert drained(spool) == [b"first"]
    (aside,) = spool.folder.glob("*.aside")
    assert b"third" in aside.read_bytes()
    assert spool.depth().n_aside == 1
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600


def test_one_that_can_never_be_stored_lies_aside_and_others_go_on(spool: Spool) -> None:
    stored: list[bytes] = []
    for text in (b"good", b"hopeless", b"good too"):
        spool.add(text)
    assert spool.drain(lambda data: data != b"hopeless" and not stored.append(data)) == 2  # type: ignore[func-returns-value]
    assert stored == [b"good", b"good too"]
    assert [one.read_bytes() for one in spool.folder.glob("*.aside")] == [b"hopeless"]


def test_after_an_error_what_was_not_stored_waits_on(spool: Spool) -> None:
    for n in range(3):
        spool.add(b"%d" % n)
    stored: list[bytes] = []

    def store(data: bytes) -> bool:
        if data == b"1" and len(stored) == 1:
            stored.append(b"failed")
            raise Unavailable("away")
        stored.append(data)
        return True

    with pytest.raises(Unavailable):
        spool.drain(store)
    spool.drain(store)
    assert stored == [b"0", b"failed", b"1", b"2"]


def test_a_full_spool_takes_nothing_and_keeps_what_it_has(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 100)
    spool.add(b"x" * 60)
    with pytest.raises(Unavailable, match="spool: is full"):
        spool.add(b"y" * 60)
    assert drained(spool) == [b"x" * 60]
    spool.add(b"y" * 60)


def test_a_full_disk_takes_nothing_and_tears_nothing(spool: Spool) -> None:
    spool.add(b"before")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(Unavailable, match="spool: cannot be written: File too large"):
            spool.add(b"x" * 200)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    spool.add(b"after")
    assert sorted(drained(spool)) == [b"after", b"before"]


def test_what_a_process_still_appends_to_is_left_to_it(spool: Spool) -> None:
    spool.add(b"mine")
    assert drained(Spool(spool.folder, 1_000_000)) == []
    assert drained(spool) == [b"mine"]


def _add_until_killed(folder: Path, told: Connection) -> None:
    spool = Spool(folder, 10_000_000)
    n = 0
    while True:
        spool.add(b"%d %d" % (os.getpid(), n))
        told.send_bytes(b"%d %d" % (os.getpid(), n))
        n += 1


def test_processes_that_are_killed_leave_all_that_they_were_told_is_kept(spool: Spool) -> None:
    acknowledged: set[bytes] = set()
    processes = []
    for _ in range(2):
        mine, theirs = _spawn.Pipe(duplex=False)
        process = _spawn.Process(target=_add_until_killed, args=(spool.folder, theirs))
        process.start()
        theirs.close()
        acknowledged.add(mine.recv_bytes())
        processes.append((process, mine))
    found = drained(spool)
    time.sleep(0.05)
    for process, mine in processes:
        process.kill()
        process.join()
        with pytest.raises(EOFError):
            while True:
                acknowledged.add(mine.recv_bytes())
    found += drained(spool)
    assert acknowledged <= set(found)
    assert len(found) == len(set(found))


def test_many_threads_lose_nothing(spool: Spool) -> None:
    threads = [Thread(target=spool.add, args=(b"%d" % n,)) for n in range(50)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(drained(spool), key=int) == [b"%d" % n for n in range(50)]
