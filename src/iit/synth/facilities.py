"""The invented facilities of the synthetic world; every code starts with SYN."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

import numpy as np

from iit.domain.record import day_number
from iit.synth.parameters import FACILITY_SD, Shift

_PLACES: Final = (  # state, town or LGA of the facility, neighbouring ones, share of patients
    ("Lagos", "Ikeja", ("Agege", "Mushin", "Alimosho"), 0.11),
    ("Lagos", "Surulere", ("Mushin", "Yaba"), 0.07),
    ("FCT", "Gwagwalada", ("Kuje", "Abaji"), 0.09),
    ("Rivers", "Obio-Akpor", ("Port-Harcourt", "Ikwerre"), 0.09),
    ("Rivers", "Bonny", ("Degema",), 0.03),
    ("Kano", "Nassarawa", ("Fagge", "Tarauni"), 0.08),
    ("Benue", "Makurdi", ("Guma", "Gboko"), 0.10),
    ("Benue", "Otukpo", ("Ohimini",), 0.05),
    ("Akwa Ibom", "Uyo", ("Itu", "Uruan"), 0.09),
    ("Akwa Ibom", "Eket", ("Esit-Eket",), 0.04),
    ("Enugu", "Nsukka", ("Udenu", "Igbo-Eze South"), 0.06),
    ("Kaduna", "Zaria", ("Sabon Gari", "Soba"), 0.06),
    ("Oyo", "Ibadan North", ("Akinyele", "Egbeda"), 0.06),
    ("Cross River", "Calabar", ("Akpabuyo", "Odukpani"), 0.07),
)
_LEVELS: Final = ("General Hospital", "Primary Health Centre", "Teaching Hospital", "General Hospital")
_SLOW, _SILENT = 7, 10  # which of them enter data weeks late, and which stopped reporting
_SILENT_DAYS = 122


@dataclass(frozen=True, kw_only=True)
class Facility:
    """A facility that exports documents.

    Attributes:
        datim: its code; starts with SYN.
        neighbours: towns from which patients come who live outside its LGA.
        share: of all patients, 0 to 1.
        effect: added to the centre of the lateness law of its patients.
        entry_lag_days: typical days from a visit to its entry.
        reports_until: last day (since 1970-01-01) on which anything was entered.
        traces: share of missed appointments it tries to trace, 0 to 1.
        trace_after_days: typical days from the expected contact to the attempt.
        closes_files: whether it ends files of the long lost as lost to follow-up.
    """

    datim: str
    name: str
    level: str
    state: str
    town: str
    neighbours: tuple[str, ...]
    share: float
    location_id: int
    effect: float
    entry_lag_days: float
    reports_until: int
    traces: float
    trace_after_days: int
    closes_files: bool


def make_facilities(seed: int, until: date) -> tuple[Facility, ...]:
    """Return the facilities of a seed: one enters data weeks late, one fell silent four months before `until`."""
    rng = np.random.default_rng([seed, 1_000_003])
    effects = rng.normal(0.0, FACILITY_SD, len(_PLACES))
    silent_since = until - timedelta(days=_SILENT_DAYS)
    return tuple(
        Facility(
            datim=f"SYN{number:08d}",
            name=f"Synthetic {_LEVELS[number % len(_LEVELS)]} {number:02d}",
            level=_LEVELS[number % len(_LEVELS)],
            state=state,
            town=town,
            neighbours=neighbours,
            share=share,
            location_id=number,
            effect=round(float(effects[number - 1]), 4),
            entry_lag_days=21.0 if number == _SLOW else 0.8,
            reports_until=day_number(silent_since if number == _SILENT else until),
            traces=(0.7, 0.0, 0.45)[number % 3],
            trace_after_days=14 + 3 * (number % 5),
            closes_files=number % 4 != 1,
        )
        for number, (state, town, neighbours, share) in enumerate(_PLACES, start=1)
    )


def silenced(facilities: tuple[Facility, ...], shift: Shift | None) -> tuple[Facility, ...]:
    """Return the facilities after a shift: the largest that still report enter nothing from its date on."""
    if shift is None or not shift.silent_facilities:
        return facilities
    last = day_number(shift.on) - 1
    reporting = sorted((f for f in facilities if f.reports_until > last), key=lambda f: -f.share)
    silent = {f.datim for f in reporting[: shift.silent_facilities]}
    return tuple(replace(f, reports_until=last) if f.datim in silent else f for f in facilities)
