"""Facilities know the day of their latest list, which predictions asked for singly do not move.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_NAME = "listed_on"


def upgrade() -> None:
    comment = "latest day on which everyone at risk there was scored"
    op.add_column("facilities", sa.Column(_NAME, sa.Date(), comment=comment))


def downgrade() -> None:
    op.drop_column("facilities", _NAME)
