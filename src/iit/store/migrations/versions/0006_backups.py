"""Backups and the log of maintenance."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# What was done is added, never changed: the log has no UPDATE for the application's role.
_GRANTS = """
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'ml_service') AND current_user <> 'ml_service' THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON backups TO ml_service;
    GRANT SELECT, INSERT ON maintenance_log TO ml_service;
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ml_service;
  END IF;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "backups",
        sa.Column("backup_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="full, incremental, logical or models"),
        sa.Column("state", sa.Text(), nullable=False, comment="running, good or failed"),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True, comment="sealed size"),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it failed"),
        sa.PrimaryKeyConstraint("backup_id", name=op.f("pk_backups")),
    )
    op.create_index("idx_backups_kind_finished", "backups", ["kind", "finished_at"], unique=False)
    op.create_table(
        "maintenance_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column(
            "task", sa.Text(), nullable=False, comment="for example backup full, restore rehearsal, maintenance daily"
        ),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False, comment="ok or failed"),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maintenance_log")),
    )
    op.create_index("idx_maintenance_log_task_finished", "maintenance_log", ["task", "finished_at"], unique=False)
    op.execute(_GRANTS)


def downgrade() -> None:
    op.drop_index("idx_maintenance_log_task_finished", table_name="maintenance_log")
    op.drop_table("maintenance_log")
    op.drop_index("idx_backups_kind_finished", table_name="backups")
    op.drop_table("backups")
