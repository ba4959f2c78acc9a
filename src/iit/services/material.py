"""What models are trained and judged on: all records, their landmarks with labels, and what rivals say of them."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iit.domain.audit import AuditEvent
from iit.domain.errors import InvalidInput
from iit.domain.record import day_date, day_number
from iit.features.context import Contexts
from iit.model.dataset import Dataset, build_dataset, features_of
from iit.model.evaluate import TestRows
from iit.model.registry import Registry
from iit.model.scorer import Scorer
from iit.services.contexts import Cohort, contexts_of, load_cohort
from iit.store import audit as audit_trail
from iit.store import truths as truth_store
from iit.store.database import Database
from iit.store.truths import Truth


@dataclass(frozen=True, repr=False)
class Material:
    """Everything in memory.

    Attributes:
        cohort: all records.
        contexts: of the cohort's facilities.
        dataset: all landmarks of all cycles, labelled as far as can be known on `as_of`.
        truths: true risks, of synthetic cohorts only.
        as_of: day of judgement.
    """

    cohort: Cohort
    contexts: Contexts
    dataset: Dataset
    truths: list[Truth]
    as_of: date

    def features_of(self, dataset: Dataset) -> NDArray[np.float32]:
        """Return the (r, 98) features of some of the rows."""
        return features_of(dataset, self.cohort.columns, self.cohort.facility, self.contexts)


def read_material(database: Database, as_of: date | None, *, audit: AuditEvent) -> Material:
    """Read all records and label their landmarks.

    Args:
        database: where they are.
        as_of: nothing known later is used; by default all that is known.
        audit: what they are read for.

    Raises:
        InvalidInput: there are no records.
    """
    with database.transaction() as tx:
        cohort = load_cohort(tx)
        truths = truth_store.all_truths(tx)
        audit_trail.write(tx, audit)
    if not cohort.patient_uuids:
        raise InvalidInput("there are no records: import some with `iit import`", place="training data")
    contexts = contexts_of(cohort)
    last = int(contexts.last_known_day.max())
    day = last if as_of is None else min(day_number(as_of), last)
    dataset = build_dataset(cohort.columns, cohort.facility, contexts, as_of=day)
    return Material(cohort, contexts, dataset, truths, day_date(day))


def champion_risk(models: Path, features: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    """Return the champion's (r,) risks under its name among rivals; nothing where there is none."""
    registry = Registry(models)
    champion = registry.champion()
    return {} if champion is None else {"champion": Scorer(registry.load(champion)).score(features)}


def rows_to_judge(
    material: Material,
    dataset: Dataset,
    features: NDArray[np.float32],
    chosen: NDArray[np.bool_],
    unseen_patient: NDArray[np.bool_],
    unseen_facility: NDArray[np.bool_],
) -> TestRows:
    """Return the chosen rows as those a model is judged on, with the true risks where the cohort is synthetic."""
    tested = dataset.take(chosen)
    return TestRows(
        dataset=tested,
        features=features[chosen],
        unseen_patient=unseen_patient[chosen],
        unseen_facility=unseen_facility[chosen],
        truth=_truth_of(material, tested),
    )


def _truth_of(material: Material, dataset: Dataset) -> NDArray[np.float64] | None:
    """Return (r, 2) true and reachable risk of rows of a synthetic cohort."""
    if not material.truths:
        return None
    by_cycle = {(one.patient_uuid, day_number(one.index_on)): one for one in material.truths}
    uuids = material.cohort.patient_uuids
    told = np.full((len(dataset), 2), np.nan)
    for row, (patient, index_day, landmark) in enumerate(
        zip(dataset.patient.tolist(), dataset.index_day.tolist(), dataset.landmark.tolist(), strict=True)
    ):
        truth = by_cycle.get((uuids[patient], index_day))
        if truth is not None:
            told[row] = truth.risk, truth.reachable[landmark]
    return told
