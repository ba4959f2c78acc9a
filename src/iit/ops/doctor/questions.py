"""All questions of the doctor about an installation whose settings are sound."""

from collections.abc import Mapping
from typing import Final

from iit.ops.doctor import machine, parts
from iit.ops.doctor.look import Question

QUESTIONS: Final[Mapping[str, Question]] = {
    "folders and disks": machine.folders,
    "secrets": machine.secrets,
    "spool": machine.spool,
    "address and port": machine.port,
    "time zone": machine.time_zone,
    "OpenMP": machine.openmp,
    "certificates": machine.certificates,
    "database": parts.database,
    "models": parts.models,
    "Redis": parts.redis,
    "audit trail": parts.audit,
}
