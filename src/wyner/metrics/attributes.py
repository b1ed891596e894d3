"""How well attributes are told from a face: share of right bits, beside what guessing gives."""

from __future__ import annotations

from torch import Tensor

from wyner.errors import ShapeError
from wyner.metrics import checks


def attribute_accuracy(predicted: Tensor, bits: Tensor) -> float:
    """Share of attributes predicted rightly, over attributes, inputs and samples, in [0, 1].

    Args:
        predicted: probabilities or bits, `(B, d)`, or `(n, B, d)` for n samples of each of B
            inputs; above 1/2 counts as 1.
        bits: `(B, d)` of zeros and ones.

    Raises:
        ShapeError: other inputs or attributes than bits. DataError: NaN, bits that are none.
    """
    return float(_right(predicted, bits).double().mean())


def attribute_majority(train: Tensor, bits: Tensor) -> float:
    """The same for a predictor that gives each attribute its more frequent value in `train`."""
    return attribute_accuracy(_frequent(train).expand(len(bits), -1), bits)


def attribute_table(predicted: Tensor, bits: Tensor, train: Tensor) -> dict[str, Tensor]:
    """Attribute by attribute, `(d,)` each: `accuracy`, `majority` (the baseline), `gain`."""
    accuracy = _right(predicted, bits).double().reshape(-1, bits.shape[-1]).mean(0)
    majority = _right(_frequent(train).expand(len(bits), -1), bits).double().mean(0)
    return {"accuracy": accuracy, "majority": majority, "gain": accuracy - majority}


def _frequent(train: Tensor) -> Tensor:
    return checks.bits(train, "train").double().mean(0) > 0.5


def _right(predicted: Tensor, bits: Tensor) -> Tensor:
    """Whether each prediction is right, bool, in the shape of the predictions."""
    if predicted.shape[-2:] != bits.shape or predicted.ndim not in (2, 3):
        raise ShapeError(
            f"predicted: expected shape (..., {', '.join(map(str, bits.shape))}), got"
            f" {tuple(predicted.shape)}"
        )
    return (checks.finite(predicted, "predicted") > 0.5) == checks.bits(bits, "bits").to(
        predicted.device
    )
