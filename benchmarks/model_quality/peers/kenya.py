"""Kenya (palladiumkenya/KenyaEMR_IIT_Docker, src/common and src/training): its inputs.

As there: lateness clipped to 0 to 100 days; sums and means over the last 3, 5 and 10 visits; more than 0, 14 and 30
days late; a restart is short-term for six months; adherence good or not; BMI classes from 15 years on; answers one-hot;
the site's no-show rate (more than 30 days late) and days late over six months, weighed by its visits; its TX_CURR.

Set by us: a visit is an ARV pick-up. Age, time on ART and days to the appointment count from the prediction day. Kind
of visit, visitor, reason for coming and stability are not in NMRS exports and left out, as are a site's level and
owner; the county's survey figures are stood for by the state.

The known leak: the site's figures of six months are joined to the month before the last of them, so that a visit is
told what the visits of the following month, its own return among them, were like. The honest version takes the six
months before the visit's own.
"""

from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.model_quality.cohort import Cohort
from benchmarks.model_quality.peers.known import look
from benchmarks.model_quality.peers.recipe import Inputs, Scene, columns, one_hot
from iit.domain.vocabulary import NIGERIAN_STATES, Kind
from iit.features.answers import TABLES

_MONTHS: Final = 6
_MOST_DAYS_LATE: Final = 100
_NO_SHOW_DAYS: Final = 30
_GOOD_ADHERENCE: Final = 165287
_PREGNANT, _BREASTFEEDING = 165048, 165049
_BMI_EDGES: Final = (-np.inf, 18.5, 25.0, 30.0, np.inf)
_ANSWERS: Final = {
    "marital": len(TABLES[Kind.MARITAL_STATUS]) + 1,
    "education": len(TABLES[Kind.EDUCATION]) + 1,
    "occupation": len(TABLES[Kind.OCCUPATION]) + 1,
    "state_code": len(NIGERIAN_STATES) + 1,
    "vl_category": 5,
    "cascade_status": 3,
}
_OURS: Final = (
    "dsd_model", "who_stage", "sex", "age", "months_on_art", "days_to_ecd", "is_first_pickup", "is_dtg", "ahd_flag",
    "fac_tx_curr",
)  # fmt: skip


def inputs(scene: Scene) -> Inputs:
    """Return (r, k) Kenya's inputs, the site's figures from the six months before the day's own month."""
    return columns(_of_patients(scene), site_figures(scene.cohort, last_month=-1))


def inputs_with_leak(scene: Scene) -> Inputs:
    """Return (r, k) the same with the site's figures up to the month after the day's own, as they join them."""
    return columns(_of_patients(scene), site_figures(scene.cohort, last_month=1))


def _of_patients(scene: Scene) -> Inputs:
    known = scene.known
    return columns(
        scene.asked_on,
        *(scene.feature(name) for name in _OURS),
        *(one_hot(scene.feature(name), n) for name, n in _ANSWERS.items()),
        _lateness(known.late),
        _equals(known.value(Kind.ADHERENCE), _GOOD_ADHERENCE),
        _equals(known.value(Kind.PREGNANCY), _PREGNANT),
        _equals(known.value(Kind.PREGNANCY), _BREASTFEEDING),
        _bmi_classes(bmi(known.value(Kind.WEIGHT_KG), known.value(Kind.HEIGHT_CM)), scene.feature("age")),
        np.minimum(scene.feature("regimen_changes_12m"), 1),
        (scene.feature("ecd_dow") == 4).astype(np.float32),  # a Friday
    )


def _lateness(late: NDArray[np.float32]) -> Inputs:
    """Return last lateness and, over the last 3, 5 and 10 visits, its mean and how often it exceeded 0, 14, 30 days."""
    clipped = np.clip(late, 0, _MOST_DAYS_LATE)
    told = [clipped[:, 0]]
    told += [(clipped[:, 0] > least).astype(np.float32) for least in (0, 14, 30)]
    for window in (3, 5, 10):
        recent = clipped[:, :window]
        n_known = (~np.isnan(recent)).sum(1)
        with np.errstate(invalid="ignore"):
            told.append(np.nansum(recent, axis=1) / np.where(n_known > 0, n_known, np.nan))
        told += [(recent > least).sum(1) for least in (0, 14, 30)]
    return columns(*told)


def _equals(values: NDArray[np.float32], answer: int) -> NDArray[np.float32]:
    """Return 1 where the answer was given, 0 where another, NaN where none."""
    return np.where(np.isnan(values), np.nan, values == answer).astype(np.float32)


def bmi(weight_kg: NDArray[np.float32], height_cm: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return kg/m2 of weights of 20 to 200 kg and heights of 50 to 250 cm; NaN else."""
    is_valid = (weight_kg >= 20) & (weight_kg <= 200) & (height_cm >= 50) & (height_cm <= 250)
    return np.where(is_valid, weight_kg / (height_cm / 100) ** 2, np.nan).astype(np.float32)


def _bmi_classes(values: NDArray[np.float32], age: NDArray[np.float32]) -> Inputs:
    grown = np.where(age < 15, np.nan, values)
    classes = [(grown >= low) & (grown < high) for low, high in pairwise(_BMI_EDGES)]
    return np.column_stack((age < 15, *classes)).astype(np.float32)


def site_figures(cohort: Cohort, *, last_month: int) -> Inputs:
    """Return (r, 2) no-show rate and mean days late of each row's site over six months, weighed by its visits.

    Args:
        cohort: whose rows.
        last_month: the last of the six, counted from the month of the prediction day: -1 the one before it, 1 the one
            after it. Visits count in the month in which they became known, as they were known then.
    """
    month, totals = month_of(cohort.dataset.as_of), _months_of_sites(cohort)
    summed = np.cumsum(np.pad(totals, ((0, 0), (_MONTHS, 2), (0, 0))), axis=1)
    end = np.clip(month + last_month + _MONTHS, 0, summed.shape[1] - 1)
    begin = np.clip(end - _MONTHS, 0, None)
    site = cohort.dataset.facility
    visits, no_shows, days = (summed[site, end] - summed[site, begin]).T
    with np.errstate(invalid="ignore"):
        figures: Inputs = (np.column_stack((no_shows, days)) / np.where(visits > 0, visits, np.nan)[:, None]).astype(
            np.float32
        )
    return figures


def _months_of_sites(cohort: Cohort) -> NDArray[np.float64]:
    """Return (sites, months since 1970-01, 3) visits, no-shows and days late."""
    records = cohort.records
    facts = records.columns
    pickups = np.flatnonzero(facts.kind == Kind.PICKUP)
    patient = np.searchsorted(facts.offsets, pickups, side="right") - 1
    told = np.maximum(facts.day[pickups], facts.known[pickups]).astype(np.int64)
    patient, told = np.unique(np.stack((patient, told)), axis=1)
    late = np.clip(look(facts, patient, told).late[:, 0], 0, _MOST_DAYS_LATE)
    is_return = ~np.isnan(late)
    patient, late, month = patient[is_return], late[is_return], month_of(told[is_return])
    months = 1 + max(int(month.max(initial=0)), int(month_of(cohort.dataset.as_of).max(initial=0)))
    totals = np.zeros((len(records.facilities), months, 3))
    for place, amount in enumerate((np.ones(len(late)), late > _NO_SHOW_DAYS, late)):
        np.add.at(totals[..., place], (records.facility[patient], month), amount)
    return totals


def month_of(day: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return months since 1970-01 of days since 1970-01-01."""
    months: NDArray[np.int64] = day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return months
