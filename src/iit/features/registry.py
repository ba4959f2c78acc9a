"""Every feature: its name, family, unit, meaning, source, rule for missing values, and how a reason is worded.

The order is that of the vector. Changing a meaning, or the order, raises `FEATURE_SET_VERSION`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from iit.domain.vocabulary import Kind
from iit.features.answers import words

FEATURE_SET_VERSION: Final = 1

PHARMACY, CLINIC, LABORATORY, ENROLMENT, TRACKING, PERSON, FACILITY = (
    "pharmacy form", "care card", "laboratory form", "enrolment form", "tracking form", "demographics",
    "records of the facility",
)  # fmt: skip
NO_RETURN: Final = "unknown before the first return"
NO_PICKUP: Final = "unknown before the first pick-up"
NOT_RECORDED: Final = "unknown when not recorded"
NEVER_MISSING: Final = "never unknown"
NOTHING_TOLD: Final = "unknown facility, or nothing was told there yet"


_CATEGORICAL: Final = frozenset({
    "cascade_status", "last_default_reason", "days_supply_source", "ecd_dow", "ecd_month", "regimen_code",
    "pickup_reason", "sex", "marital", "education", "occupation", "state_code", "care_entry_point", "vl_category",
    "tb_status", "functional_status", "preg_bf_status", "dsd_model",
})  # fmt: skip


@dataclass(frozen=True)
class Feature:
    """One input of the model.

    Attributes:
        name: as in vectors, views and answers.
        family: A lateness, B cascade, C refill, D treatment, E person, F clinical, G pregnancy and delivery, H facility.
        unit: of the value.
        meaning: what it tells, as known at the end of the prediction day.
        source: where in the records it comes from.
        missing: when it is unknown (NaN).
        text: the reason in plain words; `{value}` stands for the number, `{words}` for the words of a coded answer.
        coded: the kind whose answer table the value is a place in; 0 is an answer outside the table.
    """

    name: str
    family: str
    unit: str
    meaning: str
    source: str
    missing: str
    text: str
    coded: Kind | None = None

    @property
    def categorical(self) -> bool:
        """Whether the value is a name rather than a quantity or a rank; the model may treat it as a number anyway."""
        return self.name in _CATEGORICAL

    @property
    def text_up(self) -> str:
        """The reason where the feature raises the risk."""
        return self._directed("raises")

    @property
    def text_down(self) -> str:
        """The reason where the feature lowers the risk."""
        return self._directed("lowers")

    def _directed(self, verb: str) -> str:
        # Lateness and interruptions speak for themselves; a weekday or an age does not.
        return self.text if self.family in "AB" else f"{self.text} ({verb} the risk)"


def _late(name: str, unit: str, meaning: str, text: str, missing: str = NO_RETURN) -> Feature:
    return Feature(name, "A", unit, meaning, PHARMACY, missing, text)


def _lateness() -> Iterator[Feature]:
    yield _late(
        "last_late_days", "days", "Lateness of the latest return; negative is early.", "Last return: {days_late}"
    )
    yield _late("prev_late_days", "days", "Lateness of the return before.", "Return before the last: {days_late}")
    yield _late("prev2_late_days", "days", "Lateness two returns before.", "Third last return: {days_late}")
    for window in (3, 5, 10):
        yield _late(
            f"late_days_mean_{window}", "days", f"Mean days late of the last {window} returns, early as 0.",
            f"Came {{came}} on average over the last {window} pick-ups",
        )  # fmt: skip
    yield _late(
        "late_days_max_5",
        "days",
        "Most days late in the last 5 returns.",
        "{worst} in the last 5 pick-ups",
    )
    yield _late(
        "late_days_std_5",
        "days",
        "Spread (standard deviation) of days late in the last 5 returns.",
        "Days late vary by {days} from pick-up to pick-up",
        "unknown before the second return",
    )
    yield _late(
        "late_days_ewm",
        "days",
        "Mean days late, each return weighing 0.79 of the one after it.",
        "Came {came} on average, recent pick-ups counting most",
    )
    for least in (1, 7, 14):
        for window in (3, 5, 10):
            days = "late" if least == 1 else f"{least} or more days late"
            yield _late(
                f"n_late{least}_{window}",
                "returns",
                f"Returns {days} among the last {window}.",
                f"{{of:{window}}} {days}",
            )
    yield _late(
        "n_late28_ever",
        "returns",
        "Returns more than 28 days late, ever.",
        "{n:pick-up|pick-ups} more than 28 days late so far",
    )
    yield _late(
        "n_late28_12m",
        "returns",
        "Returns more than 28 days late in the last 365 days.",
        "{n:pick-up|pick-ups} more than 28 days late in the last year",
    )
    yield _late(
        "share_late7_all",
        "share",
        "Share of all returns 7 or more days late.",
        "{value:.0%} of all pick-ups were 7 or more days late",
    )
    yield _late(
        "early_pickup_share_5",
        "share",
        "Share of the last 5 returns that were early.",
        "{value:.0%} of the last pick-ups were early",
    )
    yield _late(
        "on_time_streak",
        "returns",
        "Returns on time or early in a row, up to now.",
        "{streak}",
    )
    yield _late(
        "late_trend_5",
        "days a return",
        "Slope of lateness over the last 5 returns; positive is growing.",
        "Lateness {trend} from pick-up to pick-up",
        "unknown before the second return",
    )
    yield _late("n_pickups_all", "pick-ups", "Pick-ups so far.", "{n:pick-up|pick-ups} so far", NEVER_MISSING)
    yield _late(
        "n_pickups_6m",
        "pick-ups",
        "Pick-ups in the last 183 days.",
        "{n:pick-up|pick-ups} in the last 6 months",
        NEVER_MISSING,
    )
    yield _late(
        "n_pickups_12m",
        "pick-ups",
        "Pick-ups in the last 365 days.",
        "{n:pick-up|pick-ups} in the last year",
        NEVER_MISSING,
    )
    for window in (180, 365):
        yield _late(
            f"pdc_{window}",
            "share",
            f"Share of days with medicine in the last {window} days, or since the first pick-up.",
            f"Had medicine on {{value:.0%}} of the last {window} days",
            NO_PICKUP,
        )
    yield _late(
        "max_gap_days_365",
        "days",
        "Longest run of days without medicine in the last 365 days.",
        "{gap} without medicine in the last year",
        NO_PICKUP,
    )


CASCADE: Final = (
    Feature("n_prev_iit", "B", "interruptions", "Interruptions the patient returned from.", PHARMACY, NEVER_MISSING, "{n:earlier interruption|earlier interruptions}"),
    Feature("ever_iit_12m", "B", "0/1", "Out of treatment at some time of the last 365 days, and back.", PHARMACY, NEVER_MISSING, "{yes:Interrupted|Not interrupted} in the last year"),
    Feature("ever_iit_24m", "B", "0/1", "Out of treatment at some time of the last 730 days, and back.", PHARMACY, NEVER_MISSING, "{yes:Interrupted|Not interrupted} in the last two years"),
    Feature("months_since_restart", "B", "months", "Time since the latest return from an interruption.", PHARMACY, "unknown without an earlier interruption", "Back in care for {span} since an interruption"),
    Feature("cascade_status", "B", "0-2", "0 never interrupted; 1 only up to 183 days; 2 longer.", PHARMACY, NEVER_MISSING, "{cascade}"),
    Feature("days_out_total_24m", "B", "days", "Days interrupted in the last 730 days.", PHARMACY, NEVER_MISSING, "{n:day|days} out of treatment in the last two years"),
    Feature("n_tracked_12m", "B", "attempts", "Tracing attempts in the last 365 days.", TRACKING, NEVER_MISSING, "{n:tracing attempt|tracing attempts} in the last year"),
    Feature("last_default_reason", "B", "code", "Latest reason for defaulting.", TRACKING, NOT_RECORDED, "Reason given for an earlier default: {words}", Kind.DEFAULT_REASON),
)  # fmt: skip

REFILL: Final = (
    Feature("days_supplied_last", "C", "days", "Days supplied at the latest pick-up.", PHARMACY, NO_PICKUP, "Last supply was for {days}"),
    Feature("days_supplied_mean_3", "C", "days", "Mean days supplied at the last 3 pick-ups.", PHARMACY, NO_PICKUP, "Supplies were for {days} on average"),
    Feature("mmd_band", "C", "0-2", "Latest supply: 0 under 84 days, 1 from 84, 2 from 168.", PHARMACY, NO_PICKUP, "Supply of {months} at a time"),
    Feature("mmd_changed", "C", "0/1", "Whether that band differs from the pick-up before.", PHARMACY, "unknown before the second pick-up", "Length of supply {yes:was just changed|is unchanged}"),
    Feature("days_to_ecd", "C", "days", "Days to the expected contact; negative is overdue.", PHARMACY, NO_PICKUP, "{due}"),
    Feature("days_since_pickup", "C", "days", "Days since the latest pick-up.", PHARMACY, NO_PICKUP, "Last pick-up {ago}"),
    Feature("days_supply_source", "C", "0-4", "Where days supplied come from: 0 recorded, 1 quantity, 2 appointment, 3 previous, 4 default.", PHARMACY, NO_PICKUP, "Days supplied {yes:had to be inferred|are on record}"),
    Feature("next_appt_gap", "C", "days", "Latest appointment (1 to 365 days ahead) given since the pick-up, less the expected contact.", CLINIC, "unknown without an appointment", "Appointment {apart}"),
    Feature("ecd_dow", "C", "0-6", "Weekday of the expected contact, 0 Monday.", PHARMACY, NO_PICKUP, "Expected on a {weekday}"),
    Feature("ecd_month", "C", "1-12", "Month of the expected contact.", PHARMACY, NO_PICKUP, "Expected in {month}"),
    Feature("ecd_is_holiday_window", "C", "0/1", "Expected 15 December to 10 January, or within 3 days of Easter Sunday or an Eid.", PHARMACY, NO_PICKUP, "Expected {yes:around a holiday|outside the holidays}"),
    Feature("n_drugs", "C", "drugs", "ARV drug lines of the latest pick-up.", PHARMACY, NOT_RECORDED, "{n:ARV drug|ARV drugs}"),
)  # fmt: skip

TREATMENT: Final = (
    Feature("months_on_art", "D", "months", "Since ART began, else since the first pick-up.", ENROLMENT, NO_PICKUP, "On treatment for {span}"),
    Feature("months_at_facility", "D", "months", "Since enrolment here, else since the first pick-up.", ENROLMENT, NO_PICKUP, "At this facility for {span}"),
    Feature("first_6m_flag", "D", "0/1", "Less than 183 days on ART.", ENROLMENT, NO_PICKUP, "{yes:In|Past} the first 6 months of treatment"),
    Feature("is_first_pickup", "D", "0/1", "Whether there is just one pick-up.", PHARMACY, NEVER_MISSING, "{yes:First pick-up|Not the first pick-up}"),
    Feature("age_at_start", "D", "years", "Age when ART began.", ENROLMENT, NOT_RECORDED, "Began treatment at the age of {value:.0f}"),
    Feature("diag_to_art_days", "D", "days", "From diagnosis to the start of ART.", ENROLMENT, NOT_RECORDED, "{after_diagnosis}"),
    Feature("regimen_line", "D", "1-3", "Line of the latest regimen.", PHARMACY, NOT_RECORDED, "Regimen of line {value:.0f}"),
    Feature("regimen_code", "D", "code", "Latest regimen.", PHARMACY, NOT_RECORDED, "Regimen: {words}", Kind.REGIMEN),
    Feature("is_dtg", "D", "0/1", "Whether the latest regimen holds dolutegravir.", PHARMACY, NOT_RECORDED, "Regimen {yes:with|without} dolutegravir"),
    Feature("regimen_changes_12m", "D", "changes", "Changes of regimen in the last 365 days.", PHARMACY, NEVER_MISSING, "{n:change of regimen|changes of regimen} in the last year"),
    Feature("pickup_reason", "D", "code", "Reason of the latest pick-up.", PHARMACY, NOT_RECORDED, "Reason of the last pick-up: {words}", Kind.PICKUP_REASON),
    Feature("transferred_in", "D", "0/1", "Whether a transfer in is on record.", ENROLMENT, NEVER_MISSING, "{yes:Transferred in|Not transferred in}"),
)  # fmt: skip

PEOPLE: Final = (
    Feature("age", "E", "years", "Age.", PERSON, NOT_RECORDED, "{years}"),
    Feature("age_band", "E", "0-3", "0 under 15 years, 1 to 24, 2 to 49, 3 from 50.", PERSON, NOT_RECORDED, "Age group {age_band}"),
    Feature("sex", "E", "1-2", "1 male, 2 female.", PERSON, NOT_RECORDED, "Sex: {sex}"),
    Feature("marital", "E", "code", "Marital status.", ENROLMENT, NOT_RECORDED, "Marital status: {words}", Kind.MARITAL_STATUS),
    Feature("education", "E", "code", "Highest schooling.", ENROLMENT, NOT_RECORDED, "Schooling: {words}", Kind.EDUCATION),
    Feature("occupation", "E", "code", "Occupation.", ENROLMENT, NOT_RECORDED, "Occupation: {words}", Kind.OCCUPATION),
    Feature("state_code", "E", "1-37", "State of residence, by place in the alphabet.", PERSON, NOT_RECORDED, "Lives in {state}"),
    Feature("lives_outside_facility_lga", "E", "0/1", "Whether the patient's town differs from that of most of the facility's patients today.", PERSON, NOT_RECORDED, "Lives {yes:outside|in} the facility's area"),
    Feature("phone_present", "E", "0/1", "Whether a phone number is on record.", PERSON, NOT_RECORDED, "{yes:A|No} phone number on record"),
    Feature("care_entry_point", "E", "code", "Where care began.", ENROLMENT, NOT_RECORDED, "Entered care through: {words}", Kind.CARE_ENTRY),
)  # fmt: skip

CLINICAL: Final = (
    Feature("last_vl_log10", "F", "log10 copies/mL", "Latest viral load by specimen day; under 1 as 1.", LABORATORY, NOT_RECORDED, "Last viral load {copies} copies/mL"),
    Feature("vl_category", "F", "0-4", "0 none, 1 under 50, 2 to 999, 3 from 1000, 4 due (none in 365 days, 180 days or more on ART).", LABORATORY, NEVER_MISSING, "{viral_load}"),
    Feature("days_since_vl", "F", "days", "Since the latest viral load (by specimen day) became known.", LABORATORY, NOT_RECORDED, "Last viral load result came {ago}"),
    Feature("n_vl_24m", "F", "tests", "Viral loads in the last 730 days.", LABORATORY, NEVER_MISSING, "{n:viral load test|viral load tests} in two years"),
    Feature("n_high_vl_24m", "F", "tests", "Viral loads of 1000 or more in the last 730 days.", LABORATORY, NEVER_MISSING, "{n:high viral load|high viral loads} in two years"),
    Feature("vl_overdue", "F", "0/1", "Whether a viral load is due.", LABORATORY, NEVER_MISSING, "Viral load test {yes:overdue|not due}"),
    Feature("cd4_last", "F", "cells/uL", "Latest CD4 count.", LABORATORY, NOT_RECORDED, "Last CD4 count {value:.0f}"),
    Feature("days_since_cd4", "F", "days", "Since that count.", LABORATORY, NOT_RECORDED, "Last CD4 count {ago}"),
    Feature("who_stage", "F", "1-4", "Latest WHO stage.", CLINIC, NOT_RECORDED, "WHO stage {value:.0f}"),
    Feature("ahd_flag", "F", "0/1", "Advanced disease: CD4 under 200 in the last 365 days, or latest WHO stage 3 or 4.", CLINIC, NOT_RECORDED, "{yes:Advanced|No advanced} HIV disease"),
    Feature("tb_status", "F", "code", "Latest tuberculosis status.", CLINIC, NOT_RECORDED, "Tuberculosis status: {words}", Kind.TB_STATUS),
    Feature("on_tpt", "F", "0/1", "Tuberculosis prevention begun in the last 270 days and not ended.", CLINIC, NEVER_MISSING, "{yes:On|Not on} tuberculosis prevention"),
    Feature("functional_status", "F", "code", "Latest functional status.", CLINIC, NOT_RECORDED, "Functional status: {words}", Kind.FUNCTIONAL_STATUS),
    Feature("adherence_level", "F", "code", "Latest adherence as judged at the clinic.", CLINIC, NOT_RECORDED, "Judged at the clinic: {words}", Kind.ADHERENCE),
    Feature("missed_doses_band", "F", "code", "Latest missed doses a month.", PHARMACY, NOT_RECORDED, "Missed doses a month: {words}", Kind.MISSED_DOSES),
    Feature("weight_change_6m_pct", "F", "percent", "Latest weight (of the last 365 days) against the oldest of the 183 days before it.", CLINIC, NOT_RECORDED, "Weight {weight} in 6 months"),
)  # fmt: skip

DELIVERY: Final = (
    Feature("preg_bf_status", "G", "code", "Pregnancy or breastfeeding, told in the last 18 months.", PHARMACY, NOT_RECORDED, "Pregnancy: {words}", Kind.PREGNANCY),
    Feature("months_to_edd", "G", "months", "To the expected delivery, if within 300 days before or after.", CLINIC, NOT_RECORDED, "Expected delivery {delivery}"),
    Feature("dsd_model", "G", "label", "Model of differentiated service delivery: the last three digits of its concept id, to be compared for equality only.", PHARMACY, NOT_RECORDED, "Model of service delivery"),
    Feature("eac_sessions_12m", "G", "sessions", "Enhanced adherence counselling sessions in the last 365 days.", CLINIC, NEVER_MISSING, "{n:adherence counselling session|adherence counselling sessions} in the last year"),
)  # fmt: skip

CONTEXT: Final = (
    Feature("fac_iit_rate_6m", "H", "share", "Interrupted share of the facility's cycles that were decided in the 183 days before this month, drawn toward the general rate.", FACILITY, NOTHING_TOLD, "Interruption rate of {value:.0%} at this facility"),
    Feature("fac_mean_late_6m", "H", "days", "Mean days late of the facility's returns told in those days, early as 0.", FACILITY, "unknown facility, or no return told in those days", "Patients here come {came} on average"),
    Feature("fac_tx_curr", "H", "patients", "Patients on treatment at the facility at the start of the month, as known before it.", FACILITY, NOTHING_TOLD, "{n:patient|patients} on treatment at this facility"),
    Feature("fac_level", "H", "1-3", "1 primary, 2 secondary, 3 tertiary.", "facility list", NOT_RECORDED, "{level} facility"),
    Feature("fac_sync_lag_days", "H", "days", "Days since anything became known at the facility.", FACILITY, NOTHING_TOLD, "Last data of the facility came {ago}"),
    Feature("fac_patients_per_day_on_ecd", "H", "pick-ups", "Pick-ups of the facility expected on the same day as the patient, as first told.", FACILITY, "unknown facility, or before the first pick-up", "{n:patient|patients} expected at the facility on the same day"),
)  # fmt: skip

FEATURES: Final = (*_lateness(), *CASCADE, *REFILL, *TREATMENT, *PEOPLE, *CLINICAL, *DELIVERY, *CONTEXT)
FEATURE_NAMES: Final = tuple(feature.name for feature in FEATURES)
INDEX: Final = {name: place for place, name in enumerate(FEATURE_NAMES)}


def answer_words(feature: Feature, value: float) -> str:
    """Return the plain words of a coded feature's value."""
    return words(feature.coded, int(value)) if feature.coded is not None else ""
