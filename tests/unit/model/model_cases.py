"""Datasets and models for the tests of this folder: numbers drawn by a seed, no people."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iit.domain.interruption import GRACE_DAYS
from iit.features.registry import FEATURE_NAMES, INDEX
from iit.model.dataset import Dataset
from iit.model.participants import participants_of
from iit.model.split import Split, split
from iit.model.train import Trained, manifest_of, train

N_FACILITIES = 12
FACILITIES = [f"SYN{place:06d}" for place in range(N_FACILITIES)]
LAG = 5


def patients(n: int) -> list[str]:
    """Return ids that hash evenly."""
    return [f"00000000-0000-4000-8000-{place:012d}" for place in range(n)]


def a_dataset(n: int = 400, cycles: int = 12, seed: int = 1) -> tuple[Dataset, NDArray[np.float32]]:
    """Return labelled pick-up days and the days 7 after of n patients, and their features.

    `late_days_mean_3` and `pdc_365` tell of the risk, everything else is noise; a tenth of values is unknown.
    """
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(n), cycles)
    supply = rng.choice([30, 60, 90], n * cycles)
    index_day = 18_000 + np.tile(np.arange(cycles) * 120, n) + rng.integers(0, 25, n * cycles)
    late, covered = rng.normal(size=(2, n * cycles))
    label = (rng.random(n * cycles) < 1 / (1 + np.exp(1.8 - 1.4 * late + 1.1 * covered))).astype(np.int64)
    twice = np.repeat(np.arange(n * cycles), 2)
    landmark = np.tile([0, 4], n * cycles)
    expected = (index_day + supply)[twice]
    features = rng.normal(size=(len(twice), len(FEATURE_NAMES))).astype(np.float32)
    features[:, INDEX["late_days_mean_3"]] = late[twice]
    features[:, INDEX["pdc_365"]] = covered[twice]
    features[:, INDEX["days_to_ecd"]] = np.where(landmark == 0, supply[twice], -7)
    features[:, INDEX["sex"]] = 1 + patient[twice] % 2
    features[rng.random(features.shape) < 0.1] = np.nan
    dataset = Dataset(
        patient=patient[twice],
        facility=patient[twice] % N_FACILITIES,
        as_of=np.where(landmark == 0, index_day[twice], expected + 7),
        index_day=index_day[twice],
        expected=expected,
        landmark=landmark,
        label=label[twice],
        label_contact=label[twice],
        resolved=np.where(label[twice] == 0, expected + 10, expected + GRACE_DAYS + LAG),
        settled=expected + GRACE_DAYS + LAG,
        trainable=np.ones(len(twice), np.bool_),
    )
    return dataset, features


def a_split(dataset: Dataset, n: int = 400) -> Split:
    """Return how its rows are divided."""
    return split(dataset, patients(n), FACILITIES)


def a_model(seed: int = 1) -> tuple[Trained, Dataset, NDArray[np.float32], Split]:
    """Return a small trained model and what it was trained on."""
    dataset, features = a_dataset()
    parts = a_split(dataset)
    return train(dataset, features, parts, seed=seed, threads=1), dataset, features, parts


def bundle_files(version: str, seed: int = 1) -> dict[str, bytes]:
    """Return the files of a bundle of a small model."""
    trained, _, features, _ = a_model(seed)
    manifest: dict[str, Any] = manifest_of(trained, version=version, features=features)
    return {
        "model.txt": trained.booster.model_to_string().encode("ascii"),
        "bundle.json": json.dumps(manifest).encode(),
        "card.md": b"# A model\n",
        "card.html": b"<!doctype html>\n",
        "iit_lightgbm_model.pkl": f"never read {version}".encode(),
    }


def a_patient_flow(dataset: Dataset, parts: Split) -> dict[str, Any]:
    """Return the counts of a dataset of which every landmark is usable."""
    return participants_of(dataset, dataset, parts)
