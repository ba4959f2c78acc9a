"""Chain of the audit trail: who asked from where, an HMAC over each row and the one before, its head; and erasures."""

import hashlib
import hmac
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_GRANTS = """
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'ml_service') AND current_user <> 'ml_service' THEN
    REVOKE ALL ON audit_logs, audit_heads FROM ml_service;
    GRANT SELECT, INSERT ON audit_logs TO ml_service;
    GRANT SELECT, UPDATE ON audit_heads TO ml_service;
    GRANT SELECT, INSERT, DELETE ON erasures TO ml_service;
  END IF;
END $$
"""

# As `iit.store.chain` seals a row; kept apart from it, since a migration never changes.
_LINES = """
COPY (SELECT seq, extract(epoch FROM "timestamp"), event_type, actor, action, target, outcome, detail, patients,
             address, request_id, purpose, key_id
      FROM audit_logs ORDER BY seq) TO STDOUT
"""


def upgrade() -> None:
    op.execute("LOCK TABLE audit_logs IN ACCESS EXCLUSIVE MODE")
    op.execute("ALTER TABLE audit_logs ALTER COLUMN id DROP IDENTITY")
    op.alter_column("audit_logs", "id", new_column_name="seq", comment="1, 2, 3 … without a gap")
    op.alter_column("audit_logs", "timestamp", server_default=None)
    op.alter_column(
        "audit_logs", "detail", type_=postgresql.JSON(), postgresql_using="detail::json",
        comment="json, not jsonb: the text is sealed as it is",
    )  # fmt: skip
    op.add_column(
        "audit_logs",
        sa.Column(
            "patients",
            postgresql.JSON(),
            comment="patient_uuid of all concerned where the target does not name the one",
        ),
    )
    for name in ("address", "request_id", "purpose", "key_id"):
        op.add_column("audit_logs", sa.Column(name, sa.Text(), nullable=False, server_default=_FILLED.get(name, "")))
        op.alter_column("audit_logs", name, server_default=None)
    for name, comment in (("prev_hash", None), ("hash", "HMAC-SHA256 of the row and prev_hash (iit.store.chain)")):
        op.add_column("audit_logs", sa.Column(name, sa.LargeBinary(), comment=comment))
    seq, last = _seal_what_is_there()
    for name in ("prev_hash", "hash"):
        op.alter_column("audit_logs", name, nullable=False)
    op.create_index("idx_audit_logs_target", "audit_logs", ["target", "timestamp"])
    op.create_index("idx_audit_logs_actor", "audit_logs", ["actor", "timestamp"])
    heads = op.create_table(
        "audit_heads",
        sa.Column("chain", sa.SmallInteger(), autoincrement=False, nullable=False, comment="always 1"),
        sa.Column("seq", sa.BigInteger(), nullable=False, comment="of the last row of audit_logs"),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("chain", name=op.f("pk_audit_heads")),
    )
    op.bulk_insert(heads, [{"chain": 1, "seq": seq, "hash": last}])
    op.create_table(
        "erasures",
        sa.Column(
            "patient_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the patient_uuid of who was erased"
        ),
        sa.Column("erased_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("patient_hash", name=op.f("pk_erasures")),
    )
    op.execute(_GRANTS)


_FILLED = {"purpose": "unstated", "key_id": "genesis"}


def _seal_what_is_there() -> tuple[int, bytes]:
    """Number the rows without gaps and chain them under a key that anyone knows; what follows holds them."""
    connection = op.get_bind()
    connection.exec_driver_sql(
        "CREATE TEMPORARY TABLE numbered ON COMMIT DROP AS "
        "SELECT seq AS was, row_number() OVER (ORDER BY seq) AS seq FROM audit_logs"
    )
    # By way of negative numbers: no row ever takes the number of another.
    connection.exec_driver_sql("UPDATE audit_logs SET seq = -n.seq FROM numbered n WHERE audit_logs.seq = n.was")
    connection.exec_driver_sql("UPDATE audit_logs SET seq = -seq")
    last, sealed = bytes(32), []
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(_LINES) as copy:
        for data in copy:
            line = bytes(data).rstrip(b"\n") + b"\t\\\\x" + last.hex().encode()
            digest = hmac.digest(b"genesis", line, hashlib.sha256)
            sealed.append((int(line[: line.index(b"\t")]), last, digest))
            last = digest
    with driver.cursor() as cursor:
        cursor.executemany("UPDATE audit_logs SET prev_hash = %s, hash = %s WHERE seq = %s",
                           [(prev, digest, seq) for seq, prev, digest in sealed])  # fmt: skip
    return len(sealed), last


def downgrade() -> None:
    op.drop_table("erasures")
    op.drop_table("audit_heads")
    op.drop_index("idx_audit_logs_actor", table_name="audit_logs")
    op.drop_index("idx_audit_logs_target", table_name="audit_logs")
    for name in ("hash", "prev_hash", "key_id", "purpose", "request_id", "address", "patients"):
        op.drop_column("audit_logs", name)
    op.alter_column("audit_logs", "detail", type_=postgresql.JSONB(), postgresql_using="detail::jsonb", comment=None)
    op.alter_column("audit_logs", "timestamp", server_default=sa.text("now()"))
    op.alter_column("audit_logs", "seq", new_column_name="id", comment=None)
    op.execute("ALTER TABLE audit_logs ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY")
    op.execute(
        "SELECT setval(pg_get_serial_sequence('audit_logs', 'id'), coalesce(max(id), 0) + 1, false) FROM audit_logs"
    )
