"""`iit train`, `evaluate`, `score`, `worklist` and `models`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from iit.cli.jobs import follow
from iit.cli.records import parse_day, write_csv
from iit.cli.shared import Json, operator, progress_bar, running, say, stage_printer, tell
from iit.cli.tables import WORKLIST_HEADER, write_scores, write_worklist
from iit.domain.errors import InvalidInput
from iit.model.card_process import draw_page
from iit.services.scoring import ScoringWish
from iit.services.training import CardWish
from iit.store.predictions import PredictionRow

models = typer.Typer(help="The registry of models.", no_args_is_help=True)

_VIEWS = {
    "at_pickup": "on pick-up days alone", "unseen_patients": "of unseen patients",
    "unseen_facilities": "of unseen facilities",
}  # fmt: skip

Day = Annotated[str | None, typer.Option(help="YYYY-MM-DD; nothing known later is used.")]


def train(
    model_version: Annotated[str, typer.Option(help="Name of the new model, for example v2.0.")],
    as_of: Day = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the bundle; then it is not registered.")] = None,
    seed: int = 1,
    learning_curve: Annotated[bool, typer.Option(help="Measure it too; costs about one more training.")] = False,
    as_json: Json = False,
) -> None:
    """Train a model on all records, judge it on later cycles, and let it serve if nothing speaks against it."""
    with running() as service, progress_bar() as bar:
        day = None if as_of is None else parse_day(as_of)
        wish = CardWish(learning=learning_curve, page=draw_page)
        tell_stage = stage_printer(bar)
        result = service.training.train(
            model_version, who=operator(), as_of=day, out=out, seed=seed, card_wish=wish, progress=tell_stage
        )
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
    with running() as service:

        def keep(header: list[str], rows: list[tuple[object, ...]]) -> None:
            if predictions is not None:
                service.audit.note_export("judged predictions", [str(row[0]) for row in rows], who=operator())
                write_csv(predictions, header, rows)

        told = service.evaluation.judge(
            model_version,
            who=operator(),
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
        summary = service.scoring.score(wish, who=operator(), on_chunk=follow)
        if out is not None:
            service.audit.note_export("scores", [str(row.patient_uuid) for row in kept], who=operator())
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
    """Write the case manager's list: the highest risks of each facility's latest scoring."""
    if out.suffix not in (".csv", ".xlsx"):
        raise InvalidInput("must end in .csv or .xlsx", place="--out")
    with running() as service:
        day = None if as_of is None else parse_day(as_of)
        rows = service.patients.worklist(facility=facility, as_of=day, limit=top, who=operator())
        service.audit.note_export("worklist", [row.patient_uuid for row in rows], who=operator())
    write_worklist(out, rows)
    say(f"{len(rows)} patients, {len(WORKLIST_HEADER)} columns in {out}")


@models.command("list")
def list_models(as_json: Json = False) -> None:
    """List all models with their standing."""
    with running() as service:
        told = service.models.listing()
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
        tell(service.models.show(version))


@models.command("promote")
def promote(version: str, force: Annotated[bool, typer.Option(help="Although the gate objects.")] = False) -> None:
    """Make a model the champion."""
    with running() as service:
        service.models.promote(version, although_rejected=force, who=operator())
    say(f"{version} is now the champion")


@models.command("rollback")
def roll_back() -> None:
    """Return to the champion before."""
    with running() as service:
        version = service.models.roll_back(who=operator())
    say(f"{version} is the champion again")


@models.command("retrain")
def retrain(
    model_version: Annotated[str, typer.Option(help="Name of the new model, for example v2.0.")],
    as_of: Day = None,
    seed: int = 1,
    detach: Annotated[bool, typer.Option(help="Do not wait for the end.")] = False,
) -> None:
    """Train a model in the background, as `POST /api/v1/models/retrain` does, and follow it to its end."""
    day = None if as_of is None else parse_day(as_of).isoformat()
    wish = {"model_version": model_version, "seed": seed} | ({} if day is None else {"as_of": day})
    with running() as service:
        service.training.check_free(model_version)
        job = service.jobs.submit("train", wish, who=operator())
        say(f"job {job.job_id}")
        if detach:
            return
        tell(follow(service, job).result)


@models.command("shadow")
def shadow(
    version: Annotated[str | None, typer.Argument(help="The model to try.")] = None,
    off: Annotated[bool, typer.Option("--off", help="Try none any more.")] = False,
) -> None:
    """Let a model score beside the champion, kept for comparison and never shown."""
    if (version is None) != off:
        raise InvalidInput("give a version, or --off", place="models shadow")
    with running() as service:
        service.models.set_shadow(version, who=operator())
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
    """Check files, hashes, feature set, library versions and self-test of models."""
    with running() as service:
        for one in service.models.verify(version):
            say(f"{one}: ok")


@models.command("export")
def export(
    version: Annotated[str | None, typer.Argument(help="By default the champion.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the archive and the pickle.")] = Path(),
) -> None:
    """Write a model as one archive, for `iit models import` elsewhere, and as a pickle, for other tools."""
    with running() as service:
        for path in service.models.export_to(out, version, who=operator()):
            say(str(path))


@models.command("import")
def import_model(
    file: Annotated[Path, typer.Argument(help="An exported archive, a LightGBM text, or a pickle of one.")],
    model_version: Annotated[str | None, typer.Option(help="Name of a model that is no archive.")] = None,
    unpickle: Annotated[bool, typer.Option(help="Open a pickle. Its code runs shut off from everything.")] = False,
) -> None:
    """Register a model from elsewhere as a candidate; all but archives are calibrated and judged on our records."""
    with running() as service, progress_bar() as bar:
        version, objections = service.models.import_from(
            file, who=operator(), version=model_version, unpickle=unpickle, progress=stage_printer(bar)
        )
    say(f"{version} is registered; `iit models promote {version}` lets it serve")
    for objection in objections:
        say(f"the gate objects: {objection}")


def _print_evaluation(version: str, told: dict[str, Any]) -> None:
    metrics, intervals = told["metrics"], told["intervals"]
    say(f"model {version}: {metrics['n']:.0f} landmarks of {told['window']['n_patients']} patients, "
        f"{metrics['prevalence']:.1%} interrupted")  # fmt: skip
    for name in ("auroc", "auprc", "lift", "brier", "ece", "calibration_slope", "recall_top_20", "ppv_top_20"):
        low, high = intervals.get(name, (float("nan"), float("nan")))
        say(f"  {name:<18} {metrics[name]:.4f}  ({low:.4f} to {high:.4f})")
    for name, words in _VIEWS.items():
        if told[name] is not None:
            low, high = told[f"intervals_{name}"]["auroc"]
            say(f"  AUROC {words:<24} {told[name]['auroc']:.4f}  ({low:.4f} to {high:.4f})")
    for name, figures in told["rivals"].items():
        low, high = figures.get("auroc_ahead_low", float("nan")), figures.get("auroc_ahead_high", float("nan"))
        say(f"  AUROC of the {name:<20} {figures['auroc']:.4f}  ahead by {figures['auroc_ahead']:+.4f} "
            f"({low:+.4f} to {high:+.4f})")  # fmt: skip
    say(f"  {len(told['segments'])} segments judged, {len(told['segments_omitted'])} too small to tell; see --json")
    limit = told["limit"]
    if limit is not None:
        say(f"  reachable without seeing the hidden frailty: AUROC {limit['auroc_reachable']:.4f} "
            f"(this model on the same rows {limit['auroc_model']:.4f})")  # fmt: skip
