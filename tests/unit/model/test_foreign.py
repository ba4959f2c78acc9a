"""Models from elsewhere: what comes back is proven text, and a pickle's code reaches nothing."""

import os
import pickle
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pytest
from model_cases import a_model

from iit.domain.errors import InvalidInput, Unavailable
from iit.features.registry import FEATURE_NAMES
from iit.model import foreign
from iit.model.foreign import foreign_text, unpickled

TRAINED = a_model()[0]
TEXT = TRAINED.booster.model_to_string()

can_shut_off = pytest.mark.skipif(
    not foreign.can_shut_off(), reason="this machine makes no namespaces: pickles cannot be opened safely here"
)


def a_file(folder: Path, data: bytes) -> Path:
    path = folder / "model.bin"
    path.write_bytes(data)
    return path


def test_a_text_is_taken_as_it_is(tmp_path: Path) -> None:
    assert foreign_text(a_file(tmp_path, TEXT.encode()), unpickle=False) == TEXT


@can_shut_off
def test_a_pickle_of_a_booster_becomes_its_text(tmp_path: Path) -> None:
    joblib.dump(TRAINED.booster, tmp_path / "model.pkl")
    assert foreign_text(tmp_path / "model.pkl", unpickle=True) == TEXT


@can_shut_off
def test_a_compressed_pickle_of_a_classifier_becomes_text(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).normal(size=(100, len(FEATURE_NAMES)))
    data = lightgbm.Dataset(rows, feature_name=list(FEATURE_NAMES))
    model = lightgbm.LGBMClassifier(n_estimators=2, verbosity=-1, n_jobs=1)
    model.fit(rows, rows[:, 0] > 0, feature_name=data.feature_name)
    joblib.dump(model, tmp_path / "model.pkl", compress=3)
    assert foreign_text(tmp_path / "model.pkl", unpickle=True) == model.booster_.model_to_string()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text.replace("late_days_mean_3", "late_days_mean_9"), "other features"),
        (lambda text: text.replace("objective=binary sigmoid:1", "objective=regression"), "log-odds"),
        (lambda text: text.replace("objective=binary sigmoid:1", "objective=binary sigmoid:2"), "log-odds"),
        (lambda text: text[: len(text) // 3], "cut off"),
        (lambda text: text.replace("num_leaves=", "num_leaves=é"), "text"),
    ],
)
def test_a_text_that_cannot_serve_is_refused(tmp_path: Path, change: Any, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        foreign_text(a_file(tmp_path, change(TEXT).encode()), unpickle=False)


def test_a_pickle_is_not_opened_without_leave(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="--unpickle"):
        foreign_text(a_file(tmp_path, hostile(f"open({str(tmp_path / 'pwned')!r}, 'w')")), unpickle=False)
    assert not (tmp_path / "pwned").exists()


def test_where_a_process_cannot_be_shut_off_nothing_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "_NAMESPACES", ("--no-such-option",))
    with pytest.raises(Unavailable, match="text"):
        foreign_text(a_file(tmp_path, hostile("open('/tmp/x', 'w')")), unpickle=True)


class Hostile:
    def __init__(self, code: str) -> None:
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (self.code, {})


def hostile(code: str) -> bytes:
    return pickle.dumps(Hostile(code))


ATTEMPTS = """
import ctypes, os, socket, subprocess, sys
told = []
def attempt(name, act):
    try:
        told.append(f"{{name}}: did {{act()!r}}")
    except BaseException as problem:
        told.append(f"{{name}}: refused")
attempt("write", lambda: open({target!r}, "w").write("x"))
attempt("read", lambda: open({secret!r}).read())
attempt("unlink", lambda: os.unlink({secret!r}))
attempt("rename", lambda: os.rename({secret!r}, {target!r}))
attempt("list", lambda: os.listdir("/") or 1/0)
attempt("make", lambda: os.mkdir("/made"))
attempt("tcp", lambda: socket.create_connection(("127.0.0.1", {port}), timeout=2))
attempt("unix", lambda: socket.socket(socket.AF_UNIX).connect({target!r} + ".sock"))
attempt("start", lambda: subprocess.run([sys.executable, "-c", ""]))
attempt("fork", lambda: os.fork() or os._exit(0))
attempt("kill", lambda: os.kill({victim}, 9))
attempt("escape", lambda: os.chroot("/"))
attempt("limits", lambda: __import__("resource").setrlimit(7, (64, 64)))
attempt("environment", lambda: {{k: v for k, v in os.environ.items() if "SECRET" in k}} or 1/0)
attempt("parent", lambda: open("/proc/1/environ").read())
os.write(1, "\\n".join(told).encode())
os._exit(0)
"""


@can_shut_off
def test_the_code_of_a_pickle_reaches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hostile code runs, and tells itself that everything it tried was refused."""
    monkeypatch.setenv("IIT_SECRET_KEY", "the secret")
    secret, target = tmp_path / "secret", tmp_path / "pwned"
    secret.write_text("the secret")
    tmp_path.chmod(0o777)
    with (
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"]) as victim,
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as local,
    ):
        local.bind(f"{target}.sock")
        local.listen()
        code = ATTEMPTS.format(target=str(target), secret=str(secret), port=server.getsockname()[1], victim=victim.pid)
        told = unpickled(a_file(tmp_path, hostile(code))).decode().splitlines()
        assert victim.poll() is None
        victim.kill()
    assert len(told) == 15
    assert [line for line in told if not line.endswith(": refused")] == []
    assert not target.exists()
    assert secret.read_text() == "the secret"


@can_shut_off
@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import os; os.write(1, b'tree\\n'); os._exit(0)", id="lies"),
        pytest.param("import os; os._exit(3)", id="dies"),
        pytest.param("import ctypes; ctypes.string_at(0)", id="crashes"),
        pytest.param("x = bytearray(2**33)", id="takes all memory"),
        pytest.param("import os\nwhile True: os.write(1, b'tree\\n' * 100_000)", id="talks without end"),
        pytest.param("pass", id="is no model"),
    ],
)
def test_a_hostile_pickle_gives_no_model(tmp_path: Path, code: str) -> None:
    with pytest.raises(InvalidInput):
        foreign_text(a_file(tmp_path, hostile(code)), unpickle=True)


@can_shut_off
def test_a_pickle_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "_LONGEST_SECONDS", 8.0)
    before = set(os.listdir("/proc"))
    with pytest.raises(InvalidInput):
        foreign_text(a_file(tmp_path, hostile("import time; time.sleep(1000)")), unpickle=True)
    left = [name for name in set(os.listdir("/proc")) - before if name.isdigit()]
    assert not [name for name in left if "iit.model.unpickle" in cmdline(name)]


def cmdline(process: str) -> str:
    try:
        return Path("/proc", process, "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except FileNotFoundError:
        return ""
