"""The vector's order is a contract: stored vectors and bundles rely on it."""

from collections import Counter

from iit.features.registry import FEATURE_NAMES, FEATURE_SET_VERSION, FEATURES, INDEX
from iit.features.vector import N_FEATURES

IN_ORDER = [
    "last_late_days",
    "prev_late_days",
    "prev2_late_days",
    "late_days_mean_3",
    "late_days_mean_5",
    "late_days_mean_10",
    "late_days_max_5",
    "late_days_std_5",
    "late_days_ewm",
    "n_late1_3",
    "n_late1_5",
    "n_late1_10",
    "n_late7_3",
    "n_late7_5",
    "n_late7_10",
    "n_late14_3",
    "n_late14_5",
    "n_late14_10",
    "n_late28_ever",
    "n_late28_12m",
    "share_late7_all",
    "early_pickup_share_5",
    "on_time_streak",
    "late_trend_5",
    "n_pickups_all",
    "n_pickups_6m",
    "n_pickups_12m",
    "pdc_180",
    "pdc_365",
    "max_gap_days_365",
    "n_prev_iit",
    "ever_iit_12m",
    "ever_iit_24m",
    "months_since_restart",
    "cascade_status",
    "days_out_total_24m",
    "n_tracked_12m",
    "last_default_reason",
    "days_supplied_last",
    "days_supplied_mean_3",
    "mmd_band",
    "mmd_changed",
    "days_to_ecd",
    "days_since_pickup",
    "days_supply_source",
    "next_appt_gap",
    "ecd_dow",
    "ecd_month",
    "ecd_is_holiday_window",
    "n_drugs",
    "months_on_art",
    "months_at_facility",
    "first_6m_flag",
    "is_first_pickup",
    "age_at_start",
    "diag_to_art_days",
    "regimen_line",
    "regimen_code",
    "is_dtg",
    "regimen_changes_12m",
    "pickup_reason",
    "transferred_in",
    "age",
    "age_band",
    "sex",
    "marital",
    "education",
    "occupation",
    "state_code",
    "lives_outside_facility_lga",
    "phone_present",
    "care_entry_point",
    "last_vl_log10",
    "vl_category",
    "days_since_vl",
    "n_vl_24m",
    "n_high_vl_24m",
    "vl_overdue",
    "cd4_last",
    "days_since_cd4",
    "who_stage",
    "ahd_flag",
    "tb_status",
    "on_tpt",
    "functional_status",
    "adherence_level",
    "missed_doses_band",
    "weight_change_6m_pct",
    "preg_bf_status",
    "months_to_edd",
    "dsd_model",
    "eac_sessions_12m",
    "fac_iit_rate_6m",
    "fac_mean_late_6m",
    "fac_tx_curr",
    "fac_level",
    "fac_sync_lag_days",
    "fac_patients_per_day_on_ecd",
]


def test_there_are_98_features_in_this_order() -> None:
    assert list(FEATURE_NAMES) == IN_ORDER
    assert len(set(FEATURE_NAMES)) == N_FEATURES == 98


def test_families_have_their_sizes() -> None:
    sizes = Counter(one.family for one in FEATURES)
    assert sizes == {"A": 30, "B": 8, "C": 12, "D": 12, "E": 10, "F": 16, "G": 4, "H": 6}
    assert [one.family for one in FEATURES] == sorted(one.family for one in FEATURES)


def test_the_index_finds_each_name() -> None:
    assert [INDEX[name] for name in FEATURE_NAMES] == list(range(98))
    assert FEATURE_SET_VERSION == 1


def test_every_feature_says_what_where_from_and_when_unknown() -> None:
    for one in FEATURES:
        assert all((one.unit, one.meaning, one.source, one.missing, one.text)), one.name
        assert one.meaning.endswith("."), one.name
