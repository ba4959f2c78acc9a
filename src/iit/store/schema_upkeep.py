"""The tables of upkeep and of what is read elsewhere."""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, DateTime, Identity, Index, Table, Text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from iit.store.schema_base import metadata, moment

watermarks = Table(
    "watermarks",
    metadata,
    Column("source", Text, primary_key=True, comment="address without user and password"),
    Column("changed_until", DateTime(timezone=True), comment="all that changed there before this is kept here"),
    Column("reading_since", DateTime(timezone=True), comment="of the reading under way; NULL reads everything"),
    Column("reading_until", DateTime(timezone=True), comment="when that reading began; NULL where none is under way"),
    Column("position", Text, comment="the last patient of that reading whose facts are kept"),
    Column("finished_at", DateTime(timezone=True), comment="when a reading last came to its end"),
)

backups = Table(
    "backups",
    metadata,
    Column("backup_id", Text, primary_key=True),
    Column("kind", Text, nullable=False, comment="full, incremental, logical or models"),
    Column("state", Text, nullable=False, comment="running, good or failed"),
    Column("target", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True)),
    Column("bytes", BigInteger, comment="sealed size"),
    Column("reason", Text, comment="why it failed"),
    Index("idx_backups_kind_finished", "kind", "finished_at"),
)

maintenance_log = Table(
    "maintenance_log",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("task", Text, nullable=False, comment="for example backup full, restore rehearsal, maintenance daily"),
    Column("actor", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True), nullable=False),
    Column("outcome", Text, nullable=False, comment="ok or failed"),
    Column("detail", JSONB, nullable=False),
    Index("idx_maintenance_log_task_finished", "task", "finished_at"),
)

spool_receipts = Table(
    "spool_receipts",
    metadata,
    Column("entry_id", UUID(as_uuid=True), primary_key=True, comment="of an entry of the spool that was stored"),
    moment("stored_at"),
    Index("idx_spool_receipts_stored_at", "stored_at"),
)

maintenance_mode = Table(
    "maintenance_mode",
    metadata,
    Column("is_on", Boolean, primary_key=True, comment="one row while the doors are shut, else none"),
    Column("message", Text, nullable=False, comment="what callers are told"),
    Column("set_by", Text, nullable=False),
    moment("created_at"),
    CheckConstraint("is_on", name="ck_maintenance_mode_one_row"),
)
