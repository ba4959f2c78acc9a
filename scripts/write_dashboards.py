"""Write Grafana's dashboards of `deploy/grafana` from the tables below, or with --check tell which are out of date."""

import json
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

FOLDER: Final = Path(__file__).parent.parent / "deploy" / "grafana" / "dashboards"
_WIDTH, _HEIGHT, _COLUMNS = 8, 8, 3


class Panel(NamedTuple):
    """One picture: its title, Grafana's unit, and queries with the names of their lines."""

    title: str
    unit: str
    queries: dict[str, str]


DASHBOARDS: Final = {
    "application": [
        Panel("Requests", "reqps", {"{{status}}": "sum by (status) (rate(http_requests_total[5m]))"}),
        Panel("Share of errors", "percentunit", {"5 min": "iit:errors:ratio_rate5m", "1 h": "iit:errors:ratio_rate1h"}),
        Panel("Time to answer", "s", {
            "95 %": "iit:latency:p95_5m",
            "50 %": "histogram_quantile(0.5, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))",
        }),
        Panel("Errors by route", "reqps", {
            "{{method}} {{handler}}": 'sum by (method, handler) (rate(http_requests_total{status=~"5.."}[5m]))',
        }),
        Panel("Slowest routes, 95 %", "s", {
            "{{handler}}": "topk(5, histogram_quantile(0.95, "
            "sum by (handler, le) (rate(http_request_duration_seconds_bucket[5m]))))",
        }),
        Panel("Under way", "short", {"requests": "sum(http_requests_in_progress)"}),
        Panel("Predictions", "reqps", {"{{source}}": "sum by (source) (rate(iit_predictions_total[5m]))"}),
        Panel("Stages of a prediction, mean", "s", {
            "{{stage}}": "sum by (stage) (rate(iit_prediction_stage_seconds_sum[5m])) "
            "/ sum by (stage) (rate(iit_prediction_stage_seconds_count[5m]))",
        }),
        Panel("Model", "short", {"{{version}}, {{source}}": "max by (version, source) (iit_model_info)"}),
        Panel("Breakers: 0 closed, 1 half-open, 2 open", "short", {
            "{{dependency}}": "max by (dependency) (iit_circuit_breaker_state)",
        }),
        Panel("Logins", "reqps", {"{{result}}": "sum by (result) (rate(iit_logins_total[5m]))"}),
        Panel("Memory", "bytes", {"memory": "sum(process_resident_memory_bytes)"}),
        Panel("Processors used", "short", {"cores": "sum(rate(process_cpu_seconds_total[5m]))"}),
        Panel("Files and connections", "short", {"open": "process_open_fds", "limit": "process_max_fds"}),
    ],
    "business": [
        Panel("Predictions a day", "short", {"{{band}}": "sum by (band) (increase(iit_predictions_total[1d]))"}),
        Panel("Accuracy", "percentunit", {"accuracy": "iit_prediction_accuracy"}),
        Panel("AUROC, AUPRC", "short", {
            "live {{metric}}": 'iit_live_performance{metric=~"auroc|auprc"}',
            "claimed {{metric}}": 'iit_expected_performance{metric=~"auroc|auprc"}',
        }),
        Panel("Calibration", "short", {"{{metric}}": 'iit_live_performance{metric=~"ece|brier|calibration_ratio"}'}),
        Panel("Top fifth of the list", "percentunit", {"{{metric}}": 'iit_live_performance{metric=~".*_top_20"}'}),
        Panel("Drift: 1 where sure", "short", {"{{kind}}": "max by (kind) (iit_drift_alert)"}),
        Panel("Features that moved most, PSI", "short", {"{{feature}}": "topk(8, iit_feature_psi)"}),
        Panel("Risks, PSI", "short", {"score": "iit_score_psi"}),
        Panel("Data quality", "percentunit", {"score": "iit_data_quality_score"}),
        Panel("People in the last 24 hours", "short", {"people": "max(iit_active_users)"}),
        Panel("Messages", "reqps", {"{{type}} {{result}}": "sum by (type, result) (rate(iit_messages_total[5m]))"}),
        Panel("Messages waiting and dead", "short", {"{{state}}": "max by (state) (iit_inbox_depth)"}),
        Panel("Age of the model", "s", {"age": "iit_model_age_seconds"}),
        Panel("Jobs of the day", "short", {"{{kind}} {{state}}": "max by (kind, state) (iit_jobs)"}),
    ],
    "infrastructure": [
        Panel("Up", "short", {"service": 'up{job="iit-ml-service"}', "{{source}}": "iit_figures_up"}),
        Panel("Database connections", "short", {"in use": "iit_db_pool_in_use", "limit": "iit_db_pool_limit"}),
        Panel("Waited in vain for a connection", "reqps", {"requests": "rate(iit_db_pool_timeouts_total[5m])"}),
        Panel("Time of a transaction, 95 %", "s", {
            "95 %": "histogram_quantile(0.95, sum by (le) (rate(iit_db_transaction_seconds_bucket[5m])))",
        }),
        Panel("Size of the database", "bytes", {"size": "iit_database_size_bytes"}),
        Panel("Cache hits", "percentunit", {
            "{{cache}}": "sum by (cache) (rate(iit_cache_hits_total[5m])) / (sum by (cache) "
            "(rate(iit_cache_hits_total[5m])) + sum by (cache) (rate(iit_cache_misses_total[5m])))",
        }),
        Panel("Disks, share free", "percentunit", {"{{place}}": "iit_disk_free_bytes / iit_disk_size_bytes"}),
        Panel("Kept on disk until the database is back", "short", {
            "waiting": "iit_spool_depth", "set aside": "iit_spool_set_aside",
        }),
        Panel("Age of the newest backup", "s", {"{{kind}}": "min by (kind) (iit_backup_age_seconds)"}),
        Panel("Upkeep, time since it succeeded", "s", {"{{task}}": "min by (task) (iit_task_age_seconds)"}),
        Panel("Log archive", "s", {"since the last segment": "iit_wal_archive_age_seconds"}),
        Panel("Receivers of the log", "short", {"receivers": "iit_wal_receivers"}),
        Panel("Certificates, time left", "s", {"{{file}}": "iit_certificate_expires_timestamp_seconds - time()"}),
        Panel("Audit trail whole", "short", {"whole": "iit_audit_chain_intact"}),
        Panel("Clocks", "s", {
            "database ahead of the service": "iit_database_clock_offset_seconds",
            "service ahead of Prometheus": "iit_clock_timestamp_seconds - timestamp(iit_clock_timestamp_seconds)",
        }),
    ],
}  # fmt: skip


