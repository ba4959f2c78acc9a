"""Everything the doctor can find: how bad it is, what it means, and the next step."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple


class Level(IntEnum):
    """How bad a finding is; the worst decides the exit code."""

    NOTE = 0
    WARNING = 10
    FAULT = 14


class Remedy(NamedTuple):
    """What a finding means and what to do."""

    level: Level
    means: str
    next_step: str


_N, _W, _F = Level.NOTE, Level.WARNING, Level.FAULT

REMEDIES: Final[dict[str, Remedy]] = {
    "setting_unknown": Remedy(_F, "A variable with our prefix is no setting.", "Correct or remove it: `docs/reference/settings.md`."),
    "setting_wrong": Remedy(_F, "A setting has a value that cannot be.", "Correct it; `iit config check` tells when all are sound."),
    "secret_weak": Remedy(_F, "The secret key can be guessed.", "Make one with `openssl rand -hex 32`, or leave it out to have one made."),
    "secret_unreadable": Remedy(_F, "A file that should hold a secret cannot be read.", "Correct the path in `IIT_…_FILE`, or the rights to it."),
    "proxies_trust_everyone": Remedy(_W, "Whoever asks can write any address as its own.", "Set `IIT_TRUSTED_PROXIES` to the proxies' own addresses."),
    "cookies_insecure": Remedy(_W, "Listens beyond this machine and sends session cookies without TLS too.", "Set `IIT_SECURE_COOKIES=true` behind TLS."),
    "limits_off": Remedy(_W, "Listens beyond this machine without a limit to how often somebody may ask.", "Set `IIT_RATE_LIMIT_STRANGERS_PER_MINUTE` above 0."),
    "demo_in_production": Remedy(_W, "Listens beyond this machine while the demo's login or key works.", "`iit keys revoke` and `iit users disable demo`."),
    "mail_missing": Remedy(_W, "Reports have recipients but no mail server.", "Set `IIT_SMTP_URL`."),
    "secret_open": Remedy(_F, "Others on this machine can read a secret.", "`chmod 600` the file; if others had access, `iit access rotate-secret`."),
    "data_dir_missing": Remedy(_N, "The data folder does not exist yet.", "It is made at the first start; set `IIT_DATA_DIR` if it lies elsewhere."),
    "data_dir_unwritable": Remedy(_F, "The service cannot write into its data folder.", "Give the folder to the service's account (`chown`), or mount the disk writable."),
    "disk_nearly_full": Remedy(_W, "A disk is used more than `IIT_DISK_WARN_PERCENT`.", "`iit maintenance weekly`, remove what is not needed, or enlarge the disk."),
    "log_unwritable": Remedy(_F, "The log file cannot be written.", "Make its folder and give it to the service's account, or correct `IIT_LOG_FILE`."),
    "backup_folder_unwritable": Remedy(_F, "Backups cannot be written where they should lie.", "Mount the disk, correct `IIT_BACKUP_TARGET`, or the rights to the folder."),
    "spool_waiting": Remedy(_W, "What waits on disk for a part that was away has not gone for an hour.", "Mend the part it waits for; `iit page --flush`, `iit report flush`."),
    "port_taken": Remedy(_W, "Another program listens on the port.", "Stop it (`ss -ltnp`), or use `--port`."),
    "service_running": Remedy(_N, "The service itself listens on the port.", "Nothing: `/health/detailed` tells how it is."),
    "address_not_bindable": Remedy(_F, "The address is none of this machine's, or the port needs rights.", "Correct `--host`; ports below 1024 need a proxy or rights."),
    "time_zones_missing": Remedy(_F, "The time zone's data cannot be found.", "Install the package tzdata, or correct `IIT_TIME_ZONE`."),
    "openmp_missing": Remedy(_W, "Training needs libgomp.so.1, which neither system nor wheels have.", "`apt-get install libgomp1`; serving goes on without."),
    "certificate_unreadable": Remedy(_F, "A file of `IIT_TLS_CERTIFICATES` holds no certificate.", "Correct the path or the rights; it must be PEM."),
    "certificate_expired": Remedy(_F, "A certificate has expired: nobody connects.", "Renew it and reload what presents it."),
    "certificate_expires": Remedy(_W, "A certificate expires within 21 days.", "Renew it; check why that was not done by itself."),
    "redis_unreachable": Remedy(_W, "Redis does not answer; each worker counts limits by itself.", "Start Redis or correct `IIT_REDIS_URL`."),
    "redis_password": Remedy(_W, "Redis refuses the password.", "Correct the password in `IIT_REDIS_URL`."),
    "redis_full": Remedy(_W, "Redis is full and refuses to write.", "`redis-cli config set maxmemory …`, and in its configuration file."),
    "redis_evicts": Remedy(_W, "Redis may forget counts of limits early.", "Use `volatile-ttl` or `noeviction` with memory enough: nothing here lives long."),
    "model_missing": Remedy(_F, "No model is in service.", "`iit train --model-version v1.0`, or `iit models import` and `promote`."),
    "registry_damaged": Remedy(_F, "registry.json of the models cannot be read.", "`iit restore` the models from a backup."),
    "model_gone": Remedy(_F, "The registry names a model whose folder is gone.", "`iit restore` the models, or `iit models promote` another."),
    "model_altered": Remedy(_F, "A serving model's files are not those that were registered.", "Treat it as an incident; `iit models verify`, `iit restore` the models."),
    "feature_set_unknown": Remedy(_F, "The model was made for other features than this version has.", "Train anew with this version, or run the version it was made with."),
    "database_not_running": Remedy(_W, "The private database does not run, so nothing in it was looked at.", "Start the service (`iit serve`), then ask again."),
    "database_none": Remedy(_N, "There is no private database yet.", "It is made at the first start; set `IIT_DATABASE_URL` to use your own."),
    "database_unreachable": Remedy(_F, "The database cannot be reached.", "Is it running, is the address right, does a firewall stand between? `pg_isready`."),
    "database_password": Remedy(_F, "The database does not let the service in.", "Correct user and password in `IIT_DATABASE_URL`, or pg_hba.conf."),
    "database_missing": Remedy(_F, "The database or role does not exist.", "Create it (`createdb`), or correct the name in `IIT_DATABASE_URL`."),
    "database_full": Remedy(_F, "The server has no connection left.", "Stop what holds them (`pg_stat_activity`), lower `IIT_DB_POOL_SIZE`, use pgbouncer."),
    "database_starting": Remedy(_W, "The server starts or stops.", "Wait; its log tells how far it is."),
    "database_version": Remedy(_F, "The server's version is not supported.", "Use PostgreSQL 15 to 18."),
    "database_encoding": Remedy(_F, "The database does not keep UTF-8.", "Make it anew with `ENCODING 'UTF8'` and restore into it."),
    "database_read_only": Remedy(_W, "Nothing can be written.", "If that is not wished: `ALTER DATABASE … RESET default_transaction_read_only`."),
    "schema_behind": Remedy(_F, "The schema is older than this version.", "`iit db upgrade`."),
    "schema_ahead": Remedy(_F, "The schema is newer than this version.", "Run the version that made it; never change it back by hand."),
    "rights_missing": Remedy(_F, "The application's role lacks rights.", "`iit db upgrade` as owner (`IIT_DATABASE_OWNER_URL`) grants them."),
    "rights_too_wide": Remedy(_W, "A break-in into the service could alter the audit trail.", "Use a role of its own in `IIT_DATABASE_URL`, the owner in `IIT_DATABASE_OWNER_URL`."),
    "index_invalid": Remedy(_W, "An index was broken off while it was made: it slows writing and helps nobody.", "`REINDEX INDEX CONCURRENTLY` it, or drop it."),
    "index_missing": Remedy(_W, "An index of the schema is gone: queries become slow.", "Make it as in `store/schema.py`, `CREATE INDEX CONCURRENTLY`."),
    "extension_missing": Remedy(_N, "Slow statements cannot be ranked.", "`shared_preload_libraries = 'pg_stat_statements'`, restart, `CREATE EXTENSION`."),
    "pool_too_large": Remedy(_W, "All workers together may want more connections than there are.", "Lower `IIT_DB_POOL_SIZE` or `IIT_DB_MAX_OVERFLOW`, raise `max_connections`, or use pgbouncer."),
    "connections_short": Remedy(_W, "Nearly all connections of the server are in use.", "See `pg_stat_activity` for who holds them."),
    "lock_held": Remedy(_W, "Statements wait for a lock.", "`SELECT pg_blocking_pids(pid)` tells who holds it; `pg_terminate_backend` ends it."),
    "transaction_long": Remedy(_W, "Transactions are left open; they hold locks and keep the database from tidying up.", "End them with `pg_terminate_backend`; see who forgot them."),
    "archive_failing": Remedy(_F, "The database's log is not archived: no way back to a moment, and the disk fills.", "See the server's log; make the archive writable."),
    "clock_skew": Remedy(_W, "The clocks of this machine and the database differ by more than 2 s.", "Set both by NTP (`timedatectl`)."),
    "backup_missing": Remedy(_W, "No good backup was ever made.", "`iit backup run`, and put it into cron."),
    "backup_old": Remedy(_W, "The newest good backup is older than 26 hours.", "`iit backup run`; the log of cron tells why it was not made."),
    "backup_failed": Remedy(_W, "The last backup failed.", "Mend what its reason names, then `iit backup run`."),
    "inbox_stuck": Remedy(_F, "Messages wait for more than 5 minutes.", "Is the service running? `iit inbox work` does it by hand and tells errors."),
    "message_key_missing": Remedy(_F, "Stored messages are sealed with a key that is not set, and wait.", "Put the key with this id back into `IIT_MESSAGE_KEY`, behind the present one; then `iit inbox reseal`."),
    "dead_messages": Remedy(_W, "Messages were given up.", "`iit inbox list --state dead` tells why; then `iit inbox retry` or `discard`."),
    "jobs_stuck": Remedy(_W, "Work in the background has stopped or does not begin.", "A service that starts takes it up again; `iit jobs` lists and cancels."),
    "locked_down": Remedy(_W, "The service is locked to all but administrators.", "`iit access unlock` when the emergency is over."),
    "audit_anchor": Remedy(_F, "The audit trail does not go on from its anchor.", "`iit audit verify`; after a restore `iit audit accept-restore`, else an incident."),
    "not_examined": Remedy(_W, "Something did not answer in time.", "Ask again; what hangs is named."),
}  # fmt: skip
"""By the finding's code."""


@dataclass(frozen=True)
class Finding:
    """Something found: its code, what exactly, never a secret or a patient's value."""

    code: str
    reason: str

    @property
    def remedy(self) -> Remedy:
        """What it means and what to do."""
        return REMEDIES[self.code]
