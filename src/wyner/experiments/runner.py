"""From an experiment to a run folder with weights, numbers and a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wyner.data import Dataset, load
from wyner.errors import RunError
from wyner.evaluation import Number, as_rows, evaluate
from wyner.experiments.spec import Experiment
from wyner.files import write_json
from wyner.models import Model
from wyner.models.stored import load as load_model
from wyner.runs import command, read_config, read_history
from wyner.training.fit import fit
from wyner.training.run import Run

EVALUATION = "evaluation.json"


def run(
    experiment: Experiment,
    out: str | Path,
    *,
    resume: bool = False,
    progress: bool = True,
    report: bool = True,
    dataset: Dataset | None = None,
) -> tuple[Run, list[Number]]:
    """Trains, evaluates on the test rows, and writes `evaluation.json` and `report.html` into the
    run.

    Args:
        experiment: what to do.
        out: a new or empty folder, or that of the run to resume.
        resume: continue from the checkpoint.
        progress: show a bar.
        report: write the report; the numbers are written in any case.
        dataset: the experiment's data, if they are loaded already.

    Returns:
        The run and its numbers.
    """
    dataset = dataset or experiment.load()
    model, settings = experiment.build(dataset), dict(experiment.fit)
    about = {"data": dataset.source, "experiment": experiment.as_dict()}
    how: dict[str, Any] = dict(out=out, resume=resume, progress=progress, about=about)
    trained = fit(model, dataset, **how, **settings)
    numbers = _finish(Path(out), trained.model, dataset, experiment.evaluate, report)
    return trained, numbers


def evaluate_run(
    folder: str | Path,
    *,
    samples: int | None = None,
    rows: int | None = None,
    data: str | None = None,
    report: bool = True,
) -> list[Number]:
    """Evaluates a finished run again, on its own test rows or on another data set, and rewrites its
    report.

    Raises:
        RunError: no run, or one whose data are not known.
    """
    folder = Path(folder)
    about = read_config(folder).get("about", {})
    source = {"name": data} if data else about.get("data")
    if not source:
        raise RunError(f"{folder} does not say what it was trained on; name the data with --data")
    model, dataset = load_model(folder), load(**source)
    asked = {k: v for k, v in {"samples": samples, "rows": rows}.items() if v is not None}
    options = about.get("experiment", {}).get("evaluate", {}) | asked
    return _finish(folder, model, dataset, options, report)


def _finish(
    folder: Path, model: Model, dataset: Dataset, options: dict[str, Any], report: bool
) -> list[Number]:
    numbers = evaluate(model, dataset, **options)
    write_json(folder / EVALUATION, {"data": dataset.source, "numbers": as_rows(numbers)})
    if report:
        from wyner.report import write_report

        config, history = read_config(folder), read_history(folder)
        settings = config.get("fit", {})
        about = {k: settings.get(k) for k in ("seed", "epochs")}
        about |= dict(fit=settings, versions=config.get("versions", {}), folder=folder.name)
        about["command"] = config.get("command", command())
        about["seconds"] = history[-1]["seconds"] if history else None
        about["parameters"] = sum(p.numel() for p in model.parameters())
        write_report(folder, model, dataset, history, numbers, about)
    return numbers
