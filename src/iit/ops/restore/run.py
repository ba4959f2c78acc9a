"""Bringing the service back: to a moment, to a day in isolation, or in rehearsal."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from iit.domain.errors import Conflict, InvalidInput, NotFound
from iit.ops.backup.catalog import PHYSICAL, Vault, chain, newest
from iit.ops.backup.manifest import Manifest
from iit.ops.integrity import Finding
from iit.ops.restore import choice
from iit.ops.restore.beside import Restored, RestorePlan, remove_folder, restore_beside
from iit.ops.restore.logical import load_dump
from iit.ops.restore.models import restore_models
from iit.ops.restore.settle import settle
from iit.ops.restore.target import RecoveryTarget
from iit.ops.restore.validate import validate
from iit.store import databases
from iit.store.embedded import exchange
from iit.store.embedded.cluster import Cluster

Say = Callable[[str], None]


@dataclass(frozen=True)
class Report:
    """What a restore did.

    Attributes:
        backup_id: the backup it began from.
        data_dir: where the restored data lie.
        old_data: where the data before lie; None if nothing was replaced.
        last_commit: time of the newest transaction in it, as the server tells it.
        rows: number of rows of each table.
        findings: what is wrong with it.
        seconds: by step, and in all.
    """

    backup_id: str
    data_dir: Path
    old_data: Path | None = None
    last_commit: str | None = None
    rows: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Restorer:
    """Restores backups of one installation.

    Attributes:
        vault: where backups lie.
        data_dir: the installation's data folder.
        models: its folder of models.
        log_folders: where its log is kept outside the data folder; the first is the archive.
        postgres_bin: programs to use; else they are found.
        zone: of the facilities.
        now: the present time.
        server_settings: more settings of restored servers while they are checked.
    """

    vault: Vault
    data_dir: Path
    models: Path
    log_folders: tuple[Path, ...]
    postgres_bin: Path | None
    zone: ZoneInfo
    now: Callable[[], datetime]
    server_settings: Mapping[str, str] = field(default_factory=dict)

    def base(self, target: RecoveryTarget, backup_id: str | None = None) -> list[Manifest]:
        """Return the backups that a restore to a moment takes, the full one first.

        Raises:
            NotFound: no backup reaches back that far, or the one named is gone.
        """
        found, _ = self.vault.manifests()
        chosen = choice.base_for(found, target) if backup_id is None else self.vault.manifest(backup_id)
        if chosen.kind not in PHYSICAL:
            raise InvalidInput("is no backup of a whole server", place=chosen.backup_id)
        return chain(found, chosen)

    def recover(
        self, target: RecoveryTarget, *, backup_id: str | None = None, keep_beside: bool, say: Say = lambda _: None
    ) -> Report:
        """Restore to a moment beside what serves, check it, and put it in its place unless `keep_beside`.

        Raises:
            Conflict: the private server is in use and is to be replaced: stop the service first.
            NotFound: the moment is out of reach. InvalidInput: the backup, the log or the result is damaged; a
                damaged result stays beside.
        """
        links = self.base(target, backup_id)
        if not keep_beside and exchange.is_in_use(self.data_dir):
            raise Conflict("the private server is in use: stop the service first", place="restore")
        if not self.log_folders and target != RecoveryTarget(is_immediate=True):
            raise NotFound(
                "no log is kept (IIT_WAL_ARCHIVE_DIR): only the backup's own state can be had", place="restore"
            )
        missing = [str(one) for one in self.log_folders if not one.is_dir()]
        if missing and not target.is_immediate:
            raise NotFound("is missing: without it commits would be lost silently", place=", ".join(missing))
        if exchange.is_in_use(self.data_dir):
            settle(self.data_dir, self.postgres_bin, self.zone.key, sleep=time.sleep)
        report = self._beside(links, target, self.data_dir / "restores" / self._stamp(), say)
        if report.findings:
            reasons = "; ".join(one.reason for one in report.findings)
            raise InvalidInput(f"the restored data are damaged and stay beside: {reasons}", place=str(report.data_dir))
        if keep_beside:
            return report
        say("putting the restored data in place")
        old = exchange.exchange(
            self.data_dir, report.data_dir, label=self._stamp(), postgres_bin=self.postgres_bin,
            archive=self.log_folders[0] if self.log_folders else None,
        )  # fmt: skip
        remove_folder(report.data_dir)
        return Report(**{**vars(report), "data_dir": self.data_dir, "old_data": old})

    def isolate(self, namespace: str, day: date, *, say: Say = lambda _: None) -> Report:
        """Restore the last backup of a day into a data folder of its own, with the models of that day.

        Raises:
            Conflict: the namespace exists. NotFound: there is no backup of that day.
        """
        folder = self.namespace(namespace)
        if folder.exists():
            raise Conflict("exists already: remove it first", place=f"namespace {namespace}")
        found, _ = self.vault.manifests()
        chosen = choice.of_day(found, day, zone=self.zone, kinds=(*PHYSICAL, "logical"))
        if chosen.kind == "logical":
            report = self._load_isolated(chosen, folder)
        else:
            report = self._beside(chain(found, chosen), RecoveryTarget(is_immediate=True), folder, say)
        try:
            models = newest(found, ("models",), until=datetime.combine(day, datetime.max.time(), self.zone))
        except NotFound:
            say("no backup holds models of that day: the namespace has none")
        else:
            restore_models(self.vault, models, folder / "models", label=self._stamp())
        return report

    def namespace(self, name: str) -> Path:
        """Return the data folder of a namespace."""
        return self.data_dir / "namespaces" / choice.check_namespace(name)

    def rehearse(self, *, say: Say = lambda _: None) -> Report:
        """Restore the newest backup beside what serves, check and time it, and remove it again."""
        found, _ = self.vault.manifests()
        links = chain(found, newest(found, PHYSICAL))
        folder = self.data_dir / "namespaces" / f"rehearsal-{self._stamp()}"
        report = self._beside(links, RecoveryTarget(is_immediate=True), folder, say)
        remove_folder(folder)
        return report

    def _beside(self, links: list[Manifest], target: RecoveryTarget, folder: Path, say: Say) -> Report:
        began = time.monotonic()
        own_log = None
        if not exchange.is_in_use(self.data_dir):
            own_log = exchange.log_folder(self.data_dir, links[-1].server["system_identifier"])
        plan = RestorePlan(
            links=links, data_dir=folder, target=target, postgres_bin=self.postgres_bin, passwords_from=self.data_dir,
            server_settings=self.server_settings,
            log_folders=() if target.is_immediate else (*self.log_folders, *([own_log] if own_log else [])),
        )  # fmt: skip
        restored: Restored = restore_beside(self.vault, plan, say=say)
        say("checking the restored data")
        checked = time.monotonic()
        findings, rows = validate(
            folder, time_zone=self.zone.key, postgres_bin=self.postgres_bin,
            rows=links[-1].rows if target.is_immediate else None, server_settings=self.server_settings,
        )  # fmt: skip
        now = time.monotonic()
        seconds = {**restored.seconds, "check": round(now - checked, 2), "all": round(now - began, 2)}
        return Report(links[-1].backup_id, folder, None, restored.recovered.last_commit, rows, findings, seconds)

    def _load_isolated(self, manifest: Manifest, folder: Path) -> Report:
        began = time.monotonic()
        folder.mkdir(parents=True)
        is_done = False
        try:
            cluster = Cluster(folder, postgres_bin=self.postgres_bin, extra_settings=self.server_settings)
            with cluster.running() as urls:
                load_dump(
                    self.vault, manifest, urls.owner_url, name="restored", postgres_bin=self.postgres_bin,
                    time_zone=self.zone.key,
                )  # fmt: skip
                databases.exchange(urls.owner_url, "restored", keep_as="empty")
                databases.drop(urls.owner_url, "empty")
            is_done = True
        finally:
            if not is_done:
                remove_folder(folder)
        rows = {table: after for table, (_, after) in manifest.rows.items()}
        return Report(manifest.backup_id, folder, rows=rows, seconds={"all": round(time.monotonic() - began, 2)})

    def _stamp(self) -> str:
        return f"{self.now().astimezone(UTC):%Y%m%dt%H%M%S}"
