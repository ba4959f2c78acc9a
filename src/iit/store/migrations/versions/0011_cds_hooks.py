"""What people did about a risk, and tokens of EMRs that were shown once."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_GRANTS = """
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'ml_service') AND current_user <> 'ml_service' THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON outreach, seen_tokens TO ml_service;
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ml_service;
  END IF;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "outreach",
        sa.Column("outreach_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("patient_uuid", sa.Text(), nullable=False),
        sa.Column("prediction_id", sa.UUID(), nullable=True, comment="which prediction it answers"),
        sa.Column("kind", sa.Text(), nullable=False, comment="accepted or overridden"),
        sa.Column("reason", sa.Text(), nullable=True, comment="code of the reason of an override"),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="through what, for example cds:iit-risk"),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["prediction_id"],
            ["predictions.prediction_id"],
            name=op.f("fk_outreach_prediction_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("outreach_id", name=op.f("pk_outreach")),
    )
    op.create_index("uq_outreach_act", "outreach", ["prediction_id", "kind", "source", "happened_at"], unique=True)
    op.create_index("idx_outreach_patient_date", "outreach", ["patient_uuid", "happened_at"], unique=False)
    op.create_table(
        "seen_tokens",
        sa.Column(
            "token_hash", sa.LargeBinary(), nullable=False, comment="keyed hash of issuer and id of a token of others"
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_seen_tokens")),
    )
    op.create_index("idx_seen_tokens_expires_at", "seen_tokens", ["expires_at"], unique=False)
    op.execute(_GRANTS)


def downgrade() -> None:
    op.drop_table("seen_tokens")
    op.drop_table("outreach")
