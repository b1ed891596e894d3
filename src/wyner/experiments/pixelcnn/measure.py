"""Numbers of a trained PixelCNN-VAE on test pictures. Specification of metrics, section 5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from wyner.data import Dataset
from wyner.metrics import code_accuracy, sample_accuracy
from wyner.models import Model
from wyner.objectives import KL, Information
from wyner.seeds import TASK, mix
from wyner.training.member import forked

BLOCK = 250
"""Pictures that are scored at a time."""


@torch.no_grad()
def measure(
    model: Model, dataset: Dataset, how: Mapping[str, int], seed: int = 0
) -> dict[str, float]:
    """Every number of a row of the table.

    Args:
        model: a PixelCNN-VAE.
        dataset: with labels.
        how: `codes`, `each`, `draws` and, for fewer test pictures, `rows`.
        seed: of the draws.

    Returns:
        `nelbo`, `kl`, `recon` (nats a picture, test mean), `information` (I(z;s) in nats by the
        watching critic), `AoLR`, `AoSVM`, `mCAS`, `mCAS_SVM`, `baseline`, `baseline_SVM` (shares in
        [0, 1]).
    """
    model.eval()
    rows = how.get("rows")
    x = torch.from_numpy(dataset.test["x"][:rows]).to(next(model.parameters()).device)
    with forked(mix(seed, TASK)):
        found = bound(model, x) | shared(model, x)
    return {
        **found,
        **code_accuracy(model, dataset, how["codes"], rows),
        **sample_accuracy(model, dataset, how["each"], how["draws"], rows, seed),
    }


def bound(model: Model, x: Tensor) -> dict[str, float]:
    """-ELBO = KL(z) + Recon in nats a picture, with one draw of z each."""
    program: Any = model.program(KL("elbo"))
    parts = []
    for block in x.split(BLOCK):
        scores = program.scores({"x": block}, program.noise((len(block),), block))
        parts.append(torch.stack(list(scores.values())).double())
    kl, recon = torch.cat(parts, 1).mean(1).tolist()
    return {"nelbo": kl + recon, "kl": kl, "recon": recon}


def shared(model: Model, x: Tensor) -> dict[str, float]:
    """I(z;s) = E_q T(z,s) in nats, T the critic that has learned to tell q(z,s) from q(z) q(s);
    empty if the model has none.
    """
    if model.critics is None or "I(z;s) q features" not in model.critics.heads:
        return {}
    program: Any = model.program(Information("z;s", under="features", side="q"))
    parts = []
    for block in x.split(BLOCK):
        ((t, _),) = program.ratios({"x": block}, program.noise((len(block),), block)).values()
        parts.append(t.double())
    return {"information": float(torch.cat(parts).mean())}
