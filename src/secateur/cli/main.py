"""Every command. Heavy imports are inside the commands, so that ``--help`` answers at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from secateur import __version__
from secateur.cli.importing import import_app
from secateur.cli.interrupt import interruptible as _interruptible
from secateur.cli.streams import outlive_readers
from secateur.errors import ConfigError, OfflineError, UserError

if TYPE_CHECKING:
    from secateur.study.config import StudyConfig

app = typer.Typer(
    name="secateur",
    help="Prune a language model, and prove what the cut did.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
study_app = typer.Typer(help="Plan, run and look after a whole study.", no_args_is_help=True)
data_app = typer.Typer(help="Get and check benchmark files.", no_args_is_help=True)
app.add_typer(study_app, name="study")
app.add_typer(data_app, name="data")
app.add_typer(import_app, name="import")

Offline = Annotated[bool, typer.Option("--offline", help="Make no network call at all.")]
StudyFile = Annotated[Path, typer.Argument(metavar="STUDY.YAML", help="The study file; see docs/study-file.md.")]
StoreOption = Annotated[
    Path | None, typer.Option("--store", help="The store's folder; without it, NAME.store beside the study file.")
]
Bbq = Annotated[Path | None, typer.Option("--bbq", help="BBQ's folder, in place of the study file's.")]


def main() -> None:
    """Run the command line; errors of the user print without a traceback."""
    outlive_readers()
    code: object = 0
    try:
        app()
    except UserError as error:
        print(f"secateur: {error}", file=sys.stderr)
        code = error.exit_code
    except SystemExit as leaving:
        code = leaving.code
    _leave(code)


def _leave(code: object) -> NoReturn:
    """End the process with this exit code."""
    if isinstance(code, int | None) and "pyarrow" in sys.modules:
        # With transformers loaded too, Arrow's threads abort about one process in ten while the interpreter is taken
        # down, after all work is done and on disk. Nothing here needs that: files are synced when they are written.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)
    sys.exit(code)  # type: ignore[arg-type]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"secateur {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    del version


@study_app.command("plan")
def study_plan(study: StudyFile, store: StoreOption = None, bbq: Bbq = None) -> None:
    """Show what a study would do: cells, records, bytes, time. Asks nothing, fetches nothing, writes nothing."""
    from secateur.cli.outline import print_outline
    from secateur.cli.show import print_plan
    from secateur.records.store import Store
    from secateur.study.outline import outline_study
    from secateur.study.plan import make_plan
    from secateur.study.run import stored_dtype

    config = _config(study, bbq)
    path = store or _default_store(study)
    there = Store.open(path) if path.exists() else None
    try:
        dtype = stored_dtype(there, config) if there else None
        plan = make_plan(config, base=study.parent, offline=True, dtype=dtype)
    except OfflineError:
        print_outline(outline_study(config, base=study.parent))
    else:
        print_plan(plan, there)


@study_app.command("run")
def study_run(study: StudyFile, store: StoreOption = None, bbq: Bbq = None, offline: Offline = False) -> None:
    """Run a study, or what is missing of it. Stop it at any time and run it again."""
    from secateur.cli.progress import make_progress
    from secateur.cli.show import print_outcome, print_plan
    from secateur.study.run import run_study

    config = _config(study, bbq)
    path = store or _default_store(study)
    with _interruptible("what was answered is kept, run the same command to go on"), make_progress() as progress:
        outcome = run_study(
            config,
            path,
            base=study.parent,
            offline=offline,
            progress=progress,
            planned=print_plan,
        )
    print_outcome(outcome)
    print(f"next: secateur report {path} --out report")


@study_app.command("status")
def study_status(
    store: Annotated[Path, typer.Argument(metavar="STORE", help="The store's folder.")],
    repair: Annotated[
        bool, typer.Option("--repair", help="Give up damaged files, so that the next run asks their rows again.")
    ] = False,
) -> None:
    """Show how complete a store is against the studies run into it, and whether every file is as written."""
    from secateur.cli.status import print_repairs, print_status
    from secateur.records.store import Store

    opened = Store.open(store)
    if repair:
        print_repairs(opened)
    if not print_status(opened):
        raise typer.Exit(UserError.exit_code)


@app.command("demo")
def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for everything the demo makes.")] = Path("secateur-demo"),
    full: Annotated[bool, typer.Option("--full", help="Ask all 4,000 questions, not 500 of them; minutes.")] = False,
) -> None:
    """See the whole job done in about a minute, on a small model with known prejudices. No network, no GPU."""
    from secateur.cli.progress import make_progress
    from secateur.cli.show import print_outcome
    from secateur.cli.summary import print_summary
    from secateur.study.demo import run_demo

    with _interruptible("run the same command to go on"), make_progress() as progress:
        made = run_demo(out, full=full, progress=progress)
    print_outcome(made.outcome)
    print_summary(made.report)


@app.command("methods")
def methods() -> None:
    """List the pruning methods, with the section that describes each."""
    from secateur.cli.listings import print_methods

    print_methods()


@app.command("benchmarks")
def benchmarks() -> None:
    """List the benchmarks, with the page that describes each."""
    from secateur.cli.listings import print_benchmarks

    print_benchmarks()


@app.command("families")
def families() -> None:
    """List the model families that can be pruned, with the page that describes each."""
    from secateur.cli.listings import print_families

    print_families()


@app.command("report")
def report(
    store: Annotated[Path, typer.Argument(metavar="STORE", help="The store's folder.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the report; made if missing.")],
    parser: Annotated[str, typer.Option("--parser", help="Which parser reads sampled answers.")] = "strict",
    plan: Annotated[
        str | None, typer.Option("--plan", help="Which study of the store, by the start of its digest.")
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            "--processes",
            min=1,
            help="In how many processes a report of many answers is made; without it, one a processor.",
        ),
    ] = None,
) -> None:
    """Write tables, figures and one HTML page about a store. Needs the store alone."""
    from secateur.cli.summary import print_summary
    from secateur.report import write_report

    def note(text: str) -> None:
        typer.echo(text, err=True)

    page = write_report(store, out, parser=parser, plan=plan, processes=processes or _processors(), note=note)
    print_summary(page)


@app.command("compare")
def compare(
    store: Annotated[Path, typer.Argument(metavar="STORE", help="The store's folder.")],
    baseline: Annotated[
        str, typer.Option("--baseline", help='A variant, or "MODEL, VARIANT" where several models have it.')
    ] = "dense",
    variant: Annotated[
        list[str] | None, typer.Option("--variant", help="Likewise, once per variant; all others without it.")
    ] = None,
    by: Annotated[str, typer.Option("--by", help="all, category, polarity, group (of the stereotype).")] = "all",
    metric: Annotated[
        list[str] | None, typer.Option("--metric", help="Show these metrics only; docs/metrics.md lists them.")
    ] = None,
    parser: Annotated[str, typer.Option("--parser", help="Which parser reads sampled answers.")] = "strict",
    plan: Annotated[
        str | None, typer.Option("--plan", help="Which study of the store, by the start of its digest.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the whole tables as CSV.")] = None,
) -> None:
    """Compare variants item by item, with intervals and tests that know of templates. Needs the store alone."""
    from secateur.cli.compare import check_choices, print_comparison, write_comparison
    from secateur.records.store import Store
    from secateur.report.compare import compare_store

    check_choices(by, metric or [])
    found = compare_store(Store.open(store), baseline=baseline, variants=variant or (), plan=plan, parser=parser)
    print_comparison(found, by=by, metrics=metric or [])
    if out is not None:
        write_comparison(found, out)


@app.command("score")
def score(
    store: Annotated[Path, typer.Argument(metavar="STORE", help="The store's folder.")],
    convention: Annotated[
        str | None, typer.Option("--convention", help="Score as another program does: parrish, helm or lm-eval.")
    ] = None,
    parser: Annotated[
        str | None,
        typer.Option("--parser", help="Reads texts: strict by default, and with --convention none but its own rules."),
    ] = None,
    plan: Annotated[
        str | None, typer.Option("--plan", help="Which study of the store, by the start of its digest.")
    ] = None,
    bbq: Annotated[
        Path | None, typer.Option("--bbq", help="BBQ's folder, for labels that conventions use; else the usual place.")
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="File for every score.")] = None,
) -> None:
    """Print scores per variant, readout, category and condition: ours, or by the convention of another program."""
    from secateur.cli.score import print_scores, write_scores
    from secateur.records.store import Store
    from secateur.report.scores import score_store

    found = score_store(Store.open(store), convention=convention, parser=parser, plan=plan, bbq=bbq)
    print_scores(found)
    if csv is not None:
        write_scores(found, csv)


@app.command("gate")
def gate(
    dense: Annotated[str, typer.Option("--dense", help="The model now in use: a folder, a Hub id, or planted.")] = "",
    candidate: Annotated[str, typer.Option("--candidate", help="The model that may replace it; likewise.")] = "",
    policy: Annotated[
        str, typer.Option("--policy", help="A policy file, or default, or planted; see docs/gate.md.")
    ] = "default",
    out: Annotated[
        Path, typer.Option("--out", help="Folder for the verdict and, without --store, the answers.")
    ] = Path("secateur-gate"),
    store: Annotated[
        Path | None, typer.Option("--store", help="The store's folder; keep it, and the dense model is asked once.")
    ] = None,
    bbq: Bbq = None,
    dense_revision: Annotated[str | None, typer.Option("--dense-revision", help="Hub branch, tag or commit.")] = None,
    candidate_revision: Annotated[
        str | None, typer.Option("--candidate-revision", help="Hub branch, tag or commit.")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only say whether the policy can be decided; needs no models.")
    ] = False,
    offline: Offline = False,
) -> None:
    """Say whether a candidate may replace a model: exit 0 ship, 3 don't, 4 not enough evidence."""
    if plan:
        _plan_gate(policy, bbq)
        return
    if missing := [name for name, given in (("--dense", dense), ("--candidate", candidate)) if not given]:
        raise ConfigError([f"{name}: missing" for name in missing], where="secateur gate")
    from secateur.cli.gate import print_verdict
    from secateur.cli.progress import make_progress
    from secateur.report.verdict_files import clear_verdict, write_verdict
    from secateur.study.gate import GateRequest, run_gate
    from secateur.study.policy import load_policy

    asked = GateRequest(
        dense,
        candidate,
        load_policy(policy),
        dense_revision=dense_revision,
        candidate_revision=candidate_revision,
        bbq=bbq,
    )
    clear_verdict(out)
    with _interruptible("what was answered is kept, run the same command to go on"), make_progress() as progress:
        verdict = run_gate(asked, store or out / "answers.store", base=Path(), offline=offline, progress=progress)
    print_verdict(verdict, write_verdict(verdict, out))
    if verdict.exit_code:
        raise typer.Exit(verdict.exit_code)


