"""Inbox of messages, and patients by their identifiers."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_GRANTS = """
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'ml_service') AND current_user <> 'ml_service' THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON inbox, patient_identifiers TO ml_service;
    GRANT USAGE ON SEQUENCE inbox_id_seq TO ml_service;
  END IF;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "patient_identifiers",
        sa.Column(
            "identifier_hash", sa.LargeBinary(), nullable=False, comment="keyed hash of an identifier and its scope"
        ),
        sa.Column("patient_uuid", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["patient_uuid"],
            ["patients.patient_uuid"],
            name=op.f("fk_patient_identifiers_patient_uuid"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("identifier_hash", name=op.f("pk_patient_identifiers")),
    )
    op.create_index("idx_patient_identifiers_patient", "patient_identifiers", ["patient_uuid"], unique=False)
    op.create_table(
        "inbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False, comment="MSH-3/MSH-4"),
        sa.Column("control_id", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("message_type", sa.Text(), nullable=False),
        sa.Column(
            "patient_key",
            sa.LargeBinary(),
            nullable=True,
            comment="keyed hash: messages with the same one are processed in order",
        ),
        sa.Column("shard", sa.SmallInteger(), nullable=False, comment="one worker at a time works on a shard"),
        sa.Column("raw", sa.LargeBinary(), nullable=True, comment="the message, until it is done or discarded"),
        sa.Column("state", sa.Text(), nullable=False, comment="waiting, done, ignored, dead or discarded"),
        sa.Column("tries", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
    )
    op.create_index("uq_inbox_key", "inbox", ["sender", "control_id", "content_hash"], unique=True)
    op.create_index(
        "idx_inbox_waiting", "inbox", ["shard", "id"], unique=False, postgresql_where=sa.text("state = 'waiting'")
    )
    op.create_index(
        "idx_inbox_resting",
        "inbox",
        ["next_try_at"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting' AND tries > 0"),
    )
    op.create_index("idx_inbox_dead", "inbox", ["id"], unique=False, postgresql_where=sa.text("state = 'dead'"))
    op.execute(_GRANTS)


def downgrade() -> None:
    op.drop_table("inbox")
    op.drop_table("patient_identifiers")
