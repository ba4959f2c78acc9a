"""Scopes, refresh tokens, narrowed keys, login attempts, blocked addresses and the lock-down."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_GRANTS = """
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'ml_service') AND current_user <> 'ml_service' THEN
    GRANT SELECT, INSERT, UPDATE, DELETE
      ON refresh_tokens, facility_access, login_attempts, blocked_addresses, lockdown TO ml_service;
  END IF;
END $$
"""
_SEES = "else `facility_access` says whom"


def _moment(name: str, *, comment: str | None = None) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True, comment=comment)


def _now(name: str) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def _sees_everything() -> "sa.Column[object]":
    return sa.Column("sees_everything", sa.Boolean(), server_default=sa.true(), nullable=False, comment=_SEES)


def upgrade() -> None:
    op.add_column("users", _sees_everything())
    op.add_column("users", _moment("last_login_at"))
    op.add_column("sessions", _now("last_used_at"))
    op.add_column("api_keys", sa.Column("role", sa.Text(), server_default="integration", nullable=False))
    op.add_column(
        "api_keys",
        sa.Column(
            "actions",
            postgresql.ARRAY(sa.Text()),
            nullable=True,
            comment="the only actions it may do of its role's; NULL means all",
        ),
    )
    op.add_column("api_keys", _sees_everything())
    op.add_column("api_keys", sa.Column("created_by", sa.Text(), server_default="", nullable=False))
    op.add_column("api_keys", _moment("last_used_at", comment="to the minute"))
    op.create_table(
        "refresh_tokens",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("family", sa.UUID(), nullable=False, comment="all tokens that came of one login"),
        sa.Column("user_name", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        _moment("used_at", comment="when it was exchanged; a second time revokes the family"),
        _moment("revoked_at"),
        _now("created_at"),
        sa.ForeignKeyConstraint(
            ["user_name"], ["users.user_name"], name=op.f("fk_refresh_tokens_user_name"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_refresh_tokens")),
    )
    op.create_index("idx_refresh_tokens_family", "refresh_tokens", ["family"])
    op.create_index("idx_refresh_tokens_user_name", "refresh_tokens", ["user_name"])
    op.create_table(
        "facility_access",
        sa.Column("holder", sa.Text(), nullable=False, comment="user:<name> or key:<id>"),
        sa.Column("kind", sa.Text(), nullable=False, comment="facility or state"),
        sa.Column("place", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("holder", "kind", "place", name=op.f("pk_facility_access")),
    )
    op.create_table(
        "login_attempts",
        sa.Column(
            "bucket", sa.LargeBinary(), nullable=False, comment="keyed hash of address and name, or of a known device"
        ),
        sa.Column("failures", sa.Integer(), nullable=False, comment="since the last success"),
        _moment("last_failure_at"),
        _moment("last_success_at"),
        sa.PrimaryKeyConstraint("bucket", name=op.f("pk_login_attempts")),
    )
    op.create_table(
        "blocked_addresses",
        sa.Column("network", postgresql.CIDR(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("blocked_by", sa.Text(), nullable=False),
        _now("created_at"),
        sa.PrimaryKeyConstraint("network", name=op.f("pk_blocked_addresses")),
    )
    op.create_table(
        "lockdown",
        sa.Column("locked", sa.Boolean(), nullable=False, comment="one row while the service is locked, else none"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("locked_by", sa.Text(), nullable=False),
        _now("created_at"),
        sa.CheckConstraint("locked", name=op.f("ck_lockdown_one_row")),
        sa.PrimaryKeyConstraint("locked", name=op.f("pk_lockdown")),
    )
    op.execute(_GRANTS)


def downgrade() -> None:
    for table in ("lockdown", "blocked_addresses", "login_attempts", "facility_access", "refresh_tokens"):
        op.drop_table(table)
    for column in ("last_used_at", "created_by", "sees_everything", "actions", "role"):
        op.drop_column("api_keys", column)
    op.drop_column("sessions", "last_used_at")
    op.drop_column("users", "last_login_at")
    op.drop_column("users", "sees_everything")
