"""A stop is heard at once, also while a worker that starts does not answer yet."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

_PARENT = """
import uvicorn
from iit.cli.supervisor import supervise

if __name__ == "__main__":
    supervise(uvicorn.Config("slow:create", factory=True, port={port}, workers=2, timeout_worker_healthcheck=60,
                             log_level="critical"))
"""
_SLOW = """
import ctypes, os
from pathlib import Path
Path(f"started-{os.getpid()}").touch()
ctypes.PyDLL(None).sleep(40)  # holds the interpreter, as loading kernels does: no thread of it answers

def create():
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            while True:
                told = (await receive())["type"]
                await send({"type": told + ".complete"})
                if told == "lifespan.shutdown":
                    return
    return app
"""


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_stop_is_heard_at_once_and_leaves_no_worker(tmp_path: Path, stop: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    (tmp_path / "slow.py").write_text(_SLOW)
    (tmp_path / "parent.py").write_text(_PARENT.format(port=port))
    parent = subprocess.Popen([sys.executable, "parent.py"], cwd=tmp_path)
    try:
        while len(list(tmp_path.glob("started-*"))) < 2:
            time.sleep(0.05)
        time.sleep(1.5)  # the parent is asking them by now
        parent.send_signal(stop)
        began = time.monotonic()
        assert parent.wait(30) == 0
        assert time.monotonic() - began < 30
    finally:
        parent.kill()
        parent.wait()
    workers = [int(path.name.partition("-")[2]) for path in tmp_path.glob("started-*")]
    assert not [pid for pid in workers if _is_alive(pid)]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
