"""`iit train`, `evaluate`, `score`, `worklist` and `models`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from iit.cli.records import parse_day, write_csv
from iit.cli.shared import Json, actor, progress_bar, running, say, stage_printer, tell
from iit.cli.tables import WORKLIST_HEADER, write_scores, write_worklist
from iit.domain.errors import Conflict, InvalidInput
from iit.model.registry import Registry
from iit.model.scorer import Scorer
from iit.services.scoring import ScoringWish
from iit.store.predictions import PredictionRow

models = typer.Typer(help="The registry of models.", no_args_is_help=True)

Day = Annotated[str | None, typer.Option(help="YYYY-MM-DD; nothing known later is used.")]


def train(
    model_version: Annotated[str, typer.Option(help="Name of the new model, for example v2.0.")],
    as_of: Day = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the bundle; then it is not registered.")] = None,
    seed: int = 1,
    as_json: Json = False,
) -> None:
    """Train a model on all records, judge it on later cycles, and let it serve if nothing speaks against it."""
    with running() as service, progress_bar() as bar:
        day = None if as_of is None else parse_day(as_of)
        result = service.modelling.train(model_version, as_of=day, out=out, seed=seed, progress=stage_printer(bar))
    if as_json:
        tell({"model_version": result.version, "promoted": result.promoted, "objections": result.objections,
              **result.evaluation})  # fmt: skip
        return
    _print_evaluation(result.version, result.evaluation)
    if result.promoted:
        say(f"{result.version} is now the champion")
    for objection in result.objections:
        say(f"not promoted: {objection}")


def evaluate(
    model_version: Annotated[str | None, typer.Option(help="By default the champion.")] = None,
    since: Annotated[str | None, typer.Option("--from", help="First pick-up day, YYYY-MM-DD, included.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Last pick-up day, included.")] = None,
    predictions: Annotated[Path | None, typer.Option(help="Write one row a labelled landmark to this CSV.")] = None,
    as_json: Json = False,
) -> None:
    """Judge a model on cycles that began after all it was trained and calibrated on."""

    def keep(header: list[str], rows: list[tuple[object, ...]]) -> None:
        if predictions is not None:
            write_csv(predictions, header, rows)

    with running() as service:
        told = service.modelling.evaluate(
            model_version,
            since=None if since is None else parse_day(since),
            until=None if until is None else parse_day(until),
            rows_to=keep,
        )
    if as_json:
        tell(told)
        return
    _print_evaluation(told["model_version"], told)


def score(
    as_of: Day = None,
    facility: Annotated[str | None, typer.Option(help="Its DATIM code; by default all.")] = None,
    explain: Annotated[int, typer.Option(min=0, max=98, help="Reasons a patient at most.")] = 5,
    out: Annotated[Path | None, typer.Option(help="Write a .csv or .parquet file too.")] = None,
    store: Annotated[bool, typer.Option(help="Keep the predictions in the database.")] = True,
    as_json: Json = False,
) -> None:
    """Score every patient whose refill cycle can still be interrupted."""
    if out is not None and out.suffix not in (".csv", ".parquet"):
        raise InvalidInput("must end in .csv or .parquet", place="--out")
    kept: list[PredictionRow] = []
    with running() as service, progress_bar() as bar:
        task = bar.add_task("scoring", total=None)

        def follow(rows: list[PredictionRow], done: int, of: int) -> None:
            bar.update(task, completed=done, total=of)
            if out is not None:
                kept.extend(rows)

        day = None if as_of is None else parse_day(as_of)
        wish = ScoringWish(as_of=day, facility=facility, explain=explain, store=store)
        summary = service.scoring.score(wish, actor=actor(), on_chunk=follow)
    if out is not None:
        write_scores(out, kept)
    told = {"patients": summary.n_patients, "scored": summary.n_scored,
            "first_day": summary.first_day, "last_day": summary.last_day}  # fmt: skip
    if as_json:
        tell(told)
        return
    say(f"{summary.n_scored} of {summary.n_patients} patients are in a cycle and were scored as of {summary.last_day}")


def worklist(
    out: Annotated[Path, typer.Option(help="A .csv or .xlsx file.")],
    as_of: Day = None,
    facility: Annotated[str | None, typer.Option(help="Its DATIM code; by default all.")] = None,
    top: Annotated[int, typer.Option(min=1, max=100_000, help="Lines at most.")] = 50,
) -> None:
    """Write the case manager's list: the highest risks of the latest day that was scored."""
    if out.suffix not in (".csv", ".xlsx"):
        raise InvalidInput("must end in .csv or .xlsx", place="--out")
    with running() as service:
        day = None if as_of is None else parse_day(as_of)
        rows = service.patients.worklist(facility=facility, as_of=day, limit=top, actor=actor())
    write_worklist(out, rows)
    say(f"{len(rows)} patients, {len(WORKLIST_HEADER)} columns in {out}")


