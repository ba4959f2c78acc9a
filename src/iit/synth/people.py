"""Who the synthetic patients are: everything about them that does not depend on how they come to pick up medicine.

Nothing here is drawn with knowledge of the hidden frailty, so none of it tells anything about it.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from iit.domain.record import day_number
from iit.synth import concepts
from iit.synth.facilities import Facility
from iit.synth.lateness import draw_frailties
from iit.synth.parameters import YEARS_OF_STARTS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NO_DAY: Final = -1_000_000  # long before every real day
_YEAR: Final = 365.25
_PREGNANT_DAYS: Final = 280
_BREASTFEEDING_DAYS: Final = 365


@dataclass(frozen=True, kw_only=True, repr=False)
class People:
    """n patients; every array is (n, …). Days count from 1970-01-01; NO_DAY where something never happened.

    Attributes:
        frailty: hidden, on the scale of the lateness law's centre.
        conceived: (n, 2) days on which pregnancies began.
        tb_until: last day of TB treatment.
        tpt_from: day TB preventive treatment began; it lasts 180 days.
        dtg_from: day from which the patient is given dolutegravir.
    """

    frailty: Floats
    facility: Ints
    is_male: Bools
    birth: Ints
    art_start: Ints
    enrolled: Ints
    diagnosed: Ints
    is_transfer_in: Bools
    lives_outside: Bools
    neighbour: Ints
    has_phone: Bools
    marital: Ints
    education: Ints
    occupation: Ints
    care_entry: Ints
    who_stage: Ints
    cd4: Floats
    is_cd4_measured: Bools
    tb_until: Ints
    tpt_from: Ints
    conceived: Ints
    dtg_from: Ints
    is_second_line: Bools
    weight_kg: Floats
    height_cm: Floats

    def __len__(self) -> int:
        return len(self.birth)

    def pregnancy(self, index: Ints, day: Ints) -> Ints:
        """Return the pregnancy status concept of the patients `index`, each on its day."""
        since = day[:, None] - self.conceived[index]
        is_pregnant = ((since >= 0) & (since <= _PREGNANT_DAYS)).any(axis=1)
        last = _PREGNANT_DAYS + _BREASTFEEDING_DAYS
        is_feeding = ((since > _PREGNANT_DAYS) & (since <= last)).any(axis=1)
        return np.select(
            [is_pregnant, is_feeding], [concepts.PREGNANT, concepts.BREASTFEEDING], concepts.NOT_PREGNANT
        ).astype(np.int64)


def make_people(n: int, facilities: tuple[Facility, ...], until: date, rng: np.random.Generator) -> People:
    """Return n patients who began treatment at some facility within 8.5 years before it last reported."""
    facility = rng.choice(len(facilities), size=n, p=[f.share for f in facilities])
    last = np.array([f.reports_until for f in facilities])[facility]
    enrolled = last - np.floor(YEARS_OF_STARTS * _YEAR * rng.random(n) ** 1.15).astype(np.int64) - 3
    is_transfer_in = rng.random(n) < 0.07
    art_start = np.where(is_transfer_in, enrolled - rng.integers(120, 1_500, n), enrolled)
    age = _ages_at_start(n, rng)
    is_male = rng.random(n) < np.where(age < 15, 0.5, 0.34)
    birth = art_start - np.floor(age * _YEAR).astype(np.int64)
    cd4 = np.rint(np.exp(rng.normal(5.65, 0.75, n)))
    dtg_from = day_number(date(2019, 5, 1)) + rng.integers(0, 600, n)
    return People(
        frailty=draw_frailties(n, rng),
        facility=facility,
        is_male=is_male,
        birth=birth,
        art_start=art_start,
        enrolled=enrolled,
        diagnosed=art_start - np.where(rng.random(n) < 0.6, rng.integers(0, 8, n), rng.integers(8, 400, n)),
        is_transfer_in=is_transfer_in,
        lives_outside=rng.random(n) < 0.28,
        neighbour=rng.integers(0, 1_000, n),
        has_phone=rng.random(n) < 0.82,
        marital=_marital(age, rng),
        education=_pick((1107, 1713, 1714, 160292), (0.14, 0.24, 0.42, 0.20), n, rng),
        occupation=np.where(age < 18, 159465, _pick((123801, 1540, 1539, 159465), (0.38, 0.45, 0.12, 0.05), n, rng)),
        care_entry=_care_entry(is_transfer_in, is_male, age, rng),
        who_stage=np.where(cd4 < 200, _pick((1205, 1206, 1207), (0.3, 0.5, 0.2), n, rng), _mild_stages(n, rng)),
        cd4=cd4,
        is_cd4_measured=rng.random(n) < 0.65,
        tb_until=np.where(rng.random(n) < 0.04, enrolled + rng.integers(30, 180, n), NO_DAY),
        tpt_from=np.where(rng.random(n) < 0.55, enrolled + rng.integers(14, 500, n), NO_DAY),
        conceived=_conceptions(is_male, birth, enrolled, last, rng),
        dtg_from=np.where(rng.random(n) < 0.96, dtg_from, np.iinfo(np.int64).max),
        is_second_line=rng.random(n) < 0.03,
        weight_kg=np.where(age < 15, 2.0 * (age + 4.0), np.clip(rng.normal(58.0, 10.0, n) + 5.0 * is_male, 36, 120)),
        height_cm=np.where(age < 15, 75.0 + 6.0 * age, np.clip(rng.normal(162.0, 7.0, n) + 8.0 * is_male, 140, 200)),
    )


def _pick(answers: tuple[int, ...], shares: tuple[float, ...], n: int, rng: np.random.Generator) -> Ints:
    return np.array(answers, np.int64)[rng.choice(len(answers), size=n, p=shares)]


def _mild_stages(n: int, rng: np.random.Generator) -> Ints:
    return _pick((1204, 1205, 1206), (0.62, 0.30, 0.08), n, rng)


def _ages_at_start(n: int, rng: np.random.Generator) -> Floats:
    group = rng.choice(3, size=n, p=(0.05, 0.15, 0.80))
    child, youth = rng.uniform(1.0, 15.0, n), rng.uniform(15.0, 25.0, n)
    adult = np.minimum(25.0 + rng.gamma(2.2, 6.0, n), 78.0)
    return np.select([group == 0, group == 1], [child, youth], adult)


def _marital(age: Floats, rng: np.random.Generator) -> Ints:
    n = len(age)
    adult = _pick((5555, 1057, 1058, 1059, 1056), (0.58, 0.22, 0.05, 0.10, 0.05), n, rng)
    young = _pick((1057, 5555), (0.75, 0.25), n, rng)
    return np.select([age < 15, age < 25], [np.full(n, 1057), young], adult).astype(np.int64)


def _care_entry(is_transfer_in: Bools, is_male: Bools, age: Floats, rng: np.random.Generator) -> Ints:
    n = len(age)
    anyone = _pick((160542, 160539, 160541), (0.45, 0.47, 0.08), n, rng)
    is_antenatal = ~is_male & (age > 17) & (age < 42) & (rng.random(n) < 0.22)
    return np.select([is_transfer_in, is_antenatal], [np.full(n, 160563), np.full(n, 160538)], anyone).astype(np.int64)


def _conceptions(is_male: Bools, birth: Ints, enrolled: Ints, last: Ints, rng: np.random.Generator) -> Ints:
    """Return up to two days of conception for women of 17 to 43 years, NO_DAY elsewhere."""
    first = enrolled - 180 + np.floor(rng.random(len(birth)) * (last - enrolled + 180)).astype(np.int64)
    days = np.stack([first, first + rng.integers(700, 1_500, len(birth))], axis=1)
    age = (days - birth[:, None]) / _YEAR
    happens = (rng.random(days.shape) < np.array([0.30, 0.35])) & ~is_male[:, None] & (age > 17) & (age < 43)
    happens[:, 1] &= happens[:, 0]
    return np.where(happens, days, NO_DAY)
