"""Outcomes of predictions."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_GRANTS = """
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'ml_service') AND current_user <> 'ml_service' THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON outcomes, shadow_scores TO ml_service;
  END IF;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "outcomes",
        sa.Column("prediction_id", sa.UUID(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False, comment="returned, interrupted, competing or not_at_risk"),
        sa.Column("label", sa.SmallInteger(), nullable=True, comment="1 interrupted, 0 returned, else NULL"),
        sa.Column("evaluable", sa.Boolean(), nullable=False, comment="may judge a model: label known, window closed"),
        sa.Column("imputed", sa.Boolean(), nullable=False, comment="days supplied are guessed"),
        sa.Column("is_final", sa.Boolean(), nullable=False, comment="only a change of the record changes it"),
        sa.Column("index_on", sa.Date(), nullable=False, comment="pick-up that began the cycle"),
        sa.Column("expected_on", sa.Date(), nullable=False, comment="expected contact as now known"),
        sa.Column("resolved_on", sa.Date(), nullable=False, comment="day on which this became known"),
        sa.Column("judged_on", sa.Date(), nullable=False, comment="nothing known later was used"),
        sa.Column("judged_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["prediction_id"], ["predictions.prediction_id"], name=op.f("fk_outcomes_prediction_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("prediction_id", name=op.f("pk_outcomes")),
    )
    op.create_index("idx_outcomes_expected_on", "outcomes", ["expected_on"], unique=False)
    op.create_table(
        "shadow_scores",
        sa.Column("prediction_id", sa.UUID(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("risk_score", sa.REAL(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["prediction_id"],
            ["predictions.prediction_id"],
            name=op.f("fk_shadow_scores_prediction_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("prediction_id", "model_version", name=op.f("pk_shadow_scores")),
    )
    op.execute(_GRANTS)


def downgrade() -> None:
    op.drop_table("shadow_scores")
    op.drop_index("idx_outcomes_expected_on", table_name="outcomes")
    op.drop_table("outcomes")
