"""From an experiment to a run folder with weights, numbers and a report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wyner.data import Dataset, load
from wyner.data.files import is_file, of_user, rows_of_files, source_of
from wyner.data.tables import all_rows
from wyner.errors import RunError
from wyner.evaluation import Number, as_rows, evaluate
from wyner.experiments.spec import Experiment, check_counts
from wyner.files import write_json
from wyner.models import Model
from wyner.models.stored import load as load_model
from wyner.runs import command, read_config, read_history
from wyner.training.fit import fit
from wyner.training.run import Run
from wyner.training.single import rows_for
from wyner.variables import Image

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
    """Evaluates a finished run again: on its own test rows, and rewrites its report; or on another
    data set, into a folder `on-NAME` of its own inside the run's.

    Returns:
        The numbers.

    Raises:
        RunError: no run, one whose data are not known, or whose file has changed.
    """
    folder = Path(folder)
    about = read_config(folder).get("about", {})
    model, dataset = model_and_data(folder, data)
    asked = {k: v for k, v in {"samples": samples, "rows": rows}.items() if v is not None}
    options = about.get("experiment", {}).get("evaluate", {}) | asked
    check_counts(options)
    out = folder / f"on-{Path(dataset.name).stem}" if data else None
    return _finish(folder, model, dataset, options, report, out)


def model_and_data(folder: Path, data: str | None = None) -> tuple[Model, Dataset]:
    """A trained model and the data that it is asked about: its own, in the parts of its training,
    or all rows of another file as test rows.

    Raises:
        RunError: no run, one whose data are not known, or whose file has changed.
    """
    config, model = read_config(folder), scaled_model(folder)
    source = config.get("about", {}).get("data") or {}
    if data is None:
        if not source:
            raise RunError(
                f"{folder} does not say what it was trained on; name the data with --data"
            )
        dataset = load(**source)
        if of_user(source):
            _check_same(folder, config, model, dataset)
        return model, dataset
    if not is_file(data):
        return model, load(data)
    table = rows_of_files(data, model, source)
    if missing := [k for k in model.observed if k not in table.views]:
        raise RunError(f"{data} has no {missing[0]}, which {folder} was trained on")
    note = f"All {len(table)} rows of {data}; none of them was looked at in training."
    kind = "image" if all(isinstance(s, Image) for s in model.observed.values()) else "vector"
    return model, Dataset(
        table.name,
        {},
        {},
        all_rows(table, model.preprocessing),
        dict(model.observed),
        source=source_of(data),
        notes=(*table.notes, note),
        kind=kind,
        preprocessing=model.preprocessing,
        names=model.preprocessing.columns,
    )


def scaled_model(folder: Path) -> Model:
    """A trained model that knows its scale: one of a version that did not store it gets that of its
    file, if this is still the same.

    Raises:
        RunError: no run, or a file that has changed.
    """
    config, model = read_config(folder), load_model(folder)
    source = config.get("about", {}).get("data") or {}
    if of_user(source) and source.get("standardise", True) and not model.preprocessing:
        _check_same(folder, config, model, load(**source))
    return model


def _check_same(folder: Path, config: Mapping[str, Any], model: Model, dataset: Dataset) -> None:
    """Refuses a file that is no longer the one of the training. A run of a version that stored no
    preprocessing gets that of its rows, which are then known to be the same.
    """
    model.preprocessing = model.preprocessing or dataset.preprocessing
    stored = config.get("about", {}).get("rows")
    if stored is None:  # version 0.1.0 knew the training rows as the networks see them
        rows, _ = rows_for(model, dataset.train, None)
        same = str(config.get("fingerprint")).split(":")[0] == rows.fingerprint()
    else:
        same = stored == dataset.fingerprint()
    if not same:
        raise RunError(
            f"{dataset.source.get('name', dataset.name)} is no longer what {folder} was trained on;"
            " give back the old file, or score all rows of this one: --data FILE"
        )


def _finish(
    folder: Path,
    model: Model,
    dataset: Dataset,
    options: dict[str, Any],
    report: bool,
    out: Path | None = None,
) -> list[Number]:
    """Numbers and report, in the folder of the run or in another."""
    numbers = evaluate(model, dataset, **options)
    out = out or folder
    write_json(out / EVALUATION, {"data": dataset.source, "numbers": as_rows(numbers)})
    if report:
        from wyner.report import write_report

        config, history = read_config(folder), read_history(folder)
        settings = config.get("fit", {})
        about = {k: settings.get(k) for k in ("seed", "epochs")}
        about |= dict(fit=settings, versions=config.get("versions", {}), folder=folder.name)
        about["command"] = config.get("command", command())
        about["seconds"] = history[-1]["seconds"] if history else None
        about["parameters"] = sum(p.numel() for p in model.parameters())
        write_report(out, model, dataset, history, numbers, about)
    return numbers
