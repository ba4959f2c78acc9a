"""`make bench-model`: our model beside the recipes of others, on synthetic cohorts."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from time import perf_counter
from typing import Annotated, Final

import typer

from benchmarks.model_quality import one_cohort, tables
from benchmarks.model_quality.records import PROCESSES, cached_records
from benchmarks.report import write_section
from iit.synth import DEFAULT_UNTIL
from iit.synth.blocks import Plan

_ROUNDS: Final = 60
_QUICK: Final = (2_000, 2, 20)  # patients, seeds, rounds


def main(
    patients: Annotated[int, typer.Option(min=500, help="Patients of each cohort.")] = 20_000,
    seeds: Annotated[int, typer.Option(min=1, help="Cohorts; their seeds are 1, 2, ….")] = 5,
    quick: Annotated[bool, typer.Option("--quick", help="Two cohorts of 2,000; prints, writes nothing.")] = False,
) -> None:
    """Train and judge every model on several cohorts; print the tables and write them to benchmarks/README.md."""
    rounds = _ROUNDS
    if quick:
        patients, seeds, rounds = _QUICK
    begin = perf_counter()
    for seed in range(1, seeds + 1):
        cached_records(Plan(patients=patients, seed=seed, until=DEFAULT_UNTIL))
        print(f"records of seed {seed}: {perf_counter() - begin:.0f} s since the start", flush=True)
    outcomes = []
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(one_cohort.run, patients, seed, rounds, 1) for seed in range(1, seeds + 1)]
        for one in running:
            outcomes.append(one.result())
            parts = ", ".join(f"{part} {spent:.0f} s" for part, spent in outcomes[-1].seconds.items())
            print(f"seed {outcomes[-1].seed}: {parts}", flush=True)
    text = tables.report(outcomes, patients=patients, rounds=rounds)
    print(f"\n{text}\n\nAll of it took {perf_counter() - begin:.0f} s.")
    if not quick:
        write_section("model quality", f"## Model quality\n\n{text}")


if __name__ == "__main__":
    typer.run(main)
