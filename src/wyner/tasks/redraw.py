"""Fresh draws of everything but what is common: families of pictures that share one z."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from wyner.arrays import Array, parts_of
from wyner.errors import TaskError
from wyner.laws import System
from wyner.tasks.ancestral import posterior, sampled
from wyner.tasks.inputs import asking, block_rows, given_values, outputs
from wyner.tasks.queries import inference_law, must, show
from wyner.tasks.sampling import law_of_pair


def redraw(
    model: System,
    given: Mapping[str, Array] | None = None,
    *,
    n: int = 10,
    means: bool = True,
    seed: int | None = None,
    **arrays: Array,
) -> dict[str, Array]:
    """Draws that share the common latents of some rows: z = E q(z|x) of each row, then x' ~
    p(x'|z), n times.

    What two draws of one row have in common is what z says; what differs is left to the local
    latents and the decoder. Figure 5 of [CMI] ("Information Theoretic Regularization for Learning
    Global Features by Sequential VAE"), and the samples of its mCAS.

    Args:
        model: with common latents and a joint law.
        given: the modalities to encode, which are also those drawn.
        n: draws of each row.
        means: z is the mean of its posterior; else a draw, one for all n.
        seed: makes the result repeatable without touching the caller's random state.
        arrays: more of `given`, by keyword: `x=...`.

    Returns:
        `{modality: (n, B, *event)}`, drawn from the decoders.

    Raises:
        TaskError: the model has no common latent, cannot encode these modalities or has no law of
            them.
    """
    given = {**(given or {}), **arrays}
    if n < 1:
        raise TaskError(f"redraw: expected a positive number of draws, got {n}")
    if not model.common:
        raise TaskError(
            f"{model.title} cannot redraw {show(given)}: it has no common latent that draws could"
            " share"
        )
    values = given_values(model, given, "redraw")
    where, law = law_of_pair(model, values, "redraw")
    found, why = inference_law(model, values, model.common), show(model.common)
    q_where, q = must(found, model, f"redraw {show(values)}", f"it cannot infer {why} from them")
    made: list[dict[str, Tensor]] = []
    with asking(model, seed):
        for part in parts_of(values, max(1, block_rows(model) // n)):
            inferred = posterior(model, q, q_where, part, model.common, means)
            codes, lead = (
                {k: v for k, (_, v) in inferred.items()},
                (n, len(next(iter(part.values())))),
            )
            made.append(sampled(model, law, where, codes, tuple(values), lead, True, False))
    joined = {k: torch.cat([b[k] for b in made], 1) for k in values}
    return outputs(model, joined, next(iter(given.values())))
