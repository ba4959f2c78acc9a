"""First tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The application's role may do everything with data, but only add to the audit trail and read it.
_GRANTS = """
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'ml_service') AND current_user <> 'ml_service' THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ml_service;
    REVOKE UPDATE, DELETE ON audit_logs FROM ml_service;
    REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM ml_service;
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ml_service;
  END IF;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_api_keys")),
    )
    op.create_table(
        "audit_logs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_logs")),
    )
    op.create_index("idx_audit_logs_timestamp_type", "audit_logs", ["timestamp", "event_type"], unique=False)
    op.create_table(
        "facilities",
        sa.Column("facility", sa.Text(), nullable=False, comment="DATIM code"),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column(
            "level", sa.SmallInteger(), nullable=True, comment="1 primary, 2 secondary, 3 tertiary; NULL unknown"
        ),
        sa.Column("data_until", sa.Date(), nullable=True, comment="last day covered by an export"),
        sa.Column("last_known_on", sa.Date(), nullable=True, comment="last day on which a fact became known"),
        sa.Column(
            "reporting_lag_days",
            sa.SmallInteger(),
            nullable=True,
            comment="95th percentile of known - happened, last 12 months",
        ),
        sa.Column("context", sa.LargeBinary(), nullable=True, comment="packed facility context (iit.features.context)"),
        sa.Column("context_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("facility", name=op.f("pk_facilities")),
    )
    op.create_table(
        "model_metrics",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("metric_name", sa.Text(), nullable=False),
        sa.Column("metric_value", sa.Double(), nullable=False),
        sa.Column("segment", sa.Text(), server_default="all", nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_metrics")),
    )
    op.create_index("idx_model_metrics_model_date", "model_metrics", ["model_id", "recorded_at"], unique=False)
    op.create_table(
        "predictions",
        sa.Column("prediction_id", sa.UUID(), nullable=False),
        sa.Column("patient_uuid", sa.Text(), nullable=True, comment="NULL for ready features without a patient"),
        sa.Column("facility", sa.Text(), nullable=True),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("expected_on", sa.Date(), nullable=True),
        sa.Column("risk_score", sa.REAL(), nullable=False),
        sa.Column("risk_band", sa.Text(), nullable=False),
        sa.Column("reasons", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("features", postgresql.ARRAY(sa.REAL()), nullable=False),
        sa.Column("feature_set_version", sa.SmallInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="champion, previous or scorecard"),
        sa.Column("data_quality", sa.REAL(), nullable=True),
        sa.Column("warnings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("prediction_id", name=op.f("pk_predictions")),
    )
    op.create_index("idx_predictions_facility_as_of", "predictions", ["facility", "as_of"], unique=False)
    op.create_index("idx_predictions_patient_date", "predictions", ["patient_uuid", "created_at"], unique=False)
    op.create_index("idx_predictions_patient_model", "predictions", ["patient_uuid", "model_version"], unique=False)
    op.create_table(
        "synthetic_truth",
        sa.Column("patient_uuid", sa.Text(), nullable=False),
        sa.Column("index_on", sa.Date(), nullable=False),
        sa.Column("risk", sa.REAL(), nullable=False),
        sa.Column("reachable", postgresql.ARRAY(sa.REAL()), nullable=False, comment="by landmark 0 to 6"),
        sa.PrimaryKeyConstraint("patient_uuid", "index_on", name=op.f("pk_synthetic_truth")),
    )
    op.create_table(
        "users",
        sa.Column("user_name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False, comment="argon2id"),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("user_name", name=op.f("pk_users")),
    )
    op.create_table(
        "patients",
        sa.Column("patient_uuid", sa.Text(), nullable=False),
        sa.Column("facility", sa.Text(), nullable=False),
        sa.Column("birthdate", sa.Date(), nullable=True),
        sa.Column("sex", sa.Text(), nullable=True),
        sa.Column("state_province", sa.Text(), nullable=True),
        sa.Column("city", sa.Text(), nullable=True),
        sa.Column("phone_present", sa.Boolean(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("risk_score", sa.REAL(), nullable=True, comment="latest prediction's risk"),
        sa.Column("risk_band", sa.Text(), nullable=True),
        sa.Column("risk_as_of", sa.Date(), nullable=True),
        sa.Column("expected_on", sa.Date(), nullable=True, comment="expected contact of the latest prediction"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["facility"], ["facilities.facility"], name=op.f("fk_patients_facility")),
        sa.PrimaryKeyConstraint("patient_uuid", name=op.f("pk_patients")),
    )
    op.create_index("idx_patients_created_at", "patients", ["created_at"], unique=False)
    op.create_index("idx_patients_facility_risk", "patients", ["facility", "risk_score"], unique=False)
    op.create_index("idx_patients_state_date", "patients", ["state_province", "created_at"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_name", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_name"], ["users.user_name"], name=op.f("fk_sessions_user_name"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sessions")),
    )
    op.create_table(
        "events",
        sa.Column("patient_uuid", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False, comment="the source's row number: order within a day"),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("numeric_value", sa.Double(), nullable=True),
        sa.Column("text_value", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["patient_uuid"], ["patients.patient_uuid"], name=op.f("fk_events_patient_uuid"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("patient_uuid", "source", "source_id", name=op.f("pk_events")),
    )
    op.create_table(
        "records",
        sa.Column("patient_uuid", sa.Text(), nullable=False),
        sa.Column("facility", sa.Text(), nullable=False),
        sa.Column(
            "facts", sa.LargeBinary(), nullable=False, comment="the events as packed columns (iit.features.columns)"
        ),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("exported_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["patient_uuid"], ["patients.patient_uuid"], name=op.f("fk_records_patient_uuid"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("patient_uuid", name=op.f("pk_records")),
    )
    op.create_index("idx_records_facility", "records", ["facility"], unique=False)
    op.execute(_GRANTS)


def downgrade() -> None:
    op.drop_index("idx_records_facility", table_name="records")
    op.drop_table("records")
    op.drop_table("events")
    op.drop_table("sessions")
    op.drop_index("idx_patients_state_date", table_name="patients")
    op.drop_index("idx_patients_facility_risk", table_name="patients")
    op.drop_index("idx_patients_created_at", table_name="patients")
    op.drop_table("patients")
    op.drop_table("users")
    op.drop_table("synthetic_truth")
    op.drop_index("idx_predictions_patient_model", table_name="predictions")
    op.drop_index("idx_predictions_patient_date", table_name="predictions")
    op.drop_index("idx_predictions_facility_as_of", table_name="predictions")
    op.drop_table("predictions")
    op.drop_index("idx_model_metrics_model_date", table_name="model_metrics")
    op.drop_table("model_metrics")
    op.drop_table("facilities")
    op.drop_index("idx_audit_logs_timestamp_type", table_name="audit_logs")
    op.drop_table("audit_logs")
    op.drop_table("api_keys")
