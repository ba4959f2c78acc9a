"""Backups of a private server: made, restored beside it, and found damaged when they are."""

from tests.sites import FAST, Site

from iit.bootstrap import backup_maker, open_vault
from iit.ops.backup.catalog import chain
from iit.ops.backup.fetch import verify
from iit.ops.restore.beside import RestorePlan, remove_folder, restore_beside
from iit.ops.restore.target import RecoveryTarget
from iit.store.embedded.cluster import Cluster


def test_a_full_backup_comes_back_with_every_row(site: Site) -> None:
    with backup_maker(site.settings) as maker:
        manifest = maker.run("full", actor="test")
    assert manifest.rows["patients"] == (500, 500)
    vault = open_vault(site.settings)
    assert verify(vault, manifest.backup_id) == []
    beside = site.settings.data_dir / "namespaces" / "first"
    plan = RestorePlan(
        links=chain([manifest], manifest), data_dir=beside, target=RecoveryTarget(is_immediate=True),
        postgres_bin=site.settings.postgres_bin,
    )  # fmt: skip
    restored = restore_beside(vault, plan)
    assert restored.manifest == manifest
    with Cluster(beside, postgres_bin=site.settings.postgres_bin, extra_settings=FAST).running() as urls:
        there = Site(beside, site.settings, site.cluster, urls)
        assert there.sql("SELECT count(*) FROM patients") == [(500,)]
    remove_folder(beside)
