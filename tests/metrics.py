"""Figures as Prometheus reads them, and the names of the contract."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from iit.services.gauges import MEANINGS

PROMISED = frozenset({
    "http_requests_total", "http_request_duration_seconds_bucket", "http_requests_in_progress",
    "iit_predictions_total", "iit_prediction_stage_seconds_bucket", "iit_data_quality_score", "iit_prediction_accuracy",
    "iit_live_performance", "iit_feature_psi", "iit_active_users", "iit_inbox_depth", "iit_inbox_oldest_seconds",
    "iit_spool_depth", "iit_db_pool_in_use", "iit_db_pool_limit", "iit_db_pool_timeouts_total",
    "iit_cache_hits_total", "iit_cache_misses_total", "iit_backup_age_seconds", "iit_wal_archive_failures_total",
    "iit_wal_archive_age_seconds", "iit_disk_free_bytes", "iit_certificate_expires_timestamp_seconds",
    "iit_audit_chain_intact", "iit_model_loaded", "iit_model_age_seconds", "iit_model_fallback", "iit_build_info",
    "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds",
})  # fmt: skip
"""Names that others rely on."""

ON_OCCASION = frozenset({
    "iit_backup_age_seconds",  # from the first backup
    "iit_wal_archive_failures_total", "iit_wal_archive_age_seconds",  # where the log is archived
    "iit_certificate_expires_timestamp_seconds",  # where files are named
    "iit_data_quality_score", "iit_feature_psi",  # from the first comparison
    "iit_prediction_accuracy", "iit_live_performance",  # from the first resolved outcomes
})  # fmt: skip
"""Those of them that have no value until there is one."""


class Value(NamedTuple):
    """One line."""

    name: str
    labels: Mapping[str, str]
    value: float


def values(text: str) -> list[Value]:
    """Return the lines of an exposition."""
    return [
        Value(one.name, one.labels, one.value)
        for family in text_string_to_metric_families(text)
        for one in family.samples
    ]


def labels_by_name(text: str) -> dict[str, set[str]]:
    """Return every name that an exposition declares with the labels seen on it."""
    declared: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        for suffix in suffixes:
            declared.setdefault(family.name + suffix, set())
        for one in family.samples:
            declared.setdefault(one.name, set()).update(one.labels)
    return declared


def total(text: str, name: str, **labels: str) -> float:
    """Return the sum of a figure's lines that have these labels."""
    return sum(one.value for one in values(text) if one.name == name and labels.items() <= dict(one.labels).items())


def _declared() -> frozenset[str]:
    names = set(MEANINGS)
    for instrument in REGISTRY._collector_to_names:
        if isinstance(instrument, MetricWrapperBase):
            names.update(REGISTRY._collector_to_names[instrument])
    return frozenset(names | PROCESS)


PROCESS = {f"process_{name}" for name in (
    "cpu_seconds_total", "resident_memory_bytes", "virtual_memory_bytes", "open_fds", "max_fds", "start_time_seconds"
)}  # fmt: skip
DECLARED = _declared()
"""Every name that `/metrics` may tell."""

_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTORS = re.compile(r"\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_NAMES = re.compile(r"\b[a-zA-Z_:][a-zA-Z0-9_:]*\b(?!\s*\()")
_WORDS = {"and", "or", "unless", "by", "on", "bool", "offset"}


def names_in(query: str) -> set[str]:
    """Return the figures that a query of Prometheus asks for."""
    bare = _SELECTORS.sub(" ", _STRINGS.sub("", query))
    return {one for one in _NAMES.findall(bare) if one not in _WORDS}


def _labels() -> dict[str, tuple[str, ...]]:
    told = {name: one.labels for name, one in MEANINGS.items()}
    for instrument, names in REGISTRY._collector_to_names.items():
        if isinstance(instrument, MetricWrapperBase):
            told |= dict.fromkeys(names, tuple(instrument._labelnames))
    return told


LABELS = _labels()
"""The labels of each figure."""