def dashboard(name: str) -> str:
    """Return a dashboard as Grafana reads it."""
    panels = [_panel(place, panel) for place, panel in enumerate(DASHBOARDS[name])]
    told = {
        "uid": f"iit-{name}",
        "title": f"IIT ML Service: {name}",
        "tags": ["iit"],
        "schemaVersion": 39,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "links": [{"type": "dashboards", "title": "others", "tags": ["iit"], "asDropdown": True}],
        "panels": panels,
    }
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def _panel(place: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(place, _COLUMNS)
    return {
        "id": place + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": {"type": "prometheus", "uid": "iit-prometheus"},
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0 if panel.unit == "percentunit" else None}},
        "targets": [
            {"refId": chr(ord("A") + n), "expr": expr, "legendFormat": legend}
            for n, (legend, expr) in enumerate(panel.queries.items())
        ],
    }


def main(*, check: bool) -> int:
    """Write or compare the dashboards; return how many are out of date."""
    stale = [name for name in DASHBOARDS if not _is_current(name)]
    for name in stale:
        if check:
            print(f"deploy/grafana/dashboards/{name}.json is out of date: run `make docs`")  # noqa: T201
        else:
            (FOLDER / f"{name}.json").write_text(dashboard(name), encoding="utf-8")
    return len(stale) if check else 0


def _is_current(name: str) -> bool:
    path = FOLDER / f"{name}.json"
    return path.exists() and path.read_text(encoding="utf-8") == dashboard(name)


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv))
