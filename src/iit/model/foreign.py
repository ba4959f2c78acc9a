"""Models from elsewhere: LightGBM's text, or a pickle (joblib) of a Booster or LGBMClassifier.

Unpickling runs code, so it happens in a child process that is shut off (`iit.model.unpickle`); only text comes back,
and it is proven like any other.
"""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Timer
from typing import Final

from iit.domain.errors import InvalidInput, Unavailable
from iit.extras import extra_module
from iit.features.registry import FEATURE_NAMES
from iit.model.lightgbm_text import MAX_CHARACTERS
from iit.model.trees import Trees

_LONGEST_SECONDS: Final = 120.0
_NAMESPACES: Final = ("--net", "--pid", "--ipc", "--mount", "--fork")
_NOBODY: Final = 65534
# One thread each: capabilities are dropped by thread.
_ENVIRONMENT: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_OBJECTIVE: Final = "\nobjective=binary sigmoid:1\n"


def foreign_text(path: Path, *, unpickle: bool) -> str:
    """Return the text of a foreign model, proven.

    Args:
        path: of the file.
        unpickle: open a file that is no text as a pickle, in a child process that is shut off.

    Raises:
        InvalidInput: no LightGBM model for two classes with our features, or a pickle without leave to open it.
        Unavailable: this machine cannot shut the child process off.
    """
    if not path.is_file():
        raise InvalidInput("is no file", place=str(path))
    with path.open("rb") as file:
        data = file.read(MAX_CHARACTERS + 1)
    if not data.startswith(b"tree\n"):
        if not unpickle:
            raise InvalidInput("is no model text; a pickle is opened with --unpickle only", place=path.name)
        data = unpickled(path)
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError as cause:
        raise InvalidInput("is no model text", place=path.name) from cause
    if Trees.from_model_text(text).feature_names != FEATURE_NAMES:
        raise InvalidInput(
            "was made for other features: names and order must be those of our feature set", place="model"
        )
    if _OBJECTIVE not in text.partition("\nTree=")[0]:
        raise InvalidInput("does not give log-odds: the objective must be binary with sigmoid 1", place="model")
    return text


def unpickled(path: Path) -> bytes:
    """Return what the child process writes of a pickle: a model's text, if the file is honest.

    Raises:
        InvalidInput: no model came out of it. Unavailable: this machine cannot shut the child process off.
    """
    extra_module("joblib", extra="train")  # the child needs it, and cannot say so
    if not can_shut_off():
        raise Unavailable(
            "this machine cannot shut a process off from network and files; where the model was made, save it as text "
            "(Booster.save_model) and import that",
            place="unshare",
        )
    with tempfile.TemporaryDirectory(prefix="iit-empty-") as empty, path.open("rb") as pickle:
        Path(empty).chmod(0o555)
        command = [*shut_off(), sys.executable, "-I", "-m", "iit.model.unpickle", empty, str(_uid())]
        with subprocess.Popen(  # noqa: S603 - our own words
            command, stdin=pickle, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_ENVIRONMENT, cwd="/"
        ) as child:
            killer = Timer(_LONGEST_SECONDS, _end, [child])
            killer.start()
            data = b"" if child.stdout is None else child.stdout.read(MAX_CHARACTERS + 1)
            if len(data) > MAX_CHARACTERS:
                _end(child)
        killer.cancel()
    if child.returncode != 0:
        raise InvalidInput("no LightGBM model came out of it", place=path.name)
    return data


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Kill the process behind `unshare` itself: what the file's code did to its signals does not matter."""
    for pid in Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text(encoding="ascii").split():
        os.kill(int(pid), signal.SIGKILL)
    child.kill()


def can_shut_off() -> bool:
    """Return whether this machine and account can shut a process off."""
    try:
        return subprocess.run([*shut_off(), "true"], capture_output=True, check=False).returncode == 0  # noqa: S603 - our own words
    except FileNotFoundError:
        return False


def shut_off() -> list[str]:
    """Return the start of a command that runs in namespaces of its own; who is not root needs one of users too."""
    return ["unshare", *([] if _uid() else ["--user", "--map-root-user"]), *_NAMESPACES]


def _uid() -> int:
    """Return the account for the child to change to: nobody, or what looks like root in a namespace of users."""
    return _NOBODY if os.geteuid() == 0 else 0
