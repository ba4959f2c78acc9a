"""Records of a synthetic cohort in memory: documents written, read and packed as the product does, in two processes.

Reading 20,000 documents takes about a minute on two cores, so that the packed records are kept in the system's
temporary folder (or `IIT_BENCH_CACHE_DIR`), under a digest of all sources that decide over them.
"""

import hashlib
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

import iit
from iit.features.columns import Columns, pack, unpack
from iit.ingest.nmrs import read_nmrs
from iit.synth.blocks import BLOCK, Block, Plan, make_block
from iit.synth.facilities import make_facilities
from iit.synth.truths import open_landmarks

ZONE: Final = ZoneInfo("Africa/Lagos")
PROCESSES: Final = 2
_FORM: Final = 1  # of the kept file; raise it when what is kept changes
_SOURCES: Final = (
    "domain/interruption.py", "domain/record.py", "domain/vocabulary.py", "ingest/**/*.py", "synth/**/*.py",
    "features/columns.py",
)  # fmt: skip


@dataclass(frozen=True, repr=False)
class Records:
    """The packed records of a cohort, as the database would hold them, and the true risks beside them.

    Attributes:
        patients: (m,) ids, ascending.
        facilities: (f,) codes, ascending.
        facility: (m,) int32 place in `facilities` of each patient.
        columns: the m patients' facts.
        cycle_patient: (c,) int64 place of the patient of each true cycle, ascending.
        cycle_day: (c,) int64 its pick-up day, ascending for each patient.
        truth: (c, 8) true risk, then the reachable risk of the seven landmarks; NaN where nothing can be asked.
    """

    patients: list[str]
    facilities: list[str]
    facility: NDArray[np.int32]
    columns: Columns
    cycle_patient: NDArray[np.int64]
    cycle_day: NDArray[np.int64]
    truth: NDArray[np.float64]


class _Part(NamedTuple):
    """A block of patients, read."""

    patients: list[str]
    facilities: list[str]
    facts: list[bytes]
    cycle_patient: list[str]
    cycle_day: list[int]
    truth: NDArray[np.float64]


def cached_records(plan: Plan) -> Records:
    """Return a cohort's records, made now or earlier by the same sources."""
    shift = "" if plan.shift is None else hashlib.sha256(repr(plan.shift).encode()).hexdigest()[:8]
    path = _cache_folder() / f"{_digest()}-{plan.seed}-{plan.patients}-{plan.until.isoformat()}{shift}.npz"
    if not path.is_file():
        _keep(path, make_records(plan))
    return _load(path)


def make_records(plan: Plan) -> Records:
    """Write and read the documents of a cohort; nothing touches the disk."""
    firsts = range(0, plan.patients, BLOCK)
    if len(firsts) == 1:
        return _join([_read_block(plan, 0)])
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        return _join(list(pool.map(_read_block, [plan] * len(firsts), firsts)))


def _read_block(plan: Plan, first: int) -> _Part:
    block = make_block(plan, make_facilities(plan.seed, plan.until), first)
    records = [read_nmrs(data, zone=ZONE).record for _, data in block.documents()]
    return _Part(
        [record.patient.patient_uuid for record in records],
        [record.patient.facility for record in records],
        [pack(record) for record in records],
        [block.people[sheet.patient].patient_uuid for sheet in block.sheets],
        [sheet.visit.pickup for sheet in block.sheets],
        _truth_rows(block),
    )


def _truth_rows(block: Block) -> NDArray[np.float64]:
    cycles = block.scene.cycles
    reachable = np.where(open_landmarks(block.scene), cycles.reachable, np.nan)
    return np.column_stack((cycles.risk, reachable))[[sheet.cycle for sheet in block.sheets]]


def _join(parts: list[_Part]) -> Records:
    """Return all parts as one, patients and facilities in the order the database gives them."""
    unordered = [patient for part in parts for patient in part.patients]
    facts = [one for part in parts for one in part.facts]
    of = [facility for part in parts for facility in part.facilities]
    order = sorted(range(len(unordered)), key=unordered.__getitem__)
    patients, facilities = [unordered[place] for place in order], sorted(set(of))
    place_of = {patient: place for place, patient in enumerate(patients)}
    facility_place = {facility: place for place, facility in enumerate(facilities)}
    cycle_patient = np.array([place_of[uuid] for part in parts for uuid in part.cycle_patient], np.int64)
    cycle_day = np.array([day for part in parts for day in part.cycle_day], np.int64)
    ascending = np.lexsort((cycle_day, cycle_patient))
    return Records(
        patients=patients,
        facilities=facilities,
        facility=np.array([facility_place[of[place]] for place in order], np.int32),
        columns=unpack([facts[place] for place in order]),
        cycle_patient=cycle_patient[ascending],
        cycle_day=cycle_day[ascending],
        truth=np.concatenate([part.truth for part in parts])[ascending],
    )


def _cache_folder() -> Path:
    named = os.environ.get("IIT_BENCH_CACHE_DIR")
    return Path(named) if named else Path(tempfile.gettempdir()) / f"iit-benchmarks-{os.getuid()}"


def _digest() -> str:
    """Return a digest of the sources that decide over packed records."""
    package = Path(iit.__file__).parent
    digest = hashlib.sha256(str(_FORM).encode())
    for pattern in _SOURCES:
        for source in sorted(package.glob(pattern)):
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _keep(path: Path, records: Records) -> None:
    """Write records so that they appear whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    columns = records.columns
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        np.savez(
            file,
            patients=np.array(records.patients),
            facilities=np.array(records.facilities),
            facility=records.facility,
            cycle_patient=records.cycle_patient,
            cycle_day=records.cycle_day,
            truth=records.truth,
            **{name: getattr(columns, name) for name in Columns.__dataclass_fields__},
        )
    Path(file.name).replace(path)


def _load(path: Path) -> Records:
    with np.load(path, allow_pickle=False) as kept:
        return Records(
            patients=kept["patients"].tolist(),
            facilities=kept["facilities"].tolist(),
            facility=kept["facility"],
            columns=Columns(**{name: kept[name] for name in Columns.__dataclass_fields__}),
            cycle_patient=kept["cycle_patient"],
            cycle_day=kept["cycle_day"],
            truth=kept["truth"],
        )
