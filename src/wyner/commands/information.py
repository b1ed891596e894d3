"""The command `wyner information`: what a table, a covariance, rows or a run share."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wyner.data.text import matrix_of
from wyner.errors import DataError, OptionError
from wyner.information.gaussian import gaussian
from wyner.information.pmf import PmfInformation, pmf


def describe(
    source: Path,
    *,
    covariance: tuple[int, int] | None = None,
    key: str | None = None,
    unit: str = "nats",
    solver: str = "penalty",
    gamma: float | None = None,
    lam: float | None = None,
    seed: int = 0,
    plot: Path | None = None,
) -> str:
    """The text that the command prints.

    A folder is a run. An `.npz` file with arrays x and y is data. Any other table is probabilities
    or counts, or with `covariance=(dx, dy)` a covariance.

    Args:
        source: a run folder, a .csv, .npy or .npz file.
        covariance: how a covariance splits into x and y; None if the file is none.
        key: which array of an .npz file.
        unit: "nats" or "bits", of tables.
        solver: see `wyner.information.pmf`.
        gamma: also print C_gamma.
        lam: also print the Lagrangian's minimum at lam.
        seed: of the solver's starts.
        plot: a PNG file to write, for tables.

    Raises:
        DataError: a file that cannot be read, or is no table, covariance or data.
        OptionError: options that do not fit what was given.
    """
    if not source.exists():
        raise DataError(f"there is no file or run {source}")
    if source.is_dir():
        return _of_run(source)
    arrays = _read(source)
    if covariance is None and key is None and {"x", "y"} <= set(arrays):
        return _of_rows(arrays["x"], arrays["y"])
    array = _pick(source, arrays, key)
    if covariance is not None:
        found = gaussian(covariance=array, dims=covariance)
        extra = (
            [f"C_gamma at {gamma:g}: {found.relaxed(gamma):.6f} nats"] if gamma is not None else []
        )
        if lam is not None:
            at = found.lagrangian(lam)
            extra.append(_line(lam, at.value, at.residual, at.rate, "nats"))
        return "\n".join([str(found), *extra])
    table, note = _probabilities(source, array)
    result = pmf(table, unit=unit, solver=solver, seed=seed)
    text = [*note, str(result), "", _latent(result)]
    if gamma is not None:
        text.append(f"C_gamma at {gamma:g} {unit}: {result.relaxed(gamma):.6f} {unit}")
    if lam is not None:
        at = result.lagrangian(lam)
        text.append(_line(lam, at.value, at.residual, at.rate, unit))
    if plot is not None:
        from wyner.canvas import png
        from wyner.files import write_bytes

        write_bytes(plot, png(result.plot()))
        text.append(f"figure: {plot}")
    return "\n".join(text)


def _line(lam: float, value: float, residual: float, rate: float, unit: str) -> str:
    return (
        f"lambda {lam:g}: minimum {value:.6f}, residual I(X;Y|Z) {residual:.6f}, rate I(X,Y;Z)"
        f" {rate:.6f} {unit}"
    )


def _latent(result: PmfInformation) -> str:
    """The optimal Z as text, if it is small enough to read."""
    z = result.latent
    if len(z.weights) * sum(result.table.shape) > 200:
        return f"optimal Z: {len(z.weights)} values; --plot draws them"
    lines = ["optimal Z:"]
    for k, w in enumerate(z.weights):
        rows = "   ".join(
            f"p({name}|z) " + " ".join(f"{v:.3f}" for v in a[k])
            for name, a in zip(_names(result), z.given_z, strict=True)
        )
        lines.append(f"  z = {k}  p(z) {w:.4f}   {rows}")
    return "\n".join(lines)


def _names(result: PmfInformation) -> list[str]:
    n = result.table.ndim
    return ["x", "y"] if n == 2 else [f"x{k + 1}" for k in range(n)]


def _of_run(folder: Path) -> str:
    """The measures of the common latent on the test rows, and the truth if the data have one."""
    from wyner.experiments.runner import model_and_data
    from wyner.runs import read_config

    if not read_config(folder).get("about", {}).get("data"):
        raise OptionError(
            f"{folder} was trained from Python; ask there: model.common_information(x=..., y=...)"
        )
    model, dataset = model_and_data(folder)
    rows = dataset.complete(list(model.observed), "test", 10_000)
    count = len(next(iter(rows.values()), ()))
    if not count:
        raise DataError(f"{folder}: no test row has all of {', '.join(model.observed)}")
    found = model.common_information(rows)
    what = {
        "I41": "rate of z, mean KL to the prior: at least I_q(X,Y;Z)",
        "I40": "prior entropy minus mean posterior entropy; no bound",
        "aggregate": "estimate of I_q(X,Y;Z) from the mixture of posteriors",
    }
    lines = []
    for name, value in found.items():
        low, high = found.intervals[name]
        capped = f"; at its cap, log of {found.rows} rows" if name in found.capped else ""
        lines.append(
            f"{name:<10} {value:10.4f} nats  [{low:.4f}, {high:.4f}]  {what.get(name, '')}{capped}"
        )
    truth = dataset.truth.get("common_information")
    if truth is not None:
        lines.append(f"{'J':<10} {float(truth):10.4f} nats  exact, of the data")
    else:
        lines.append(f"{'J':<10} {'?':>10}       of the data, not known")
    lines.append(
        "Intervals are of 95 % over the test rows and the draws of z. None of the estimates is"
        " Wyner's J: they say what this model spends on z."
    )
    return "\n".join([f"run {folder}, {count} test rows", *lines])


def _of_rows(x: np.ndarray, y: np.ndarray) -> str:
    try:
        from wyner.estimation import estimate
    except ImportError:
        return str(gaussian(data=(x, y)))
    return str(estimate(x, y))


def _read(path: Path) -> dict[str, np.ndarray]:
    """Arrays of a .csv, .npy or .npz file by name."""
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as z:
                return {k: z[k] for k in z.files}
        if path.suffix == ".npy":
            return {path.stem: np.load(path, allow_pickle=False)}
        return {path.stem: matrix_of(path)}
    except DataError:
        raise
    except Exception as e:
        raise DataError(
            f"cannot read {path}: {e}; expected a .csv of numbers, or a .npy or .npz file of NumPy"
        ) from e


def _pick(path: Path, arrays: dict[str, np.ndarray], key: str | None) -> np.ndarray:
    if key is not None:
        if key not in arrays:
            raise OptionError(f"--key {key}: {path} holds {', '.join(arrays) or 'nothing'}")
        return arrays[key]
    if len(arrays) != 1:
        raise OptionError(
            f"{path} holds {', '.join(arrays) or 'nothing'}; expected one table, or data as arrays"
            " x and y; choose with --key"
        )
    return next(iter(arrays.values()))


def _probabilities(path: Path, array: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The table as probabilities; counts are divided by their sum, and a note says so."""
    if array.dtype.kind not in "fiub":
        raise DataError(f"{path}: expected numbers, got {array.dtype}")
    whole = array.astype(np.float64)
    if whole.ndim >= 2 and np.isfinite(whole).all() and whole.size and whole.min() >= 0:
        total = whole.sum()
        if total > 1.5 and np.all(whole == np.round(whole)):
            return whole / total, [
                f"{total:.0f} counts, taken as frequencies: from few counts C_GK and J are too high"
            ]
    return whole, []
