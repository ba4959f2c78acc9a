"""The tables. Alembic's migrations make them; a test proves that both agree."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, REAL, UUID

metadata = MetaData(
    naming_convention={
        "ix": "idx_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_now = func.now()


def _moment(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=_now)


facilities = Table(
    "facilities",
    metadata,
    Column("facility", Text, primary_key=True, comment="DATIM code"),
    Column("name", Text),
    Column("level", SmallInteger, comment="1 primary, 2 secondary, 3 tertiary; NULL unknown"),
    Column("data_until", Date, comment="last day covered by an export"),
    Column("last_known_on", Date, comment="last day on which a fact became known"),
    Column("reporting_lag_days", SmallInteger, comment="95th percentile of known - happened, last 12 months"),
    Column("context", LargeBinary, comment="packed facility context (iit.features.context)"),
    Column("context_at", DateTime(timezone=True)),
    _moment("created_at"),
)

patients = Table(
    "patients",
    metadata,
    Column("patient_uuid", Text, primary_key=True),
    Column("facility", Text, ForeignKey("facilities.facility"), nullable=False),
    Column("birthdate", Date),
    Column("sex", Text),
    Column("state_province", Text),
    Column("city", Text),
    Column("phone_present", Boolean),
    Column("status", Text, nullable=False),
    Column("risk_score", REAL, comment="latest prediction's risk"),
    Column("risk_band", Text),
    Column("risk_as_of", Date),
    Column("expected_on", Date, comment="expected contact of the latest prediction"),
    _moment("created_at"),
    _moment("updated_at"),
    Index("idx_patients_created_at", "created_at"),
    Index("idx_patients_state_date", "state_province", "created_at"),
    Index("idx_patients_facility_risk", "facility", "risk_score"),
)

events = Table(
    "events",
    metadata,
    Column("patient_uuid", Text, ForeignKey("patients.patient_uuid", ondelete="CASCADE"), primary_key=True),
    Column("source", Text, primary_key=True),
    Column("source_id", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False, comment="the source's row number: order within a day"),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("known_at", DateTime(timezone=True), nullable=False),
    Column("code", Text, nullable=False),
    Column("numeric_value", Double),
    Column("text_value", Text),
)

records = Table(
    "records",
    metadata,
    Column("patient_uuid", Text, ForeignKey("patients.patient_uuid", ondelete="CASCADE"), primary_key=True),
    Column("facility", Text, nullable=False),
    Column("facts", LargeBinary, nullable=False, comment="the events as packed columns (iit.features.columns)"),
    Column("content_hash", LargeBinary, nullable=False),
    Column("exported_at", DateTime(timezone=True)),
    Index("idx_records_facility", "facility"),
)

predictions = Table(
    "predictions",
    metadata,
    Column("prediction_id", UUID(as_uuid=True), primary_key=True),
    Column("patient_uuid", Text, comment="NULL for ready features without a patient"),
    Column("facility", Text),
    Column("model_version", Text, nullable=False),
    Column("as_of", Date, nullable=False),
    Column("expected_on", Date),
    Column("risk_score", REAL, nullable=False),
    Column("risk_band", Text, nullable=False),
    Column("reasons", JSONB, nullable=False),
    Column("features", ARRAY(REAL), nullable=False),
    Column("feature_set_version", SmallInteger, nullable=False),
    Column("source", Text, nullable=False, comment="champion, previous or scorecard"),
    Column("data_quality", REAL),
    Column("warnings", JSONB, nullable=False),
    Column("requested_by", Text, nullable=False),
    _moment("created_at"),
    Index("idx_predictions_patient_model", "patient_uuid", "model_version"),
    Index("idx_predictions_patient_date", "patient_uuid", "created_at"),
    Index("idx_predictions_facility_as_of", "facility", "as_of"),
)

model_metrics = Table(
    "model_metrics",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("model_id", Text, nullable=False),
    Column("metric_name", Text, nullable=False),
    Column("metric_value", Double, nullable=False),
    Column("segment", Text, nullable=False, server_default="all"),
    _moment("recorded_at"),
    Index("idx_model_metrics_model_date", "model_id", "recorded_at"),
)

synthetic_truth = Table(
    "synthetic_truth",
    metadata,
    Column("patient_uuid", Text, primary_key=True),
    Column("index_on", Date, primary_key=True),
    Column("risk", REAL, nullable=False),
    Column("reachable", ARRAY(REAL), nullable=False, comment="by landmark 0 to 6"),
)

users = Table(
    "users",
    metadata,
    Column("user_name", Text, primary_key=True),
    Column("password_hash", Text, nullable=False, comment="argon2id"),
    Column("role", Text, nullable=False),
    Column("disabled_at", DateTime(timezone=True)),
    _moment("created_at"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("user_name", Text, ForeignKey("users.user_name", ondelete="CASCADE"), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    _moment("created_at"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("label", Text, nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    _moment("created_at"),
)

audit_logs = Table(
    "audit_logs",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    _moment("timestamp"),
    Column("event_type", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
    Index("idx_audit_logs_timestamp_type", "timestamp", "event_type"),
)

backups = Table(
    "backups",
    metadata,
    Column("backup_id", Text, primary_key=True),
    Column("kind", Text, nullable=False, comment="full, incremental, logical or models"),
    Column("state", Text, nullable=False, comment="running, good or failed"),
    Column("target", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True)),
    Column("bytes", BigInteger, comment="sealed size"),
    Column("reason", Text, comment="why it failed"),
    Index("idx_backups_kind_finished", "kind", "finished_at"),
)

maintenance_log = Table(
    "maintenance_log",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("task", Text, nullable=False, comment="for example backup full, restore rehearsal, maintenance daily"),
    Column("actor", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True), nullable=False),
    Column("outcome", Text, nullable=False, comment="ok or failed"),
    Column("detail", JSONB, nullable=False),
    Index("idx_maintenance_log_task_finished", "task", "finished_at"),
)