@models.command("list")
def list_models(as_json: Json = False) -> None:
    """List all models with their standing."""
    with running() as service:
        told = service.modelling.listing()
    if as_json:
        tell(told)
        return
    for one in told["models"]:
        figures = f"AUROC {one['auroc']:.4f}  ECE {one['ece']:.4f}"
        say(f"{one['version']:<20} {one['status']:<10} {one['created_at']}  {figures}")


@models.command("show")
def show_model(version: str) -> None:
    """Show what a model was made from and how good it is."""
    with running() as service:
        tell(service.modelling.show(version))


@models.command("promote")
def promote(version: str, force: Annotated[bool, typer.Option(help="Although the gate objects.")] = False) -> None:
    """Make a model the champion."""
    with running() as service:
        registry = Registry(service.settings.models_folder)
        objections = registry.entry(version).get("objections", [])
        if objections and not force:
            raise Conflict("; ".join(objections), place=version)
        registry.promote(version)
    say(f"{version} is now the champion")


@models.command("rollback")
def roll_back() -> None:
    """Return to the champion before."""
    with running() as service:
        version = Registry(service.settings.models_folder).roll_back()
    say(f"{version} is the champion again")


@models.command("shadow")
def shadow(
    version: Annotated[str | None, typer.Argument(help="The model to try.")] = None,
    off: Annotated[bool, typer.Option("--off", help="Try none any more.")] = False,
) -> None:
    """Let a model score beside the champion, kept for comparison and never shown."""
    if (version is None) != off:
        raise InvalidInput("give a version, or --off", place="models shadow")
    with running() as service:
        Registry(service.settings.models_folder).set_shadow(version)
    say("no model is tried any more" if version is None else f"{version} is tried beside the champion")


@models.command("compare")
def compare(
    champion: Annotated[str | None, typer.Argument(help="By default the champion.")] = None,
    other: Annotated[str | None, typer.Argument(help="By default the shadow.")] = None,
    as_json: Json = False,
) -> None:
    """Compare two models on resolved predictions that both have scored."""
    with running() as service:
        told = service.shadow.compare(champion, other)
    if as_json:
        tell(told)
        return
    say(f"{told['n']} resolved predictions scored by both, {told['n_interrupted']} interrupted")
    for version, figures in zip(told["models"], told["figures"], strict=True):
        say(f"  {version:<20} " + "  ".join(f"{name.upper()} {value:.4f}" for name, value in figures.items()))
    low, high = told["auroc_gain_interval"]
    say(f"  AUROC of {told['models'][1]} less {told['models'][0]}: {told['auroc_gain']:.4f} ({low:.4f} to {high:.4f})")


@models.command("verify")
def verify(version: Annotated[str | None, typer.Argument(help="By default all.")] = None) -> None:
    """Check files, hashes, feature set and self-test of models."""
    with running() as service:
        registry = Registry(service.settings.models_folder)
        versions = [version] if version else [one["version"] for one in registry.read()["models"]]
        for one in versions:
            Scorer(registry.load(one))
            say(f"{one}: ok")


def _print_evaluation(version: str, told: dict[str, Any]) -> None:
    metrics, intervals = told["metrics"], told["intervals"]
    say(f"model {version}: {metrics['n']:.0f} landmarks of {told['window']['n_patients']} patients, "
        f"{metrics['prevalence']:.1%} interrupted")  # fmt: skip
    for name in ("auroc", "auprc", "lift", "brier", "ece", "calibration_slope", "recall_top_20", "ppv_top_20"):
        low, high = intervals.get(name, (float("nan"), float("nan")))
        say(f"  {name:<18} {metrics[name]:.4f}  ({low:.4f} to {high:.4f})")
    for name, figures in told["rivals"].items():
        say(f"  AUROC of the {name:<20} {figures['auroc']:.4f}")
    limit = told["limit"]
    if limit is not None:
        say(f"  reachable without seeing the hidden frailty: AUROC {limit['auroc_reachable']:.4f} "
            f"(this model on the same rows {limit['auroc_model']:.4f})")  # fmt: skip
