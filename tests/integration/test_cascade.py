"""Figures of a facility depend on its own days alone."""

from datetime import date

from sqlalchemy import text

from iit.store.analytics import Cascade, cascade
from iit.store.database import Database

_PATIENT = """
INSERT INTO patients (patient_uuid, facility, status, risk_score, risk_band, risk_as_of, expected_on)
VALUES (:uuid, :facility, 'active', 0.5, 'high', :day, :expected)
"""


def test_newer_data_of_another_facility_take_nobody_off_the_list(database: Database) -> None:
    days = {"late": date(2025, 3, 1), "early": date(2025, 6, 1)}
    with database.transaction() as tx:
        for facility, day in days.items():
            tx.execute(text("INSERT INTO facilities (facility) VALUES (:it)"), {"it": facility})
            for number, expected in enumerate((day.replace(day=5), day.replace(month=1))):
                told = {"uuid": f"{facility} {number}", "facility": facility, "day": day, "expected": expected}
                tx.execute(text(_PATIENT), told)
        found = {facility: cascade(tx, facility) for facility in days}
        together = cascade(tx, None)
    each = Cascade(2, 2, 2, 2, due_in_7_days=1, overdue=1, returned=0, interrupted=0)
    assert found == {"late": each, "early": each}
    assert together == Cascade(4, 4, 4, 4, due_in_7_days=2, overdue=2, returned=0, interrupted=0)
