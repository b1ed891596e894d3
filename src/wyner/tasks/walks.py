"""Walks through the latents: decode chosen values, interpolate between rows, move one coordinate at
a time.

Like the other tasks these are samplers of the model's own laws, with some latents set by hand.
Latents that are neither set nor inferred are drawn once for each row, or are at their means, and
stay as they are along a walk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from wyner.arrays import Array
from wyner.errors import TaskError
from wyner.laws import System
from wyner.tasks.ancestral import in_blocks
from wyner.tasks.conditioning import (
    chosen_latents,
    coordinates,
    data_values,
    decoded_path,
    draws,
    held,
    law_of_outputs,
    moves,
    moving,
    prior_of,
    spread,
)
from wyner.tasks.inputs import asking, given_values, outputs
from wyner.tasks.queries import show


def decode(
    model: System,
    latents: Mapping[str, Array],
    *,
    given: Mapping[str, Array] | None = None,
    to: str | None = None,
    sample: bool = False,
    means: bool = False,
    seed: int | None = None,
) -> dict[str, Array]:
    """Outputs at chosen values of latents: x ~ p(x | z, u), y ~ p(y | z, v); latents that are not
    chosen are drawn.

    Args:
        model: a model with a law that draws what is wanted.
        latents: `{latent: (B, *event)}`.
        given: modalities that the law is conditioned on, for models without a joint law:
            `{modality: (B, *event)}`.
        to: one modality; by default all that the law draws.
        sample, means, seed: as in `generate`.

    Returns:
        `{modality: (B, *event)}`.

    Raises:
        TaskError: an unknown latent, or no such law. ShapeError: values of another shape.
    """
    chosen = chosen_latents(model, latents)
    values = given_values(model, given, "decode") if given else {}
    where, law, targets = law_of_outputs(model, values, to, "decode")
    with asking(model, seed):
        known = {**data_values(model, law, values), **chosen}
        made = in_blocks(model, law, where, known, targets, sample, means)
    example = next(iter(latents.values()), None)
    return outputs(model, made, example)


def interpolate(
    model: System,
    start: Mapping[str, Array],
    end: Mapping[str, Array],
    *,
    along: str | Sequence[str] | None = None,
    steps: int = 8,
    to: str | None = None,
    means: bool = True,
    seed: int | None = None,
) -> dict[str, Array]:
    """Outputs on the straight path between the latents of two rows: (1 - t) a + t b for t = 0,
    1/(S-1), ..., 1.

    Latents off the path stay as they are at the start: along z the style is fixed, along u or v the
    content.

    Args:
        model: a model that infers the latents from what is given.
        start, end: rows of the same modalities, `{modality: (B, *event)}`; one row is spread over
            all.
        along: latents that move; by default those that are common, or all of a model without common
            latents.
        steps: S, both ends included.
        to: one modality; by default all that the law draws.
        means: posterior means (the default here), instead of draws of them.
        seed: as in `generate`; draws are equal along a path.

    Returns:
        `{modality: (S, B, *event)}`.

    Raises:
        TaskError: the model cannot infer these latents, or has no law that draws the outputs from
            them.
    """
    if steps < 2:
        raise TaskError(f"interpolate: expected at least 2 steps, got {steps}")
    values = given_values(model, start, "interpolate: start")
    ends = given_values(model, end, "interpolate: end")
    if set(values) != set(ends):
        raise TaskError(
            f"interpolate: expected the same modalities at both ends, got {show(values)} and"
            f" {show(ends)}"
        )
    where, law, targets = law_of_outputs(model, values, to, "interpolate")
    names = moving(model, law, along, list(model.common) or None)
    with asking(model, seed):
        first = held(model, law, where, values, names, means)
        last = held(model, law, where, ends, names, means)
        rows = max(len(v) for v in (*first.values(), *last.values()))
        first, last = ({k: spread(v, rows, k) for k, v in side.items()} for side in (first, last))
        share = torch.linspace(0, 1, steps)
        moved = {
            k: torch.stack([torch.lerp(first[k], last[k], float(t)) for t in share]) for k in names
        }
        made = decoded_path(model, law, where, first, moved, targets)
    return outputs(model, made, next(iter(start.values())))


@dataclass(frozen=True)
class Traversal:
    """What `traverse` returns.

    Attributes:
        outputs: `{modality: (D, S, B, *event)}`: coordinate, step, row.
        latent: the one that moves.
        dims: its D coordinates, most used first.
        at: S places: prior standard deviations from the prior's mean; values of a categorical
            coordinate.
    """

    outputs: dict[str, Array]
    latent: str
    dims: tuple[int, ...]
    at: tuple[float, ...]


def traverse(
    model: System,
    given: Mapping[str, Array] | None = None,
    *,
    along: str | None = None,
    dims: Sequence[int] | None = None,
    steps: int = 7,
    span: float = 3.0,
    to: str | None = None,
    means: bool = True,
    seed: int | None = None,
    **arrays: Array,
) -> Traversal:
    """One coordinate of one latent moved, everything else held: z_j = m_j + a s_j for a = -span,
    ..., span, N(m_j, s_j^2) the prior.

    Args:
        model: any model whose outputs are drawn from the latent.
        given: rows whose latents are held, `{modality: (B, *event)}`; without them one row at the
            means of the priors. Latents that cannot be inferred from them are at those means too.
        along: the latent; by default the first common one.
        dims: coordinates (of the flattened latent; of a categorical latent, which of its
            variables). By default the eight that tell most about the given rows, by their rate; the
            first eight where there are no rates.
        steps: S. A categorical coordinate takes each of its values instead.
        span: in standard deviations of the prior.
        to, means, seed: as in `interpolate`.
        arrays: more of `given`, by keyword: `x=...`.

    Returns:
        A `Traversal`.

    Raises:
        TaskError: no such latent or coordinate, or nothing can be inferred from what is given.
    """
    given = {**(given or {}), **arrays}
    if steps < 2 or not span > 0:
        raise TaskError(
            f"traverse: expected at least 2 steps and a positive span, got {steps} and {span}"
        )
    values = given_values(model, given, "traverse") if given else {}
    where, law, targets = law_of_outputs(model, values, to, "traverse")
    default = [n for n in (*model.common, *model.latent) if draws(law, n)][:1]
    (name,) = moving(model, law, along, default)
    with asking(model, seed):
        base = held(model, law, where, values, (), means)
        prior = prior_of(model, law, where, name, base)
        chosen = coordinates(model, values, name, prior, dims)
        places, moved = moves(prior, base[name], chosen, steps, span)
        flat = {name: moved.flatten(0, 1)}
        made = decoded_path(model, law, where, base, flat, targets)
    shape = moved.shape[:2]
    example = next(iter(given.values())) if given else None
    walks = {k: v.reshape(*shape, *v.shape[1:]) for k, v in made.items()}
    return Traversal(outputs(model, walks, example), name, tuple(chosen), places)
