"""Whether the doors are shut for maintenance."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_GRANTS = """
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'ml_service') AND current_user <> 'ml_service' THEN
    GRANT SELECT ON maintenance_mode TO ml_service;
  END IF;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "maintenance_mode",
        sa.Column("is_on", sa.Boolean(), nullable=False, comment="one row while the doors are shut, else none"),
        sa.Column("message", sa.Text(), nullable=False, comment="what callers are told"),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("is_on", name=op.f("ck_maintenance_mode_one_row")),
        sa.PrimaryKeyConstraint("is_on", name=op.f("pk_maintenance_mode")),
    )
    op.execute(_GRANTS)


def downgrade() -> None:
    op.drop_table("maintenance_mode")