@app.command("prune")
def prune(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model folder, a Hub id, or planted.")],
    method: Annotated[str, typer.Option("--method", help="One that `secateur methods` lists.")],
    out: Annotated[Path, typer.Option("--out", help="A new folder for the pruned model.")],
    sparsity: Annotated[
        str | None, typer.Option("--sparsity", help="Share of weights to remove, for example 0.5.")
    ] = None,
    pattern: Annotated[
        str | None, typer.Option("--pattern", help="In its place N:M: of every M weights of a row N stay, as in 2:4.")
    ] = None,
    per: Annotated[str | None, typer.Option("--per", help="Comparison group: row or tensor.")] = None,
    mask_seed: Annotated[int, typer.Option("--mask-seed", help="Seed of random masks.")] = 0,
    one_shot: Annotated[
        bool, typer.Option("--one-shot", help="Calibrate every block on the dense model, not the pruned one.")
    ] = False,
    calibration: Annotated[
        str, typer.Option("--calibration", help="Corpus: packaged, a file, a folder, or a named one.")
    ] = "packaged",
    sequences: Annotated[
        int | None, typer.Option("--sequences", min=1, help="Calibration sequences; 128, or 32 of the packaged corpus.")
    ] = None,
    length: Annotated[
        int | None, typer.Option("--length", min=2, help="Tokens in each; 2048, or 256 of the packaged corpus.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Which sequences are taken.")] = 0,
    cut: Annotated[
        str, typer.Option("--cut", help="stream, or documents: the heads of the first that are long enough.")
    ] = "stream",
    revision: Annotated[str | None, typer.Option("--revision", help="Hub branch, tag or commit.")] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, mps.")] = "auto",
    offline: Offline = False,
) -> None:
    """Write a pruned copy of a model that plain transformers loads, with a model card."""
    from secateur.cli.progress import PRUNING, make_progress
    from secateur.compression.methods import METHODS
    from secateur.study.prune import PruneRequest, prune_to_folder

    calibrates = method in METHODS and METHODS[method].needs_inputs
    kept = "blocks that were calibrated are kept" if calibrates else "nothing was written"
    again = "go on" if calibrates else "begin again"
    with (
        _interruptible(f"{kept}, run the same command to {again}"),
        make_progress(PRUNING, runs_model=calibrates) as progress,
    ):
        made = prune_to_folder(
            PruneRequest(
                model=model,
                revision=revision,
                method=method,
                sparsity=sparsity,
                pattern=pattern,
                per=per,
                mask_seed=mask_seed,
                one_shot=one_shot,
                calibration=calibration,
                sequences=sequences,
                length=length,
                seed=seed,
                cut=cut,
                device=device,
            ),
            out,
            offline=offline,
            progress=progress,
        )
    print(f"{out}: {made.removed:,} of {made.weights:,} weights removed ({made.achieved_sparsity:.4%})")
    if not made.removed:
        print("Nothing was removed: at this level not one weight of any comparison group goes.")
    elif dense := ", ".join(sorted(METHODS[method].stays_dense)):
        print(f"{method} leaves {dense} dense; their weights count all the same.")


