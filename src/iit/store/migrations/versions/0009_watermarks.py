"""How far the records of other systems have been read."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_GRANTS = """
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'ml_service') AND current_user <> 'ml_service' THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON watermarks TO ml_service;
  END IF;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "watermarks",
        sa.Column("source", sa.Text(), nullable=False, comment="address without user and password"),
        sa.Column(
            "changed_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="all that changed there before this is kept here",
        ),
        sa.Column(
            "reading_since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="of the reading under way; NULL reads everything",
        ),
        sa.Column(
            "reading_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when that reading began; NULL where none is under way",
        ),
        sa.Column(
            "position", sa.Text(), nullable=True, comment="the last patient of that reading whose facts are kept"
        ),
        sa.Column(
            "finished_at", sa.DateTime(timezone=True), nullable=True, comment="when a reading last came to its end"
        ),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_watermarks")),
    )
    op.execute(_GRANTS)


def downgrade() -> None:
    op.drop_table("watermarks")
