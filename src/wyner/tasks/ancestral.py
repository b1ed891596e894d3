"""Ancestral sampling of a model's laws, what the tasks that draw have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from wyner.arrays import Array, parts_of
from wyner.errors import ShapeError, TaskError
from wyner.families import Distribution
from wyner.families.distributions import draw_noise
from wyner.laws import Law, Planner, System, noise_for, read_conditional, run
from wyner.tasks.inputs import block_rows
from wyner.tasks.queries import show

Values = Mapping[str, Tensor]
Library = float | Array | Mapping[str, float | Array]
"""Total counts of what is drawn: one for all rows, one a row, or these by modality."""


def posterior(
    model: System, law: Law, where: str, values: Values, latents: Sequence[str], means: bool
) -> dict[str, tuple[Distribution, Tensor]]:
    """The distribution and a draw (or the mean) of each latent under an inference law."""
    planner = model.planner()
    drawn = planner.sample(law, where, values, latents)
    rows = len(next(iter(values.values())))
    noise = noise_of(model, planner, (rows,), means)
    r = run(planner.plan, model.factors, model.features, values, noise, pointwise=True, means=means)
    return {k: (r[d], r[v]) for k, (d, v) in drawn.items() if k in latents and v is not None}


def noise_of(
    model: System, planner: Planner, lead: tuple[int, ...], means: bool
) -> list[Tensor | None]:
    """Noise for the draws; none is taken from the caller's random state where means are used."""
    if means:
        return [None] * len(planner.plan.draws)
    return noise_for(planner.plan, model.factors, lead, next(model.parameters()))


def sampled(
    model: System,
    law: Law,
    where: str,
    given: Values,
    targets: Sequence[str],
    lead: tuple[int, ...],
    sample: bool,
    means: bool,
) -> dict[str, Tensor]:
    """Values of the targets, `(*lead, *event)`: decoder means, or draws of them."""
    planner = model.planner()
    like = next(model.parameters())
    drawn = planner.sample(law, where, given, targets, draw_targets=False)
    noise = noise_of(model, planner, lead, means)
    results = run(
        planner.plan, model.factors, model.features, given, noise, pointwise=True, means=means
    )
    out = {}
    for name in targets:
        (at, drawn_at), event = drawn[name], model.observed[name].event_shape
        dist = results[at]
        if name in given:
            dist = dist.observing(given[name])
        elif (key := library_key(name)) in given:
            dist = dist.with_library(given[key])
        if drawn_at is not None:  # another output was drawn from it: the two belong together
            value = results[drawn_at]
        elif sample or not dist.averaged:
            value = dist.exact(draw_noise(dist.noise, (*lead, *event), like))
        else:
            value = dist.mean
        # sequences may be shorter than T
        out[name] = value.expand(*lead, *value.shape[value.ndim - len(event) :])
    return out


def library_key(name: str) -> str:
    """Where the totals of a variable's counts stand among the values that are given."""
    return f"library of {name}"


def libraries(model: System, library: Library | None, targets: Sequence[str], rows: int) -> Values:
    """The totals that a user gives to the counts that are drawn, `(rows,)`, as values.

    Raises:
        TaskError: of a modality that is not drawn, or whose family reads no totals. ShapeError: not
            one number, or one for each row.
    """
    if library is None:
        return {}
    heads = ((read_conditional(t).of, f.head) for t, f in model.factors.items())
    takes = {of[0] for of, head in heads if getattr(head, "library", False)}
    counted = [name for name in targets if name in takes]
    given = library if isinstance(library, Mapping) else dict.fromkeys(counted, library)
    like, found = next(model.parameters()), {}
    for name in given or [show(targets)]:
        if name not in counted:
            raise TaskError(
                f"library: {name} has no counts that are drawn given their total; their family"
                " needs library=True, for example NegativeBinomial(library=True)"
            )
    for name, totals in given.items():
        value = torch.as_tensor(totals).to(like).reshape(-1)
        if len(value) not in (1, rows) or not bool((value > 0).all()):
            raise ShapeError(
                f"library: expected a positive total for all rows or for each of the {rows}, got"
                f" {len(value)} of {name}, the least {float(value.min()) if len(value) else 0:g}"
            )
        found[library_key(name)] = value.expand(rows)
    return found


def in_blocks(
    model: System,
    law: Law,
    where: str,
    values: Values,
    targets: Sequence[str],
    sample: bool = False,
    means: bool = False,
    n: int | None = None,
) -> dict[str, Tensor]:
    """Values of the targets, `(B, *event)` or n of them `(n, B, *event)`, in bounded memory."""
    blocks = []
    for part in parts_of(values, max(1, block_rows(model) // (n or 1))):
        rows = len(next(iter(part.values())))
        lead = (rows,) if n is None else (n, rows)
        blocks.append(sampled(model, law, where, part, targets, lead, sample, means))
    return {k: torch.cat([b[k] for b in blocks], 0 if n is None else 1) for k in targets}
