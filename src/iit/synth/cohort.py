"""Writing a cohort: a document a patient, the true risks, and a manifest that says it is synthetic."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Final, TextIO

from iit.domain.errors import Conflict
from iit.synth.blocks import Block, Plan, Writer, blocks
from iit.synth.bundles import bundle
from iit.synth.documents import document, file_name
from iit.synth.facilities import make_facilities
from iit.synth.lateness import EARLY_DAYS, FRAILTY_SD, SPREAD
from iit.synth.parameters import BASE_CENTRE, EFFECTS, VERSION, Shift
from iit.synth.persons import Person
from iit.synth.summary import CohortSummary, Tally
from iit.synth.truths import COLUMNS, truth_lines

MANIFEST: Final = "cohort.manifest"
TRUE_RISKS: Final = "true_risks.csv"
DEFAULT_UNTIL: Final = date(2025, 6, 30)
FORMS: Final[dict[str, Writer]] = {"nmrs": document, "fhir": bundle}
"""What writes a patient down, by the name of the form."""

_PROGRESS_EVERY: Final = 50


def write_cohort(  # noqa: PLR0913 - what a cohort is, each with a default
    out: Path,
    *,
    patients: int = 2_000,
    seed: int = 1,
    until: date = DEFAULT_UNTIL,
    progress: Callable[[int], None] | None = None,
    shift: Shift | None = None,
    form: str = "nmrs",
) -> CohortSummary:
    """Write a synthetic cohort as NMRS export documents, or the same people as FHIR bundles.

    `<out>/<facility>/<facility>_<patient>.json` holds a document each, `<out>/true_risks.csv` the true and the
    reachable risk of each cycle, `<out>/cohort.manifest` (JSON) the manifest, which is written last. An importer that
    is given `out` reads the documents and leaves the other two alone. The same arguments give the same bytes, and a
    smaller cohort is the beginning of a larger one.

    Args:
        out: folder to write to; it is made where it is missing, and must be empty.
        patients: how many, at least 1.
        seed: of all chance, at least 0.
        until: day of the export; nothing that happened or was typed in later is in it.
        progress: called now and then, and at the end, with the number of documents written so far.
        shift: a change of the world from a date on.
        form: one of `FORMS`.

    Raises:
        InvalidInput: an argument is out of its range.
        Conflict: the folder is not empty.
    """
    plan = Plan(patients=patients, seed=seed, until=until, shift=shift)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Conflict("the folder is not empty", place=str(out))
    tally = Tally()
    out.mkdir(parents=True, exist_ok=True)
    with (out / TRUE_RISKS).open("w", encoding="ascii", newline="\n") as truths:
        truths.write(",".join(COLUMNS) + "\n")
        for block in blocks(plan):
            _write_documents(out, block.documents(FORMS[form]), tally, progress)
            _write_truths(truths, block)
            tally.count_cycles(block)
    summary = tally.summary()
    (out / MANIFEST).write_text(json.dumps(_manifest(plan, summary), indent=2) + "\n", encoding="ascii")
    return summary


def cohort_documents(
    *,
    patients: int = 2_000,
    seed: int = 1,
    until: date = DEFAULT_UNTIL,
    shift: Shift | None = None,
    form: str = "nmrs",
) -> Iterator[tuple[str, str, bytes]]:
    """Yield facility code, patient UUID and document of a cohort without writing files; arguments as `write_cohort`.

    Raises:
        InvalidInput: an argument is out of its range.
    """
    plan = Plan(patients=patients, seed=seed, until=until, shift=shift)
    return (
        (person.facility.datim, person.patient_uuid, data)
        for block in blocks(plan)
        for person, data in block.documents(FORMS[form])
    )


def _write_documents(
    out: Path, written: Iterator[tuple[Person, bytes]], tally: Tally, progress: Callable[[int], None] | None
) -> None:
    for person, data in written:
        datim = person.facility.datim
        folder = out / datim
        if datim not in tally.facilities:
            folder.mkdir()
        (folder / file_name(datim, person.patient_uuid)).write_bytes(data)
        tally.count_document(datim, len(data))
        if progress is not None and tally.patients % _PROGRESS_EVERY == 0:
            progress(tally.patients)
    if progress is not None and tally.patients % _PROGRESS_EVERY:
        progress(tally.patients)


def _write_truths(truths: TextIO, block: Block) -> None:
    uuids = [person.patient_uuid for person in block.people]
    truths.writelines(line + "\n" for line in truth_lines(block.scene, block.sheets, uuids))


def _manifest(plan: Plan, summary: CohortSummary) -> dict[str, object]:
    shift = plan.shift
    return {
        "synthetic": True,
        "note": "All people, facilities and events are invented. Results on them say nothing of people.",
        "version": VERSION,
        "seed": plan.seed,
        "until": plan.until.isoformat(),
        "shift": None if shift is None else asdict(shift) | {"on": shift.on.isoformat()},
        "counts": asdict(summary) | {"prevalence": round(summary.prevalence, 6)},
        "facilities": [
            {"datim": f.datim, "name": f.name, "level": f.level, "state": f.state, "town": f.town}
            for f in make_facilities(plan.seed, plan.until)
        ],
        "parameters": {
            "early_days": EARLY_DAYS,
            "spread": SPREAD,
            "frailty_sd": FRAILTY_SD,
            "base_centre": BASE_CENTRE,
            "effects": dict(EFFECTS),
        },
    }
