"""Models back from the folders that hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from wyner import codec
from wyner.errors import OptionError, RunError
from wyner.files import read_tensors
from wyner.models.base import Model
from wyner.preprocessing import Preprocessing
from wyner.runs import CHECKPOINT, WEIGHTS, read_config


def build(description: dict[str, Any], folder: Path) -> Model:
    """A model with fresh weights from its stored configuration."""
    try:
        kind = codec.named(description.get("name"), nn.Module, "model")
    except OptionError as e:
        text = f"{folder}: {e}; for a model of your own: wyner.load(folder, into=model)"
        raise RunError(text) from e
    return kind(**codec.renamed(kind, codec.decode(description["arguments"])))


def load(folder: str | Path, into: Model | None = None, checkpoint: bool = False) -> Model:
    """A trained model from the folder of a run or of `model.save`.

    Args:
        folder: where it is.
        into: a model built the same way, needed when it has classes or networks of your own.
        checkpoint: take the last checkpoint of a run that is not finished.

    Returns:
        The model, in evaluation mode, on the CPU.

    Raises:
        RunError: no run, an unfinished or damaged one, or one of another version or another model.
    """
    folder = Path(folder)
    description = read_config(folder)
    model = into if into is not None else build(description["model"], folder)
    if (folder / WEIGHTS).exists() and not checkpoint:
        weights, _ = read_tensors(folder / WEIGHTS)
    elif (folder / CHECKPOINT).exists():
        if not checkpoint:
            raise RunError(
                f"{folder} is not finished; continue it with wyner train --resume {folder}, or"
                " wyner.load(folder, checkpoint=True)"
            )
        tensors, _ = read_tensors(folder / CHECKPOINT)
        weights = {
            k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")
        }
    else:
        raise RunError(f"{folder} is incomplete: it has neither {WEIGHTS} nor a checkpoint")
    expected = model.state_dict()
    wrong = sorted(
        k
        for k in {*expected, *weights}
        if k not in expected or k not in weights or expected[k].shape != weights[k].shape
    )
    if wrong:
        shown = "; ".join(
            f"{k}: {_shape(weights.get(k))} stored, {_shape(expected.get(k))} expected"
            for k in wrong[:2]
        )
        raise RunError(
            f"{folder}: the weights are of another model: {shown}"
            + (f"; and {len(wrong) - 2} more" if len(wrong) > 2 else "")
        )
    model.load_state_dict(weights)
    model.preprocessing = Preprocessing.load(folder) or model.preprocessing
    return model.eval()


def _shape(tensor: Tensor | None) -> str:
    return "nothing" if tensor is None else str(tuple(tensor.shape))
