"""The parts the service is made of: database, models, Redis, audit trail."""

from collections.abc import Iterator

from iit.domain.errors import Conflict, InvalidInput, NotFound, ServiceError
from iit.model.registry import Registry
from iit.ops.doctor.findings import Finding
from iit.ops.doctor.look import Look
from iit.ops.health.probes import MOST_SKEW_SECONDS
from iit.store import diagnosis, health
from iit.store.diagnosis import Patient, Refused


def database(look: Look) -> Iterator[Finding]:
    """Examine the database, where it can be reached."""
    if look.database_url is None:
        code = "database_not_running" if (look.data_dir / "postgres").exists() else "database_none"
        yield Finding(code, str(look.data_dir / "postgres"))
        return
    try:
        with diagnosis.examine(look.database_url) as patient:
            yield from _examined(look, patient)
    except Refused as refusal:
        yield Finding(refusal.code, refusal.reason)


def _examined(look: Look, patient: Patient) -> Iterator[Finding]:
    told = patient.schema()
    if told is not None:
        yield Finding(*told)
    values = diagnosis.values_of(look.wanted_connections, look.message_keys)
    for code, question in diagnosis.QUESTIONS.items():
        for reason in patient.reasons(question, values):
            yield Finding(code, reason)
    if look.is_open:
        for reason in patient.reasons(diagnosis.DEMO, {}):
            yield Finding("demo_in_production", reason)
    ahead = patient.clock_difference_seconds(look.now)
    if abs(ahead) > MOST_SKEW_SECONDS:
        yield Finding("clock_skew", f"the database's is {ahead:+.1f} s off")


def models(look: Look) -> Iterator[Finding]:
    """Load the serving models as the service would, and check every file of them."""
    registry = Registry(look.models)
    try:
        told = registry.read()
    except (InvalidInput, OSError) as problem:
        yield Finding("registry_damaged", str(problem))
        return
    if told["champion"] is None:
        yield Finding("model_missing", str(look.models))
    for version in dict.fromkeys(one for one in (told["champion"], told["previous"]) if one is not None):
        try:
            registry.load(version)
        except NotFound as problem:
            yield Finding("model_gone", problem.reason)
        except InvalidInput as problem:
            code = "feature_set_unknown" if "another feature set" in problem.reason else "model_altered"
            yield Finding(code, problem.reason)


def redis(look: Look) -> Iterator[Finding]:
    """Ask Redis how it is, without writing."""
    if look.redis_url is None:
        return
    try:
        facts = health.redis_facts(look.redis_url)
    except ServiceError as problem:
        yield Finding("redis_password" if "password" in problem.reason else "redis_unreachable", problem.reason)
        return
    if facts.policy.startswith("allkeys"):
        yield Finding("redis_evicts", f"maxmemory-policy is {facts.policy}")
    if facts.policy == "noeviction" and 0 < facts.most_bytes <= facts.used_bytes:
        yield Finding("redis_full", f"{facts.used_bytes / 1e6:.1f} of {facts.most_bytes / 1e6:.1f} MB")


def audit(look: Look) -> Iterator[Finding]:
    """Hold the audit trail to its anchor."""
    if look.check_audit is None:
        return
    try:
        look.check_audit()
    except Conflict as problem:
        yield Finding("audit_anchor", problem.reason)
    except ServiceError:
        return  # the database is away, which is told by itself
