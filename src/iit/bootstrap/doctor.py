"""The doctor put together: settings as they are, however wrong, and what they describe; nothing is started or made."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from iit.bootstrap.health import disks_of
from iit.bootstrap.secrets import audit_keys, message_keys_of
from iit.bootstrap.serving import trail
from iit.config import SECRET_SETTINGS, Settings, load_settings, setting_problems
from iit.ops.doctor.findings import Finding
from iit.ops.doctor.look import Look, ask_all
from iit.ops.doctor.questions import QUESTIONS
from iit.ops.support import write_bundle
from iit.store.database import PoolSettings, open_database
from iit.store.diagnosis import Refused, facts
from iit.store.embedded.looking import urls_if_running


def diagnose(environ: Mapping[str, str], *, host: str, port: int, workers: int) -> list[Finding]:
    """Return everything found wrong, the worst first.

    With wrong settings nothing else is looked at: it would not be what is meant.

    Args:
        environ: variables of the service.
        host: address that the service listens on.
        port: its port.
        workers: number of its processes.
    """
    problems = setting_problems(environ)
    if problems:
        return [Finding(_code_of(problem), problem) for problem in problems]
    settings = load_settings(environ)
    look = _look(settings, environ, host=host, port=port, workers=workers)
    found = [*_unwise(settings, look), *ask_all(look, QUESTIONS)]
    return sorted(found, key=lambda one: -one.remedy.level)


def _code_of(problem: str) -> str:
    if " is no setting" in problem:
        return "setting_unknown"
    if "_FILE: cannot be read" in problem:
        return "secret_unreadable"
    return "secret_weak" if problem.startswith("IIT_SECRET_KEY:") else "setting_wrong"


def _unwise(settings: Settings, look: Look) -> Iterator[Finding]:
    """Yield what is allowed and unwise."""
    everyone = [str(one) for one in settings.trusted_networks if one.prefixlen == 0]
    if everyone:
        yield Finding("proxies_trust_everyone", ", ".join(everyone))
    if settings.report_recipients and settings.smtp_url is None:
        yield Finding("mail_missing", "IIT_REPORT_RECIPIENTS is set, IIT_SMTP_URL is not")
    if look.is_open and not settings.secure_cookies:
        yield Finding("cookies_insecure", f"listens on {look.host}")
    if look.is_open and not settings.rate_limit_strangers_per_minute:
        yield Finding("limits_off", f"listens on {look.host}")


def _look(settings: Settings, environ: Mapping[str, str], *, host: str, port: int, workers: int) -> Look:
    url = _database_url(settings)
    is_s3 = settings.backup_address.startswith("s3://")
    return Look(
        data_dir=settings.data_dir,
        models=settings.models_folder,
        log_file=settings.log_file,
        backup_folder=None if is_s3 else Path(settings.backup_address),
        disks=disks_of(settings),
        secret_files=_secret_files(settings, environ),
        host=host,
        port=port,
        time_zone=settings.time_zone,
        certificates=[Path(one.strip()) for one in settings.tls_certificates.split(",") if one.strip()],
        redis_url=None if settings.redis_url is None else settings.redis_url.get_secret_value(),
        database_url=url,
        is_private=settings.database_url is None,
        wanted_connections=workers * (settings.db_pool_size + settings.db_max_overflow),
        message_keys=message_keys_of(settings).ids,
        check_audit=_audit_check(settings, url),
        now=lambda: datetime.now(settings.zone),
    )


def _database_url(settings: Settings) -> str | None:
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    urls = urls_if_running(settings.data_dir)
    return None if urls is None else urls.app_url


def _secret_files(settings: Settings, environ: Mapping[str, str]) -> list[Path]:
    ours = [settings.data_dir / name for name in ("secret_key", "local_token", "backup_key")]
    ours += sorted((settings.data_dir / "postgres").glob("*.password")) if settings.database_url is None else []
    ours += [settings.backup_key_file] if settings.backup_key_file is not None else []
    return ours + [Path(path) for name, path in environ.items() if name.startswith("IIT_") and name.endswith("_FILE")
                   and name[4:-5].lower() in SECRET_SETTINGS]  # fmt: skip


def _audit_check(settings: Settings, url: str | None) -> Callable[[], object] | None:
    """Return what holds the trail to its anchor. Where no secret is there yet, none is made for it."""
    if url is None or (settings.secret_key is None and not (settings.data_dir / "secret_key").exists()):
        return None

    def check() -> object:
        pool = PoolSettings(size=1, max_overflow=0, statement_timeout_ms=3_000, lock_timeout_ms=500)
        database = open_database(url, time_zone=settings.time_zone, audit_keys=audit_keys(settings), pool=pool)
        try:
            return trail(settings, database).check_anchor()
        finally:
            database.close()

    return check


def bundle(environ: Mapping[str, str], path: Path, *, host: str, port: int) -> list[str]:
    """Write the support bundle of an installation, and return the names in it. Needs neither service nor database.

    Raises:
        InvalidInput: the settings are wrong. Unavailable: it cannot be written.
    """
    settings = load_settings(environ)
    url = _database_url(settings)
    try:
        told = {"state": ["does not run"]} if url is None else facts(url)
    except Refused as refusal:
        told = {"state": [refusal.reason]}
    return write_bundle(
        path,
        findings=diagnose(environ, host=host, port=port, workers=1),
        settings=settings.model_dump_json(indent=2),
        database=told,
        log_file=settings.log_file,
        url=f"http://{host}:{port}",
    )
