"""The command line. Errors are a sentence on standard error and exit code 2 (`--debug`: all)."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from wyner.commands.options import parse_values, sections_of, widths
from wyner.errors import OptionError, WynerError

app = typer.Typer(
    help="Learn what two things share and what is private to each.",
    epilog="Start with: wyner demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def flag(help: str, *names: str) -> Any:
    """An option of a command."""
    return typer.Option(*names, help=help)


def argument(help: str) -> Any:
    """An argument of a command."""
    return typer.Argument(help=help)


Out = Annotated[Path | None, flag("Folder of the run; new or empty.", "--out", "-o")]
Quiet = Annotated[bool, flag("No progress bar.", "--quiet", "-q")]
Run = Annotated[Path, argument("Folder of a run.")]
Text: TypeAlias = str | None
Number: TypeAlias = float | None
Count: TypeAlias = int | None
Options = Annotated[
    list[str] | None,
    flag("Any key of an experiment file: data.correlations=[0.9], fit.weight_decay=0.01", "--set"),
]
NAMED = (
    "A named data set (wyner list data), a file (.csv, .npz, .parquet, .xlsx, .h5ad, ...), or one"
    " for each view: x=a.csv,y=b.csv."
)
Other = Annotated[str | None, flag("Another data set or file; x=a.csv,y=b.csv for one each view.")]
Views = Annotated[
    list[str] | None,
    flag("Columns that belong together, x=age,height or rna=ENSG*; again for each.", "--view"),
]
Label = Annotated[str | None, flag("Column that colours plots; never trained on.")]
Ids = Annotated[str | None, flag("Column with the names of the rows.")]
Covariates = Annotated[
    str | None, flag("Columns that are given and no modality, such as batch,age.")
]
Kinds = Annotated[
    str | None,
    flag("auto: find what each column holds, with a density of its own; or auto,age=continuous."),
]
Log1p = Annotated[str | None, flag("Views that are taken as log(1 + x), such as rna; all for all.")]
Epochs = Annotated[Count, flag("Passes over the data; fewer for a quick look.")]


@app.command(epilog="Example: wyner demo --out demo-run")
def demo(
    out: Out = None,
    epochs: Epochs = None,
    seed: Annotated[int, flag("Of weights, order and noise.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Train on the embedded digits, start to report, in about three minutes on two cores."""
    from wyner.experiments import read

    chosen = {"seed": seed, **({"epochs": epochs} if epochs is not None else {})}
    where = out or _free(Path("runs") / "demo")
    _train(read("demo").changed(fit=chosen), where, False, not quiet, True)


