"""Predictions by their day, for searches that name no patient. Built beside writers: the table may be large."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_NAME = "idx_predictions_as_of"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {_NAME}")  # what an interrupted run left is of no use
        op.create_index(_NAME, "predictions", ["as_of", "prediction_id"], unique=False, postgresql_concurrently=True)


def downgrade() -> None:
    op.drop_index(_NAME, table_name="predictions")
