"""Messages may be sealed; each knows with which key.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    comment = "which key the message is sealed with; NULL as it came"
    op.add_column("inbox", sa.Column("key_id", sa.Text(), comment=comment))


def downgrade() -> None:
    op.drop_column("inbox", "key_id")