@app.command(
    epilog=(
        "Examples: wyner train --data pairs.npz | wyner train --data mog --lam 0.1 --epochs 60 |"
        " wyner train experiment.toml | wyner train --resume runs/mog"
    )
)
def train(
    experiment: Annotated[
        Text, argument("A TOML file, or the name of a shipped experiment (wyner list experiments).")
    ] = None,
    data: Annotated[Text, flag(NAMED)] = None,
    model: Annotated[Text, flag("Name of the model (wyner list models).")] = None,
    lam: Annotated[Number, flag("Weight of the common information, in [0, 1).")] = None,
    alpha: Annotated[
        Number, flag("Weight of the marginal and conditional terms; 0 trains in two stages.")
    ] = None,
    z: Annotated[Count, flag("Size of the common latent.")] = None,
    u: Annotated[Count, flag("Size of the local latent of x.")] = None,
    v: Annotated[Count, flag("Size of the local latent of y.")] = None,
    hidden: Annotated[Text, flag("Widths of hidden layers, for example 256,256,256.")] = None,
    activation: Annotated[Text, flag("relu, elu, leaky_relu, gelu, silu, tanh.")] = None,
    epochs: Epochs = None,
    batch_size: Annotated[Count, flag("Rows a step.")] = None,
    lr: Annotated[Number, flag("Highest learning rate.")] = None,
    schedule: Annotated[Text, flag("constant, one-cycle, cosine, linear.")] = None,
    seed: Annotated[Count, flag("Of weights, order and noise.")] = None,
    patience: Annotated[Count, flag("Epochs without improvement before stopping.")] = None,
    members: Annotated[
        Count, flag("Models that answer as one; 5 by default for small tables.")
    ] = None,
    start: Annotated[
        Text, flag("linear: begin at the linear optimum, as tables do by default.")
    ] = None,
    clip: Annotated[Number, flag("Largest gradient norm.")] = None,
    compile: Annotated[bool | None, flag("Compile the step.", "--compile")] = None,
    precision: Annotated[Text, flag("32-true, bf16-mixed, ...")] = None,
    accelerator: Annotated[Text, flag("auto, cpu, cuda, ...")] = None,
    devices: Annotated[Count, flag("Processes or devices.")] = None,
    checkpoint_seconds: Annotated[Number, flag("Time between checkpoints.")] = None,
    samples: Annotated[Count, flag("Importance samples of the evaluation.")] = None,
    rows: Annotated[Count, flag("Test rows to evaluate; all by default.")] = None,
    view: Views = None,
    label: Label = None,
    ids: Ids = None,
    covariates: Covariates = None,
    kinds: Kinds = None,
    log1p: Log1p = None,
    option: Options = None,
    out: Out = None,
    resume: Annotated[Path | None, flag("Continue this run, exactly.")] = None,
    report: Annotated[bool, flag("Write report.html.")] = True,
    quiet: Quiet = False,
) -> None:
    """Train a model on a named data set or on your own pairs, evaluate it, write a report."""
    from wyner.experiments import Experiment, read
    from wyner.runs import read_config

    fit = dict(epochs=epochs, batch_size=batch_size, lr=lr, schedule=schedule, seed=seed)
    fit |= dict(patience=patience, clip=clip, compile=compile, precision=precision)
    fit |= dict(members=members, start=start)
    fit |= dict(accelerator=accelerator, devices=devices, checkpoint_seconds=checkpoint_seconds)
    layers = None if hidden is None else widths(hidden)
    if lam is not None and not 0 <= lam < 1:
        raise OptionError(f"--lam: expected a number from 0 to below 1, got {lam:g}")
    if layers is not None and any(n < 1 for n in layers):
        raise OptionError(f"--hidden: expected positive widths such as 256,256, got {hidden!r}")
    sections: dict[str, dict[str, Any]] = dict(
        data={"name": data, **_reading(view, label, ids, covariates, kinds, log1p)},
        model=dict(name=model, lam=lam, alpha=alpha, z=z, u=u, v=v),
        networks={"hidden": layers, "activation": activation},
        fit=fit,
        evaluate={"samples": samples, "rows": rows},
    )
    sections = {
        s: {k: v for k, v in values.items() if v is not None} for s, values in sections.items()
    }
    for section, added in sections_of(option).items():
        sections[section] |= added
    if resume is not None:
        if experiment is not None or any(sections.values()):
            raise OptionError(
                "--resume takes everything from the run; leave the other settings out"
            )
        stored = read_config(resume).get("about", {}).get("experiment")
        if not stored:
            raise OptionError(
                f"{resume} was trained from Python; resume it there with wyner.fit(...,"
                " resume=True)"
            )
        _train(Experiment(**stored), resume, True, not quiet, report)
        return
    if experiment is not None:
        base = read(experiment).changed(**sections)
    elif data is None:
        raise OptionError(
            "expected what to train on: --data NAME or --data pairs.npz, or an experiment file; see"
            " wyner list data"
        )
    else:
        base = _experiment_on(data, sections)
    where = out or _free(Path("runs") / Path(base.data["name"]).stem)
    _train(base, where, False, not quiet, report)


@app.command(epilog="Example: wyner evaluate runs/mog --samples 1000")
def evaluate(
    run: Run,
    samples: Annotated[Count, flag("Importance samples.")] = None,
    rows: Annotated[Count, flag("Test rows; all by default.")] = None,
    data: Other = None,
    report: Annotated[bool, flag("Rewrite report.html.")] = True,
) -> None:
    """Likelihoods and information of a run on held-out pairs."""
    from wyner.experiments import evaluate_run

    _table(evaluate_run(run, samples=samples, rows=rows, data=data, report=report))


