"""How well attributes are told from a face: share of right bits, beside what guessing the more
frequent value gives.
"""

from __future__ import annotations

from torch import Tensor

from wyner.errors import ShapeError


def attribute_accuracy(predicted: Tensor, bits: Tensor) -> float:
    """Share of attributes that are predicted rightly, over all attributes, inputs and samples, in
    [0, 1].

    Args:
        predicted: probabilities or bits, `(B, d)` or `(n, B, d)` for n samples of each of B inputs;
            above 1/2 counts as 1.
        bits: `(B, d)` of zeros and ones.

    Raises:
        ShapeError: other inputs or attributes than bits.
    """
    if predicted.shape[-2:] != bits.shape or predicted.ndim not in (2, 3):
        raise ShapeError(
            f"predicted: expected shape (..., {', '.join(map(str, bits.shape))}), got"
            f" {tuple(predicted.shape)}"
        )
    return float(((predicted > 0.5) == (bits > 0.5).to(predicted.device)).double().mean())


def attribute_majority(train: Tensor, bits: Tensor) -> float:
    """The same for a predictor that knows no face: each attribute has the value that is more
    frequent in `train` `(N, d)`.
    """
    guess = train.double().mean(0) > 0.5
    return attribute_accuracy(guess.expand(len(bits), -1).double(), bits)


def attribute_table(predicted: Tensor, bits: Tensor, train: Tensor) -> dict[str, Tensor]:
    """Attribute by attribute, `(d,)` each: `accuracy`, `majority` (the baseline above) and `gain`,
    their difference.
    """
    if predicted.shape[-2:] != bits.shape:
        raise ShapeError(
            f"predicted: expected shape (..., {', '.join(map(str, bits.shape))}), got"
            f" {tuple(predicted.shape)}"
        )
    truth = bits > 0.5
    right = ((predicted > 0.5) == truth).double()
    accuracy = right.reshape(-1, bits.shape[-1]).mean(0)
    guess = train.double().mean(0) > 0.5
    majority = (guess == truth).double().mean(0)
    return {"accuracy": accuracy, "majority": majority, "gain": accuracy - majority}