@data_app.command("get")
def data_get(name: Annotated[str, typer.Argument(metavar="NAME", help="bbq")], offline: Offline = False) -> None:
    """Download a benchmark's published files into the cache, each verified before use."""
    from secateur.items.bbq_source import cache_folder, get_bbq

    if name != "bbq":
        raise ConfigError([f"{name!r} cannot be downloaded; bbq can"], where="secateur data get")
    print(get_bbq(cache_folder(), offline=offline))


def _plan_gate(policy: str, bbq: Path | None) -> None:
    from secateur.cli.show import print_decidable
    from secateur.study.gate import plan_gate
    from secateur.study.policy import load_policy

    read = load_policy(policy)
    if read.target == "benchmark":
        print("This policy is about the listed items only: once all of them are asked, there is no error left.")
        return
    found = plan_gate(read, bbq=bbq, base=Path())
    print_decidable(found, policy=True)
    if not found:
        print("This policy has no margins, only limits.")
    elif read.looks > 1:
        print(f"These margins are those of the last of {read.looks} looks; each look before leaves it a little less.")


def _config(study: Path, bbq: Path | None) -> StudyConfig:
    from secateur.study.config import load_study

    config = load_study(study)
    if bbq is None:
        return config
    from secateur.files import expanded

    benchmark = config.benchmark.model_copy(update={"folder": expanded(bbq).absolute()})
    return config.model_copy(update={"benchmark": benchmark})


def _default_store(study: Path) -> Path:
    return study.with_suffix(".store")


def _processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