@app.command(
    epilog=(
        "Examples: wyner sample runs/demo -n 64 --to pairs.npz | wyner sample runs/demo --given"
        " x.npz -n 5 --to draws.npz"
    )
)
def sample(
    run: Run,
    to: Annotated[Path, flag("The .npz file to write, or .csv of one modality.")] = Path(
        "samples.npz"
    ),
    n: Annotated[int, flag("Pairs, or draws per given row.", "--n", "-n")] = 16,
    given: Annotated[
        str | None, flag("A file with some modalities, in their own units: translate them.")
    ] = None,
    like: Annotated[str | None, flag("A file with references whose style is kept.")] = None,
    reconstruct: Annotated[
        bool, flag("Reconstruct the given rows instead of translating them.")
    ] = False,
    draw: Annotated[bool, flag("Draw from the decoders instead of taking their means.")] = False,
    seed: Annotated[int, flag("Of the draws.")] = 0,
) -> None:
    """Generate pairs, translate, keep a style, or reconstruct; arrays go to an .npz file."""
    from wyner.commands import sampling

    shapes = sampling.sample_run(
        run, to, n=n, given=given, like=like, reconstruct=reconstruct, draw=draw, seed=seed
    )
    print(f"wrote {to}: " + ", ".join(f"{k} {v}" for k, v in shapes.items()))


@app.command(
    epilog=(
        "Examples: wyner traverse runs/demo --along u | wyner traverse runs/demo --between --rows"
        " 0,3,8 --to paths.pdf"
    )
)
def traverse(
    run: Run,
    to: Annotated[Path, flag("A .png, .pdf or .svg sheet, or an .npz file of arrays.")] = Path(
        "traverse.png"
    ),
    along: Annotated[Text, flag("The latent that moves; the first common one by default.")] = None,
    dims: Annotated[
        Text, flag("Its coordinates, such as 0,3; the most used ones by default.")
    ] = None,
    rows: Annotated[Text, flag("Test rows to start from, such as 0,5.")] = None,
    between: Annotated[
        bool, flag("Paths from each row to the next, instead of coordinates.")
    ] = False,
    steps: Annotated[int, flag("Steps of the walk.")] = 7,
    span: Annotated[
        float, flag("How far coordinates move, in standard deviations of the prior.")
    ] = 3.0,
    data: Other = None,
    seed: Annotated[Count, flag("Draw the latents that are held, instead of their means.")] = None,
) -> None:
    """Move through the latents of a run, by coordinate or from row to row; a sheet of pictures."""
    from wyner.commands import walking

    numbers = lambda text, what: (
        None if text is None else widths(text, f"{what}: expected numbers such as 0,3")
    )
    places: dict[str, Any] = {"dims": numbers(dims, "--dims"), "rows": numbers(rows, "--rows")}
    how: dict[str, Any] = dict(along=along, between=between, steps=steps, span=span, seed=seed)
    print(walking.traverse_run(run, to, source=data, **how, **places))


