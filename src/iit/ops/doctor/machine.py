"""The machine: folders, disks, secrets, ports, certificates, libraries."""

import ctypes
import errno
import importlib.util
import os
import socket
import zoneinfo
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from iit.model.openmp import WANTED
from iit.ops.doctor.findings import Finding
from iit.ops.doctor.look import Look
from iit.ops.health.probes import LATE_SPOOLED, spooled
from iit.ops.maintenance import used_percent

_NEAR: Final = timedelta(days=21)
_SECONDS: Final = 2.0


def folders(look: Look) -> Iterator[Finding]:
    """Look at the folders the service writes into, and their disks."""
    if not look.data_dir.exists():
        yield Finding("data_dir_missing", str(look.data_dir))
    if not _can_write(look.data_dir):
        yield Finding("data_dir_unwritable", str(look.data_dir))
    if look.log_file is not None and not _can_write(look.log_file):
        yield Finding("log_unwritable", str(look.log_file))
    if look.backup_folder is not None and not _can_write(look.backup_folder):
        yield Finding("backup_folder_unwritable", str(look.backup_folder))
    for folder in {one for one in look.disks.folders if one.is_dir()}:
        percent = used_percent(folder)
        if percent > look.disks.percent:
            yield Finding("disk_nearly_full", f"the disk of {folder} is {percent:.0f} % full")


def secrets(look: Look) -> Iterator[Finding]:
    """Look at who can read the service's secrets."""
    for path in look.secret_files:
        if path.is_file() and path.stat().st_mode & 0o077:
            yield Finding("secret_open", f"{path} has the mode {path.stat().st_mode & 0o777:o}")


def spool(look: Look) -> Iterator[Finding]:
    """Look at what waits on disk."""
    limit = (look.now() - LATE_SPOOLED).timestamp()
    for name, times in spooled(look.data_dir / "spool"):
        if times and min(times) < limit:
            yield Finding("spool_waiting", f"{len(times)} of {name}")


def port(look: Look) -> Iterator[Finding]:
    """Look at whether the address can be listened on, without listening."""
    try:
        places = socket.getaddrinfo(look.host, look.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror:
        yield Finding("address_not_bindable", f"{look.host} is no address")
        return
    family, kind, _, _, address = places[0]
    with socket.socket(family, kind) as ours:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            ours.bind(address)
        except OSError as problem:
            if problem.errno != errno.EADDRINUSE:
                yield Finding("address_not_bindable", f"{look.host}:{look.port}: {problem.strerror}")
            elif _is_ours(look):
                yield Finding("service_running", f"{look.host}:{look.port}")
            else:
                yield Finding("port_taken", f"{look.host}:{look.port}")


def time_zone(look: Look) -> Iterator[Finding]:
    """Look for the zone's data."""
    try:
        zoneinfo.ZoneInfo(look.time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        yield Finding("time_zones_missing", look.time_zone)


def openmp(_look: Look) -> Iterator[Finding]:
    """Look for the library that training needs."""
    if importlib.util.find_spec("lightgbm") is None or importlib.util.find_spec("sklearn") is not None:
        return
    try:
        ctypes.CDLL(WANTED.decode())
    except OSError:
        yield Finding("openmp_missing", WANTED.decode())


def certificates(look: Look) -> Iterator[Finding]:
    """Look at when certificates end."""
    for path in look.certificates:
        try:
            ends = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
        except (OSError, ValueError):
            yield Finding("certificate_unreadable", str(path))
            continue
        left = ends - look.now()
        if left <= timedelta():
            yield Finding("certificate_expired", f"{path} on {ends:%Y-%m-%d}")
        elif left < _NEAR:
            yield Finding("certificate_expires", f"{path} on {ends:%Y-%m-%d}")


def _can_write(path: Path) -> bool:
    """Tell whether a file or folder, or what would be made for it, could be written; nothing is."""
    place = path
    while not place.exists() and place != place.parent:
        place = place.parent
    if place != path and not place.is_dir():
        return False
    is_writable = os.access(place, os.W_OK | (os.X_OK if place.is_dir() else 0))
    return is_writable and not os.statvfs(place).f_flag & os.ST_RDONLY


def _is_ours(look: Look) -> bool:
    host = "127.0.0.1" if look.host in ("0.0.0.0", "") else look.host  # noqa: S104 - asked, not listened on
    try:
        with socket.create_connection((host, look.port), timeout=_SECONDS) as line:
            line.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            line.settimeout(_SECONDS)
            return b'"live"' in line.makefile("rb").read(4096)
    except OSError:
        return False
