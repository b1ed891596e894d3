"""Sampling tasks: generate, translate, restyle, reconstruct, encode. All are ancestral sampling of
a law of the model.

Outputs are decoder means unless `sample=True` (formal decoder noise belongs to likelihoods, not to
pictures); latents are draws unless `means=True`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from wyner.arrays import Array
from wyner.errors import TaskError
from wyner.families import Distribution
from wyner.laws import Law, System, is_data
from wyner.tasks.ancestral import Library, in_blocks, libraries, posterior, sampled
from wyner.tasks.inputs import asking, block_rows, given_values, outputs
from wyner.tasks.queries import generative_law, inferable, inference_law, must, show, style_latents


def generate(
    model: System,
    n: int,
    *,
    like: Mapping[str, Array] | None = None,
    sample: bool = False,
    means: bool = False,
    seed: int | None = None,
    library: Library | None = None,
) -> dict[str, Array]:
    """Joint generation: (x, y) ~ p(x, y), latents from their priors.

    Args:
        model: a model with a joint law.
        n: number of pairs.
        like: arrays whose local latents (styles) are kept while the common latent is drawn from its
            prior; one row, or n.
        sample: draw from the decoders instead of returning their means.
        means: use the means of the latents instead of draws.
        seed: makes the result repeatable without touching the caller's random state.
        library: total counts of what is drawn by a family with `library=True`, a number, one a
            row, or these by modality; by default as in the training rows.

    Returns:
        `{modality: (n, *event)}`.

    Raises:
        TaskError: the model has no law of the pair.
    """
    if n < 1:
        raise TaskError(f"generate: expected a positive number of examples, got {n}")
    names = list(model.observed)
    where, law = must(
        generative_law(model, (), names), model, "generate", f"it has no joint law p({show(names)})"
    )
    with asking(model, seed):
        given: dict[str, Tensor] = {}
        if like is not None:
            values = given_values(model, like, "generate")
            wanted = [s for s in style_latents(model, law) if s not in model.common]
            if not wanted:
                raise TaskError(
                    f"{model.title} has no latent besides {show(model.common)}: there is no style"
                    " to keep"
                )
            given = _rows(_styles(model, values, wanted, means), n)
        given = {**given, **libraries(model, library, names, n)}
        blocks = []
        for i in range(0, n, block_rows(model)):
            rows = min(block_rows(model), n - i)
            part = {k: v[i : i + rows] for k, v in given.items()}
            blocks.append(sampled(model, law, where, part, names, (rows,), sample, means))
    example = next(iter(like.values())) if like else None
    return outputs(model, {k: torch.cat([b[k] for b in blocks]) for k in names}, example)


def translate(
    model: System,
    given: Mapping[str, Array] | None = None,
    *,
    n: int = 1,
    to: str | None = None,
    sample: bool = False,
    means: bool = False,
    seed: int | None = None,
    library: Library | None = None,
    **arrays: Array,
) -> Array:
    """Conditional generation: n draws of y given x (or the other way), y ~ r(y|x) = int q(z|x) p(v)
    p(y|z,v).

    Args:
        model: a model with a law of y given x.
        given: the modality to translate from; several where the model can take them.
        n: draws per row.
        to: which modality is wanted; needed only when there are several.
        sample, means, seed, library: as in `generate`.
        arrays: more of `given`, by keyword: `x=...`.

    Returns:
        `(n, B, *event)`.

    Raises:
        TaskError: the model has no such law.
    """
    given = {**(given or {}), **arrays}
    if n < 1:
        raise TaskError(f"translate: expected a positive number of draws, got {n}")
    values = given_values(model, given, "translate")
    target = _target(model, values, to)
    task, why = f"translate {show(values)} to {target}", f"no law of {target} given {show(values)}"
    where, law = must(generative_law(model, values, (target,)), model, task, f"it has {why}")
    with asking(model, seed):
        rows = len(next(iter(values.values())))
        values = {**values, **libraries(model, library, (target,), rows)}
        made = in_blocks(model, law, where, values, (target,), sample, means, n)
    return outputs(model, made, next(iter(given.values())))[target]


def restyle(
    model: System,
    given: Mapping[str, Array] | None = None,
    like: Mapping[str, Array] | None = None,
    *,
    to: str | None = None,
    sample: bool = False,
    means: bool = True,
    seed: int | None = None,
    **arrays: Array,
) -> Array:
    """Conditional generation with the style of a reference: y_th(z_j, v0), z_j ~ q(z|x_j), z0 ~
    q(z|y0), v0 ~ q(v|z0, y0).

    Args:
        model: a model whose output has a local latent that can be inferred.
        given: content, `{modality: (B, *event)}`.
        like: style, `{modality: (B, *event)}`, or one row that is spread over all.
        to: which modality is wanted; by default the one of `like`.
        means: use the means of the latents (the default here) instead of draws.
        sample, seed: as in `generate`.
        arrays: more of `given`, by keyword: `x=...`.

    Returns:
        `(B, *event)`: row i has the content of row i of `given` and the style of row i of `like`.

    Raises:
        TaskError: no such law, or the style cannot be inferred from what was given.
    """
    given = {**(given or {}), **arrays}
    values = given_values(model, given, "restyle")
    styled = given_values(model, like or {}, "restyle: like")
    if to is None:
        others = [k for k in styled if k not in values]
        to = others[0] if len(others) == 1 else next(iter(styled)) if len(styled) == 1 else None
    target = _target(model, values, to)
    own = target in values
    why = f"it has no law of {target}" + ("" if own else f" given {show(values)}")
    found = generative_law(model, () if own else values, (target,))
    where, law = must(found, model, f"restyle {target}", why)
    law = _with_content(model, values, law) if own else law
    rows = len(next(iter(values.values())))
    parents = {g for t in law.terms if t.of == (target,) for g in t.given}
    wanted = [s for s in style_latents(model, law) if s in parents]
    if not wanted:
        raise TaskError(
            f"{model.title} cannot restyle {target}: {where} draws no latent of its own for it, so"
            " there is no style to keep"
        )
    with asking(model, seed):
        latents = _rows(_styles(model, styled, wanted, means), rows)
        made = in_blocks(model, law, where, {**values, **latents}, (target,), sample, means)
    return outputs(model, made, next(iter(given.values())))[target]


def reconstruct(
    model: System,
    given: Mapping[str, Array] | None = None,
    *,
    keep_style: bool = False,
    sample: bool = False,
    means: bool = False,
    seed: int | None = None,
    **arrays: Array,
) -> dict[str, Array]:
    """Joint stochastic reconstruction: z ~ q(z|x,y), local latents from their priors; with
    `keep_style`, inferred as well.

    Args:
        model: a model with a common latent and a joint law.
        given: the modalities to encode, which are also those returned.
        keep_style: infer the local latents from the data instead of drawing them from their priors.
        sample, means, seed: as in `generate`.
        arrays: more of `given`, by keyword: `x=...`.

    Returns:
        `{modality: (B, *event)}`.

    Raises:
        TaskError: the model cannot encode these modalities or has no law of them.
    """
    given = {**(given or {}), **arrays}
    values = given_values(model, given, "reconstruct")
    where, law = law_of_pair(model, values, "reconstruct")
    law = _with_content(model, values, law, everything=keep_style)
    with asking(model, seed):
        made = in_blocks(model, law, where, values, tuple(values), sample, means)
    return outputs(model, made, next(iter(given.values())))


def encode(
    model: System,
    given: Mapping[str, Array] | None = None,
    *,
    draws: bool = False,
    seed: int | None = None,
    **arrays: Array,
) -> dict[str, Distribution]:
    """Posteriors of the latents: q(z|x,y), q(u|z,x), ... for the modalities that are given.

    Args:
        model: any model.
        given: `{modality: (B, *event)}`, any subset that the model has encoders for.
        draws: condition later latents on draws of the earlier ones instead of on their means.
        seed: for the draws.
        arrays: more of `given`, by keyword: `x=...`.

    Returns:
        `{latent: distribution}` with `.mean` `(B, *event)`, `.sample()` and `.log_prob(value)` in
        nats. Tensors.

    Raises:
        TaskError: the model cannot encode this subset.
    """
    given = {**(given or {}), **arrays}
    values = given_values(model, given, "encode")
    why = f"it can encode {'; '.join(f'({s})' for s in inferable(model))}"
    if len(model.observed) > 2:
        why += "; models with experts encode any subset, such as WynerVAE(posterior='experts')"
    where, law = must(inference_law(model, values), model, f"encode ({show(values)})", why)
    latents = [v for v in law.variables if v not in model.observed]
    with asking(model, seed):
        found = posterior(model, law, where, values, latents, not draws)
    return {k: d for k, (d, _) in found.items()}


def _styles(
    model: System, values: Mapping[str, Tensor], latents: Sequence[str], means: bool
) -> dict[str, Tensor]:
    task = f"infer {show(latents)} from {show(values)}"
    why = f"it has no law q of {show(latents)} given {show(values)}"
    where, law = must(inference_law(model, values, latents), model, task, why)
    return {k: v for k, (_, v) in posterior(model, law, where, values, latents, means).items()}


def _with_content(
    model: System, values: Mapping[str, Tensor], law: Law, everything: bool = False
) -> Law:
    """A generative law whose common latents (or all) are inferred from the data, not drawn."""
    latents = [v for v in law.variables if v not in model.observed]
    wanted = [v for v in latents if everything or v in model.common]
    task, why = f"infer {show(wanted)} from {show(values)}", "; ".join(inferable(model))
    _, q = must(inference_law(model, values, wanted), model, task, f"it can encode {why}")
    need = set(wanted)
    for term in reversed(q.terms):
        if term.of[0] in need:
            need.update(term.given)
    head = [t for t in q.terms if not is_data(t, model.observed) and t.of[0] in need]
    have = {v for t in head for v in t.of}
    terms = (*head, *(t for t in law.terms if t.of[0] not in have))
    return Law(terms, " ".join(t.name for t in terms))


def law_of_pair(model: System, values: Mapping[str, Tensor], task: str) -> tuple[str, Law]:
    """The joint law of some modalities, or a refusal of the task."""
    found, names = generative_law(model, (), values), show(values)
    return must(found, model, f"{task} {names}", f"it has no law p({names})")


def _target(model: System, values: Mapping[str, Tensor], to: str | None) -> str:
    if to is not None:
        if to not in model.observed:
            raise TaskError(f"expected to= one of {', '.join(model.observed)}, got {to!r}")
        return to
    others = [k for k in model.observed if k not in values]
    if len(others) != 1:
        raise TaskError(
            f"which modality is wanted? Say to= one of {', '.join(others or model.observed)}"
        )
    return others[0]


def _rows(latents: Mapping[str, Tensor], n: int) -> dict[str, Tensor]:
    """Spreads one style over n rows."""
    out = {}
    for name, value in latents.items():
        if len(value) not in (1, n):
            raise TaskError(f"like: expected 1 row or {n}, got {len(value)}")
        out[name] = value.expand(n, *value.shape[1:])
    return out