@app.command(
    epilog=(
        "Examples: wyner reproduce mog | wyner reproduce mog --rows wyner-0,jvae --seeds 2 --epochs"
        " 1 | wyner reproduce halves --protocol paper | wyner reproduce mine.toml | wyner reproduce"
        " all --redraw"
    )
)
def reproduce(
    experiment: Annotated[
        str, argument("A table by name (wyner list experiments) or a file; all with --redraw.")
    ],
    protocol: Annotated[str, flag("short, medium, paper or long.")] = "short",
    rows: Annotated[Text, flag("Rows by name, separated by commas; all by default.")] = None,
    seeds: Annotated[Count, flag("Models a row, from seed 0 up.")] = None,
    epochs: Epochs = None,
    samples: Annotated[Count, flag("Importance samples of the table.")] = None,
    test_rows: Annotated[Count, flag("Test rows of the table.")] = None,
    data: Annotated[Text, flag("One of its data sets, or a folder of the same layout.")] = None,
    on: Annotated[str, flag("Rows that are measured: test or validation.")] = "test",
    out: Annotated[Path, flag("Where the table and the figures go.", "--out", "-o")] = Path(
        "results"
    ),
    runs: Annotated[
        Path, flag("Where the trained models go; what is there is not trained again.")
    ] = Path("runs") / "reproduce",
    figures: Annotated[bool, flag("Draw the figures.")] = True,
    redraw: Annotated[
        bool, flag("Write tables again from their JSON, without training.", "--redraw")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Train a table of the paper again, several seeds a row, and print it beside theirs."""
    from wyner.commands.reproducing import redrawn, reproduced

    if redraw:
        print("drawn again: " + ", ".join(map(str, redrawn(experiment, protocol, out))))
        return
    picked = [r.strip() for r in (rows or "").split(",") if r.strip()]
    asked: dict[str, Any] = dict(rows=picked or None, seeds=seeds, epochs=epochs)
    asked |= dict(samples=samples, test_rows=test_rows, data=data)
    where: dict[str, Any] = {"out": out, "runs": runs, "figures": figures, "on": on}
    with _interruptible():
        page = reproduced(experiment, protocol, asked, progress=not quiet, **where)
    print(f"\n{page.read_text()}\ntable, numbers and figures: {page.parent}")


@app.command(
    epilog=(
        "Examples: wyner sweep --data pairs.npz | wyner sweep --data mog --lam 0,0.05,0.1 --seeds 5"
        " --epochs 40 | wyner sweep --data mog --over z=2,5,10"
    )
)
def sweep(
    data: Annotated[str, flag(NAMED)],
    model: Annotated[Text, flag("Name of the model; WynerVAE by default.")] = None,
    lam: Annotated[
        Text, flag("Values of lambda, separated by commas; the default without --over.")
    ] = None,
    over: Annotated[list[str] | None, flag("Any other argument or setting: key=v1,v2,...")] = None,
    seeds: Annotated[int, flag("Models a value.")] = 3,
    epochs: Epochs = None,
    samples: Annotated[int, flag("Importance samples of the numbers.")] = 50,
    rows: Annotated[int, flag("Validation rows of the numbers, at most.")] = 1000,
    option: Annotated[
        list[str] | None, flag("Any key of an experiment file, not swept.", "--set")
    ] = None,
    prune: Annotated[
        bool, flag("Drop hopeless values after a quarter and half of the epochs.")
    ] = True,
    out: Annotated[
        Path, flag("Folder; the same command again goes on in it.", "--out", "-o")
    ] = Path("runs") / "sweep",
    quiet: Quiet = False,
) -> None:
    """Choose lambda, or any argument, on validation rows; test rows are not looked at."""
    from wyner.experiments import sweep as sweeps

    sections = sections_of(option)
    if epochs is not None:
        sections["fit"]["epochs"] = epochs
    if model is not None:
        sections["model"]["name"] = model
    values = dict(parse_values(text) for text in over or [])
    if lam is not None or not over:
        values["lam"] = parse_values(f"lam={lam}")[1] if lam else list(sweeps.LAMBDAS)
    base = _experiment_on(data, sections, 6000)
    with _interruptible():
        how: dict[str, Any] = dict(seeds=seeds, samples=samples, rows=rows, prune=prune, out=out)
        found = sweeps.sweep(base, values, progress=not quiet, **how)
    print(f"\n{(found.folder / 'sweep.md').read_text()}")
    print(f"best: {found.best.label}; chosen: {found.chosen.label}")
    print(f"table, numbers and figure: {found.folder}")


@app.command(
    epilog=(
        "Examples: wyner information table.csv --unit bits | wyner information cov.npz --covariance"
        " 3,2 | wyner information pairs.npz | wyner information runs/mog"
    )
)
def information(
    source: Annotated[
        Path,
        argument("A table or covariance (.csv, .npy, .npz), data (.npz with x and y), or a run."),
    ],
    covariance: Annotated[
        Text, flag("The file is a covariance: sizes of x and y, such as 3,2.")
    ] = None,
    key: Annotated[Text, flag("Which array of an .npz file.")] = None,
    unit: Annotated[str, flag("nats or bits, for tables.")] = "nats",
    solver: Annotated[str, flag("penalty, alternating or admm, for tables.")] = "penalty",
    gamma: Annotated[Number, flag("Also the relaxed C_gamma.")] = None,
    lam: Annotated[Number, flag("Also the Lagrangian's minimum at lambda.")] = None,
    seed: Annotated[int, flag("Of the solver's starts.")] = 0,
    plot: Annotated[
        Path | None, flag("A PNG file for the curve and the optimal Z, for tables.")
    ] = None,
) -> None:
    """Common information of a table, a covariance, data or a run: mutual, Gacs-Korner, Wyner."""
    from wyner.commands import information as measures

    split = None
    if covariance is not None:
        sizes = widths(covariance, "--covariance: expected the sizes of x and y such as 3,2")
        if len(sizes) != 2:
            raise OptionError(
                f"--covariance: expected the sizes of x and y such as 3,2, got {covariance!r}"
            )
        split = (sizes[0], sizes[1])
    options: dict[str, Any] = dict(unit=unit, solver=solver, gamma=gamma, lam=lam, seed=seed)
    print(measures.describe(source, covariance=split, key=key, plot=plot, **options))


@app.command(
    epilog=(
        "Examples: wyner retrieve runs/sketchy --query sketches/ --gallery photos/ -k 10 --out"
        " found | wyner retrieve runs/mog --query x.npy --gallery pairs.npz --from x --to y"
    )
)
def retrieve(
    run: Run,
    query: Annotated[
        Path,
        flag(
            "A folder or zip archive of pictures; a file of rows in their own units, such as .csv"
            " or .npz."
        ),
    ],
    gallery: Annotated[Path, flag("The same, or the folder of an index that --keep made.")],
    k: Annotated[int, flag("Hits of each query.", "--k", "-k")] = 10,
    of: Annotated[Text, flag("Modality of the queries; the first by default.", "--from")] = None,
    to: Annotated[Text, flag("Modality of the gallery; the second by default.", "--to")] = None,
    distance: Annotated[Text, flag("cosine, the default, or euclidean.")] = None,
    keep: Annotated[
        Path | None, flag("A new folder for the encoded gallery, to be used again.")
    ] = None,
    out: Annotated[
        Path, flag("A new folder for hits.json, hits.csv and hits.png.", "--out", "-o")
    ] = Path("retrieved"),
) -> None:
    """Find the nearest items of a gallery by what both sides share, in either direction."""
    from wyner.commands import retrieval

    hits, files = retrieval.retrieve(
        run, query, gallery, out, k=k, of=of, to=to, distance=distance, keep=keep
    )
    print(
        f"{len(hits.index)} queries, {hits.index.shape[1]} hits each: {', '.join(map(str, files))}"
    )


@app.command(
    epilog=(
        "Example: wyner convert runs/reproduce/dsae-short/cmi-0.8/seeds-0-2/000-seed=0 anna.wav"
        " ben.wav -o voices"
    )
)
def convert(
    run: Annotated[Path, argument("Folder of a DSAE trained on speech.")],
    first: Annotated[
        Path, argument("A recording: wav, NIST SPHERE, or with wyner[audio] flac and others.")
    ],
    second: Annotated[Path, argument("Another one.")],
    out: Annotated[
        Path, flag("Folder for wav files and a picture of the spectra.", "--out", "-o")
    ] = Path("voices"),
    samples: Annotated[
        int, flag("Also so many made-up voices, and made-up sounds, for the first.")
    ] = 0,
    seed: Annotated[int, flag("Of what is made up.")] = 0,
) -> None:
    """Exchange the voices of two recordings: what one says, as the other."""
    from wyner.commands import voices

    for path in voices.convert(run, first, second, out, samples, seed):
        print(f"wrote {path}")


@app.command("list", epilog="Example: wyner list data")
def list_(what: Annotated[str, argument("models, data, experiments, spaces or families.")]) -> None:
    """What there is: models with what each can do, data sets, experiments."""
    from wyner.commands import listing

    listing.show(what)


def _reading(
    view: list[str] | None,
    label: str | None,
    ids: str | None,
    covariates: str | None,
    kinds: str | None,
    log1p: str | None,
) -> dict[str, Any]:
    """What the columns of a user's table are, as options of its data set."""
    views = {}
    for text in view or []:
        name, found, columns = text.partition("=")
        if not found or not name or not columns or name in views:
            raise OptionError(
                f"--view {text}: expected a view and its columns, such as x=age,height"
            )
        views[name] = columns.split(",")
    given: dict[str, Any] = {"views": views or None, "label": label, "ids": ids}
    given["covariates"] = covariates.split(",") if covariates else None
    if kinds is not None:
        known = dict(k.split("=", 1) for k in kinds.split(",") if "=" in k)
        given["kinds"] = known or "auto"
    if log1p is not None:
        given["standardise"] = (
            "log1p" if log1p == "all" else dict.fromkeys(log1p.split(","), "log1p")
        )
    return given


def _experiment_on(data: str, sections: dict[str, dict[str, Any]], steps: int | None = None) -> Any:
    from wyner.experiments.defaults import experiment_on

    base, recipe = experiment_on(data, sections, steps)
    if recipe:
        print(f"settings that are not given come from the experiment {recipe!r}")
    return base


def _train(experiment: Any, out: Path, resume: bool, progress: bool, report: bool) -> None:
    from wyner.data.files import of_user
    from wyner.experiments import run

    dataset = experiment.load()
    print(f"{dataset}", *(dataset.notes if of_user(dataset.source) else ()), sep="\n")
    print(f"model: {experiment.model.get('name', 'WynerVAE')}, run: {out}")
    with _interruptible():
        trained, numbers = run(
            experiment, out, resume=resume, progress=progress, report=report, dataset=dataset
        )
    print(f"\n{trained.model.objective}\n")
    _table(numbers)
    if trained.history:
        print(f"\ntrained in {trained.history[-1]['seconds']:.0f} s")
    if report:
        print(f"report: {out / 'report.html'}")


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C ends with the sentence that says how to go on, which typer would swallow."""
    try:
        yield
    except KeyboardInterrupt as e:
        print(f"\n{e}" if str(e) else "\ninterrupted", file=sys.stderr)
        raise typer.Exit(130) from None


def _table(numbers: list[Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "number", "value", "unit", "against", "how", box=None, header_style="bold", pad_edge=False
    )
    for column in table.columns[:4]:
        column.no_wrap = column is not table.columns[0]
    for n in numbers:
        error = f" +- {n.error:.3f}" if n.error is not None else ""
        mark = f"\n({n.mark})" if n.mark else ""
        against = f"{n.reference_name} {n.reference:.3f}" if n.reference is not None else ""
        table.add_row(n.name, f"{n.value:.3f}{error}{mark}", n.unit, against, n.how)
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _free(path: Path) -> Path:
    """The path itself if it is new or empty, else with the first free number."""
    n, found = 1, path
    while found.exists() and (not found.is_dir() or any(found.iterdir())):
        n += 1
        found = path.with_name(f"{path.name}-{n}")
    return found


def main() -> None:
    """Entry point: bad input ends with one clear sentence and exit code 2."""
    debug = "--debug" in sys.argv
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    warnings.showwarning = lambda message, *rest, **more: print(
        f"warning: {message}", file=sys.stderr
    )
    warnings.filterwarnings("ignore", module=r"(torch|lightning_fabric|tensorboard)")
    try:
        app(args=arguments, prog_name="wyner", standalone_mode=True)
    except WynerError as e:
        if debug:
            raise
        print(f"error: {e}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
