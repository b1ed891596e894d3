"""A linear probe: how well labels can be read from the common latent."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wyner.data import Dataset
from wyner.errors import TaskError
from wyner.models import Model

PENALTY = 1e-3


def label_accuracy(model: Model, dataset: Dataset, rows: int = 5000) -> dict[str, float]:
    """Accuracy in percent of a linear classifier of the labels on means of the common latent,
    fitted on training rows, on validation rows.

    Args:
        model: with a common latent.
        dataset: with labels as `label` in its training and validation rows.
        rows: how many of each, at most.

    Returns:
        `{"accuracy_percent": number}`, or nothing where there are no labels or no encoder of all
        modalities.
    """
    if "label" not in dataset.train or "label" not in dataset.validation or not model.common:
        return {}
    sides = []
    for part in ("train", "validation"):
        given: dict[str, Any] = {
            k: torch.from_numpy(v)
            for k, v in dataset.pairs(part, rows).items()
            if k in model.observed
        }
        try:
            found: dict[str, Any] = model.encode(**given)
        except TaskError:
            return {}
        codes = torch.cat([found[k].mean.flatten(1) for k in model.common], 1).double().cpu()
        sides.append((codes, torch.from_numpy(getattr(dataset, part)["label"][:rows]).long()))
    (train, train_labels), (held, held_labels) = sides
    return {"accuracy_percent": 100.0 * linear_accuracy(train, train_labels, held, held_labels)}


def linear_accuracy(
    train: Tensor, train_labels: Tensor, held: Tensor, held_labels: Tensor
) -> float:
    """Share of held-out rows that a multinomial logistic regression labels correctly.

    min_W  mean_i -log softmax(W [a_i, 1])_{c_i} + (penalty / 2) |W|^2,  with a standardised by the
    training rows, by L-BFGS.

    Args:
        train, held: codes `(N, d)`.
        train_labels, held_labels: whole numbers from 0 up, `(N,)`.

    Example:
        >>> import torch
        >>> a = torch.tensor([[0.0], [0.1], [1.0], [1.1]])
        >>> linear_accuracy(a, torch.tensor([0, 0, 1, 1]), torch.tensor([[-0.2], [2.0]]), torch.tensor([0, 1]))
        1.0
    """
    mean, scale = train.mean(0), train.std(0).clamp_min(1e-8)
    one = lambda a: torch.cat([(a - mean) / scale, torch.ones_like(a[:, :1])], 1)
    classes = int(max(train_labels.max(), held_labels.max())) + 1
    weights = torch.zeros(train.shape[1] + 1, classes, dtype=train.dtype, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")
    inputs = one(train)

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = (
            torch.nn.functional.cross_entropy(inputs @ weights, train_labels)
            + 0.5 * PENALTY * weights.square().sum()
        )
        value.backward()
        return value

    with torch.enable_grad():
        optimiser.step(loss)
    return float(((one(held) @ weights.detach()).argmax(1) == held_labels).double().mean())
