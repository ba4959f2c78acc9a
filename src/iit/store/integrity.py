"""Questions whose right answer is zero, and the stored facts in both of their forms."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from sqlalchemy import select, text

from iit.domain.record import Event
from iit.domain.risk import Band, Source
from iit.store.database import Transaction
from iit.store.records import STANDS, event_of
from iit.store.schema import events, records

_KNOWN: Final = {"bands": [str(band) for band in Band], "sources": [str(source) for source in Source]}

_QUESTIONS: Final = {
    "patients without their facility": "SELECT count(*) FROM patients p WHERE NOT EXISTS"
    " (SELECT FROM facilities f WHERE f.facility = p.facility)",
    "events without their patient": "SELECT count(*) FROM events e WHERE NOT EXISTS"
    " (SELECT FROM patients p WHERE p.patient_uuid = e.patient_uuid)",
    "records without their patient": "SELECT count(*) FROM records r WHERE NOT EXISTS"
    " (SELECT FROM patients p WHERE p.patient_uuid = r.patient_uuid)",
    "sessions without their user": "SELECT count(*) FROM sessions s WHERE NOT EXISTS"
    " (SELECT FROM users u WHERE u.user_name = s.user_name)",
    "records of another facility than their patient": "SELECT count(*) FROM records r JOIN patients p USING"
    " (patient_uuid) WHERE r.facility <> p.facility",
    "events without a record": "SELECT count(DISTINCT e.patient_uuid) FROM events e WHERE NOT EXISTS"
    " (SELECT FROM records r WHERE r.patient_uuid = e.patient_uuid)",
    "predictions with a risk outside 0 to 1": "SELECT count(*) FROM predictions"
    " WHERE NOT (risk_score >= 0 AND risk_score <= 1)",
    "patients with a risk outside 0 to 1": "SELECT count(*) FROM patients"
    " WHERE NOT (risk_score >= 0 AND risk_score <= 1)",
    "predictions with an unknown band": "SELECT count(*) FROM predictions WHERE risk_band <> ALL (:bands)",
    "patients with an unknown band": "SELECT count(*) FROM patients WHERE risk_band <> ALL (:bands)",
    "predictions of an unknown source": "SELECT count(*) FROM predictions WHERE source <> ALL (:sources)",
    "patients whose latest risk is not that of their last prediction": "WITH last AS (SELECT patient_uuid, max(as_of)"
    " AS as_of FROM predictions GROUP BY patient_uuid) SELECT count(*) FROM patients p WHERE p.risk_score IS NOT NULL"
    " AND NOT EXISTS (SELECT FROM predictions q JOIN last USING (patient_uuid, as_of) WHERE q.patient_uuid ="
    " p.patient_uuid AND q.as_of = p.risk_as_of AND q.risk_score = p.risk_score AND q.risk_band = p.risk_band)",
    "patients who lack the risk of their last prediction": "SELECT count(*) FROM patients p WHERE p.risk_score IS NULL"
    " AND EXISTS (SELECT FROM predictions q WHERE q.patient_uuid = p.patient_uuid AND q.created_at >= p.created_at)",
    "indexes that are not valid": "SELECT count(*) FROM pg_index WHERE NOT indisvalid",
    "constraints that are not valid": "SELECT count(*) FROM pg_constraint WHERE NOT convalidated",
    "pages with a wrong checksum": "SELECT coalesce(sum(checksum_failures), 0)::bigint FROM pg_stat_database",
}


class FactsTwice(NamedTuple):
    """A patient's facts as events and as they are packed; `repr` shows neither."""

    patient_uuid: str
    events: Sequence[Event]
    facts: bytes

    def __repr__(self) -> str:
        return "FactsTwice()"


def problems(tx: Transaction) -> dict[str, int]:
    """Return by question how many rows are wrong; only those with any."""
    answers = {}
    for name, query in _QUESTIONS.items():
        known = {word: values for word, values in _KNOWN.items() if f":{word}" in query}
        answers[name] = tx.execute(text(query), known).scalar_one()
    return {name: count for name, count in answers.items() if count}


def facts_twice(tx: Transaction, *, chunk: int = 500) -> Iterator[list[FactsTwice]]:
    """Yield all patients' facts in both forms, in chunks: memory stays flat."""
    after = ""
    while True:
        packed = tx.execute(
            select(records.c.patient_uuid, records.c.facts)
            .where(records.c.patient_uuid > after)
            .order_by(records.c.patient_uuid)
            .limit(chunk)
        ).all()
        if not packed:
            return
        after = packed[-1].patient_uuid
        found: dict[str, list[Event]] = {row.patient_uuid: [] for row in packed}
        rows = tx.execute(select(events).where(events.c.patient_uuid.in_(list(found))).where(STANDS))
        for row in rows:
            found[row.patient_uuid].append(event_of(row))
        yield [FactsTwice(row.patient_uuid, found[row.patient_uuid], bytes(row.facts)) for row in packed]
