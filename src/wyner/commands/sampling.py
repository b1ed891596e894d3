"""Sampling from a run to a file: the command `wyner sample`."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from wyner.errors import DataError, TaskError
from wyner.files import write_bytes
from wyner.models import Model
from wyner.models.stored import load


def sample_run(
    run: Path,
    to: Path,
    *,
    n: int,
    given: Path | None = None,
    like: Path | None = None,
    reconstruct: bool = False,
    draw: bool = False,
    seed: int = 0,
) -> dict[str, tuple[int, ...]]:
    """Arrays from a trained model, written to an `.npz` file.

    Without `given`: n pairs. With it: n translations a row, one restyled row with `like`, or
    reconstructions. Arrays are on the scale that the model was trained on.

    Returns:
        Shapes by name.
    """
    model = load(run)
    values, styles = _read(given, model), _read(like, model)
    if reconstruct and not values:
        raise TaskError("--reconstruct needs --given with the rows to reconstruct")
    if not values:
        made = model.generate(n, like=styles or None, sample=draw, seed=seed)
    elif reconstruct:
        made = model.reconstruct(**values, sample=draw, seed=seed)
    elif styles:
        target = next(iter(styles))
        made = {target: model.restyle(**values, like=styles, sample=draw, seed=seed)}
    else:
        wanted = [k for k in model.observed if k not in values]
        made = {k: model.translate(**values, n=n, to=k, sample=draw, seed=seed) for k in wanted}
    arrays = {k: np.asarray(v) for k, v in made.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes(to, buffer.getvalue())
    return {k: v.shape for k, v in arrays.items()}


def _read(path: Path | None, model: Model) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        with np.load(path, allow_pickle=False) as z:
            found = {k: z[k] for k in z.files if k in model.observed}
            names = list(z.files)
    except FileNotFoundError:
        raise DataError(f"there is no file {path}") from None
    except Exception as e:
        raise DataError(f"cannot read {path}: {e}; expected a file written by numpy.savez") from e
    if not found:
        raise DataError(
            f"{path} holds {', '.join(names) or 'nothing'}; expected one of"
            f" {', '.join(model.observed)}"
        )
    return found
