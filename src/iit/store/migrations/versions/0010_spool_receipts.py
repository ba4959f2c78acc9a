"""Which entries of the spool were stored, so that each is stored once."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_GRANTS = """
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'ml_service') AND current_user <> 'ml_service' THEN
    GRANT SELECT, INSERT, DELETE ON spool_receipts TO ml_service;
  END IF;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "spool_receipts",
        sa.Column("entry_id", sa.UUID(), nullable=False, comment="of an entry of the spool that was stored"),
        sa.Column("stored_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_spool_receipts")),
    )
    op.create_index("idx_spool_receipts_stored_at", "spool_receipts", ["stored_at"], unique=False)
    op.execute(_GRANTS)


def downgrade() -> None:
    op.drop_index("idx_spool_receipts_stored_at", table_name="spool_receipts")
    op.drop_table("spool_receipts")
