"""The tables. Alembic's migrations make them; a test proves that both agree."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    false,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, CIDR, JSON, JSONB, REAL, UUID

from iit.store.schema_base import metadata as metadata
from iit.store.schema_base import moment, now
from iit.store.schema_upkeep import backups as backups
from iit.store.schema_upkeep import maintenance_log as maintenance_log
from iit.store.schema_upkeep import maintenance_mode as maintenance_mode
from iit.store.schema_upkeep import spool_receipts as spool_receipts
from iit.store.schema_upkeep import watermarks as watermarks

facilities = Table(
    "facilities",
    metadata,
    Column("facility", Text, primary_key=True, comment="DATIM code"),
    Column("name", Text),
    Column("level", SmallInteger, comment="1 primary, 2 secondary, 3 tertiary; NULL unknown"),
    Column("data_until", Date, comment="last day covered by an export"),
    Column("last_known_on", Date, comment="last day on which a fact became known"),
    Column("listed_on", Date, comment="latest day on which everyone at risk there was scored"),
    Column("reporting_lag_days", SmallInteger, comment="95th percentile of known - happened, last 12 months"),
    Column("context", LargeBinary, comment="packed facility context (iit.features.context)"),
    Column("context_at", DateTime(timezone=True)),
    moment("created_at"),
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
    moment("created_at"),
    moment("updated_at"),
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

patient_identifiers = Table(
    "patient_identifiers",
    metadata,
    Column("identifier_hash", LargeBinary, primary_key=True, comment="keyed hash of an identifier and its scope"),
    Column("patient_uuid", Text, ForeignKey("patients.patient_uuid", ondelete="CASCADE"), nullable=False),
    moment("created_at"),
    Index("idx_patient_identifiers_patient", "patient_uuid"),
)

inbox = Table(
    "inbox",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("sender", Text, nullable=False, comment="MSH-3/MSH-4"),
    Column("control_id", Text, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    Column("message_type", Text, nullable=False),
    Column("patient_key", LargeBinary, comment="keyed hash: messages with the same one are processed in order"),
    Column("shard", SmallInteger, nullable=False, comment="one worker at a time works on a shard"),
    Column("raw", LargeBinary, comment="the message, until it is done or discarded"),
    Column("key_id", Text, comment="which key the message is sealed with; NULL as it came"),
    Column("state", Text, nullable=False, comment="waiting, done, ignored, dead or discarded"),
    Column("tries", SmallInteger, nullable=False, server_default="0"),
    Column("error", Text),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("next_try_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True)),
    Index("uq_inbox_key", "sender", "control_id", "content_hash", unique=True),
    Index("idx_inbox_waiting", "shard", "id", postgresql_where=text("state = 'waiting'")),
    Index("idx_inbox_resting", "next_try_at", postgresql_where=text("state = 'waiting' AND tries > 0")),
    Index("idx_inbox_dead", "id", postgresql_where=text("state = 'dead'")),
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
    moment("created_at"),
    Index("idx_predictions_patient_model", "patient_uuid", "model_version"),
    Index("idx_predictions_patient_date", "patient_uuid", "created_at"),
    Index("idx_predictions_facility_as_of", "facility", "as_of"),
    Index("idx_predictions_as_of", "as_of", "prediction_id"),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column(
        "prediction_id",
        UUID(as_uuid=True),
        ForeignKey("predictions.prediction_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("status", Text, nullable=False, comment="returned, interrupted, competing or not_at_risk"),
    Column("label", SmallInteger, comment="1 interrupted, 0 returned, else NULL"),
    Column("evaluable", Boolean, nullable=False, comment="may judge a model: label known, window closed"),
    Column("imputed", Boolean, nullable=False, comment="days supplied are guessed"),
    Column("is_final", Boolean, nullable=False, comment="only a change of the record changes it"),
    Column("index_on", Date, nullable=False, comment="pick-up that began the cycle"),
    Column("expected_on", Date, nullable=False, comment="expected contact as now known"),
    Column("resolved_on", Date, nullable=False, comment="day on which this became known"),
    Column("judged_on", Date, nullable=False, comment="nothing known later was used"),
    moment("judged_at"),
    Index("idx_outcomes_expected_on", "expected_on"),
)

outreach = Table(
    "outreach",
    metadata,
    Column("outreach_id", BigInteger, Identity(), primary_key=True),
    Column("patient_uuid", Text, nullable=False),
    Column(
        "prediction_id",
        UUID(as_uuid=True),
        ForeignKey("predictions.prediction_id", ondelete="SET NULL"),
        comment="which prediction it answers",
    ),
    Column("kind", Text, nullable=False, comment="accepted or overridden"),
    Column("reason", Text, comment="code of the reason of an override"),
    Column("happened_at", DateTime(timezone=True), nullable=False),
    Column("source", Text, nullable=False, comment="through what, for example cds:iit-risk"),
    Column("recorded_by", Text, nullable=False),
    moment("created_at"),
    Index("uq_outreach_act", "prediction_id", "kind", "source", "happened_at", unique=True),
    Index("idx_outreach_patient_date", "patient_uuid", "happened_at"),
)

shadow_scores = Table(
    "shadow_scores",
    metadata,
    Column(
        "prediction_id",
        UUID(as_uuid=True),
        ForeignKey("predictions.prediction_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("model_version", Text, primary_key=True),
    Column("risk_score", REAL, nullable=False),
    moment("created_at"),
)

model_metrics = Table(
    "model_metrics",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("model_id", Text, nullable=False),
    Column("metric_name", Text, nullable=False),
    Column("metric_value", Double, nullable=False),
    Column("segment", Text, nullable=False, server_default="all"),
    moment("recorded_at"),
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

jobs = Table(
    "jobs",
    metadata,
    Column("job_id", UUID(as_uuid=True), primary_key=True),
    Column("kind", Text, nullable=False, comment="train or score"),
    Column("arguments", JSONB, nullable=False),
    Column("state", Text, nullable=False, comment="queued, running, done, failed or cancelled"),
    Column("stage", Text),
    Column("done", BigInteger, nullable=False, server_default="0"),
    Column("total", BigInteger, nullable=False, server_default="0"),
    Column("result", JSONB),
    Column("reason", Text, comment="why it failed"),
    Column("requested_by", Text, nullable=False),
    Column("cancel_requested", Boolean, nullable=False, server_default=false()),
    moment("created_at"),
    Column("started_at", DateTime(timezone=True)),
    Column("heartbeat_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    Index("idx_jobs_state", "state"),
)

users = Table(
    "users",
    metadata,
    Column("user_name", Text, primary_key=True),
    Column("password_hash", Text, nullable=False, comment="argon2id"),
    Column("role", Text, nullable=False),
    Column(
        "sees_everything", Boolean, nullable=False, server_default=true(), comment="else `facility_access` says whom"
    ),
    Column("disabled_at", DateTime(timezone=True)),
    Column("last_login_at", DateTime(timezone=True)),
    moment("created_at"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("user_name", Text, ForeignKey("users.user_name", ondelete="CASCADE"), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("last_used_at", DateTime(timezone=True), nullable=False, server_default=now),
    moment("created_at"),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("family", UUID(as_uuid=True), nullable=False, comment="all tokens that came of one login"),
    Column("user_name", Text, ForeignKey("users.user_name", ondelete="CASCADE"), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True), comment="when it was exchanged; a second time revokes the family"),
    Column("revoked_at", DateTime(timezone=True)),
    moment("created_at"),
    Index("idx_refresh_tokens_family", "family"),
    Index("idx_refresh_tokens_user_name", "user_name"),
)

seen_tokens = Table(
    "seen_tokens",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True, comment="keyed hash of issuer and id of a token of others"),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Index("idx_seen_tokens_expires_at", "expires_at"),
)

facility_access = Table(
    "facility_access",
    metadata,
    Column("holder", Text, primary_key=True, comment="user:<name> or key:<id>"),
    Column("kind", Text, primary_key=True, comment="facility or state"),
    Column("place", Text, primary_key=True),
)

login_attempts = Table(
    "login_attempts",
    metadata,
    Column("bucket", LargeBinary, primary_key=True, comment="keyed hash of address and name, or of a known device"),
    Column("failures", Integer, nullable=False, comment="since the last success"),
    Column("last_failure_at", DateTime(timezone=True)),
    Column("last_success_at", DateTime(timezone=True)),
)

blocked_addresses = Table(
    "blocked_addresses",
    metadata,
    Column("network", CIDR, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("blocked_by", Text, nullable=False),
    moment("created_at"),
)

lockdown = Table(
    "lockdown",
    metadata,
    Column("locked", Boolean, primary_key=True, comment="one row while the service is locked, else none"),
    Column("reason", Text, nullable=False),
    Column("locked_by", Text, nullable=False),
    moment("created_at"),
    CheckConstraint("locked", name="ck_lockdown_one_row"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("label", Text, nullable=False),
    Column("role", Text, nullable=False, server_default="integration"),
    Column("actions", ARRAY(Text), comment="the only actions it may do of its role's; NULL means all"),
    Column(
        "sees_everything", Boolean, nullable=False, server_default=true(), comment="else `facility_access` says whom"
    ),
    Column("created_by", Text, nullable=False, server_default=""),
    Column("last_used_at", DateTime(timezone=True), comment="to the minute"),
    Column("expires_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    moment("created_at"),
)

erasures = Table(
    "erasures",
    metadata,
    Column("patient_hash", LargeBinary, primary_key=True, comment="SHA-256 of the patient_uuid of who was erased"),
    moment("erased_at"),
)

audit_logs = Table(
    "audit_logs",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False, comment="1, 2, 3 … without a gap"),
    Column("timestamp", DateTime(timezone=True), nullable=False),
    Column("event_type", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("detail", JSON, nullable=False, comment="json, not jsonb: the text is sealed as it is"),
    Column("patients", JSON, comment="patient_uuid of all concerned where the target does not name the one"),
    Column("address", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False, comment="HMAC-SHA256 of the row and prev_hash (iit.store.chain)"),
    Index("idx_audit_logs_timestamp_type", "timestamp", "event_type"),
    Index("idx_audit_logs_target", "target", "timestamp"),
    Index("idx_audit_logs_actor", "actor", "timestamp"),
)

audit_heads = Table(
    "audit_heads",
    metadata,
    Column("chain", SmallInteger, primary_key=True, autoincrement=False, comment="always 1"),
    Column("seq", BigInteger, nullable=False, comment="of the last row of audit_logs"),
    Column("hash", LargeBinary, nullable=False),
)
