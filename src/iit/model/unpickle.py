"""The child process in which `iit.model.foreign` opens a pickle: `python -I -m iit.model.unpickle EMPTY_FOLDER UID`.

Unpickling runs whatever code the file holds. So, before it does, this process gives up all that code could use: it is
already in namespaces of its own (no network, no other processes); it locks itself into an empty folder, drops every
capability, and can open no file or socket, start no process and grow no further than its limits. What it needs is
loaded before. The pickle comes on standard input, the model's text goes to standard output.
"""

import ctypes
import io
import os
import resource
import sys

import joblib

from iit.model.booster import lightgbm

_PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h
_CAPABILITY_VERSION_3 = 0x20080522  # linux/capability.h
_LIMITS = {
    resource.RLIMIT_NOFILE: 0,
    resource.RLIMIT_NPROC: 0,
    resource.RLIMIT_FSIZE: 0,
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_CPU: 60,  # seconds
    resource.RLIMIT_AS: 4 * 2**30,
}


def _lock_in(empty_folder: str, uid: int) -> None:
    os.chroot(empty_folder)
    os.chdir("/")
    if uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    libc = ctypes.CDLL(None, use_errno=True)
    header, none = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.capset(header, none):
        raise OSError(ctypes.get_errno(), "cannot drop privileges")
    for kind, most in _LIMITS.items():
        resource.setrlimit(kind, (most, most))


def main() -> None:
    """Turn a pickle into text."""
    library = lightgbm()
    data = io.BytesIO(sys.stdin.buffer.read())
    os.close(0)
    _lock_in(sys.argv[1], int(sys.argv[2]))
    found = joblib.load(data)
    booster = getattr(found, "booster_", found)
    if not isinstance(booster, library.Booster):
        sys.exit("no LightGBM model")
    sys.stdout.buffer.write(booster.model_to_string().encode("ascii"))


if __name__ == "__main__":
    main()
