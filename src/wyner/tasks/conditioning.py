"""What a walk needs: the law of the outputs, what is held, where moving coordinates go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from wyner.arrays import Array, to_tensor
from wyner.errors import ShapeError, TaskError, refuse_unknown
from wyner.families import Distribution
from wyner.families.distributions import Categorical, Normal
from wyner.laws import Conditional, Law, System, run
from wyner.tasks.ancestral import in_blocks, noise_of, posterior
from wyner.tasks.information import rate_per_dimension
from wyner.tasks.queries import generative_law, inference_law, must, show

Values = Mapping[str, Tensor]
MOST = 8
"""Coordinates that `traverse` moves unless it is told which."""


def law_of_outputs(
    model: System, values: Values, to: str | None, task: str
) -> tuple[str, Law, list[str]]:
    """The p-law of the outputs: the joint one, else one conditioned on some of what is given."""
    if to is not None and to not in model.observed:
        raise TaskError(f"{task}: expected to= one of {', '.join(model.observed)}, got {to!r}")
    wanted = [to] if to else list(model.observed)
    if (found := generative_law(model, (), wanted)) is not None:
        return (*found, wanted)
    laws = [
        (name, p)
        for name, (_, p) in model.laws.items()
        if model.data_of(p) <= set(values)
        and (outputs := model.outputs_of(p))
        and (to is None or to in outputs)
    ]
    rest = f" and {show(values)}" if values else " alone"
    why = f"no law draws {show(wanted)} from latents{rest}"
    largest = max(laws, key=lambda item: len(item[1].variables), default=None)
    name, law = must(largest, model, task, why)
    return name, law, [to] if to else [k for k in model.observed if k in model.outputs_of(law)]


def draws(law: Law, name: str) -> bool:
    """Whether a law draws this variable."""
    return any(t.of[0] == name for t in law.terms)


def moving(
    model: System, law: Law, along: str | Sequence[str] | None, default: Sequence[str] | None
) -> tuple[str, ...]:
    """Names of latents that move, checked."""
    drawn = [n for n in model.latent if draws(law, n)]
    names = (along,) if isinstance(along, str) else tuple(along or default or drawn)
    for name in names:
        refuse_unknown("latent", name, model.latent, "along", TaskError)
        if name not in drawn:
            raise TaskError(
                f"{model.title} cannot move {name}: the law of its outputs does not depend on it"
            )
    if not names:
        raise TaskError(f"{model.title} has no latent to move")
    return names


def chosen_latents(model: System, latents: Mapping[str, Array]) -> dict[str, Tensor]:
    """The user's values of latents: checked against the spaces, on the model's device, with its
    type.

    Raises:
        TaskError: none, or an unknown name. ShapeError: another shape, or different numbers of
            rows.
    """
    like, out = next(model.parameters()), {}
    for name, array in latents.items():
        refuse_unknown("latent", name, model.latent, "decode", TaskError)
        value = to_tensor(array, name).to(like.device, like.dtype)
        event = model.latent[name].event_shape
        if value.ndim != len(event) + 1 or tuple(value.shape[1:]) != event:
            shown = ", ".join(["rows", *map(str, event)])
            raise ShapeError(f"decode: {name} needs shape ({shown}), got {tuple(value.shape)}")
        out[name] = value
    if not out:
        raise TaskError(f"decode: expected values of at least one of {', '.join(model.latent)}")
    if len({len(v) for v in out.values()}) > 1:
        raise ShapeError(
            "decode: expected as many rows of each, got"
            f" {', '.join(f'{len(v)} of {k}' for k, v in out.items())}"
        )
    return out


def data_values(model: System, law: Law, values: Values) -> dict[str, Tensor]:
    """What the law is conditioned on."""
    return {k: values[k] for k in model.data_of(law)}


def held(
    model: System, law: Law, where: str, values: Values, needed: Sequence[str], means: bool
) -> dict[str, Tensor]:
    """Every latent that the law draws, and its data, by row: inferred as far as the model can, the
    others from the law itself.

    Raises:
        TaskError: a latent that is needed cannot be inferred from what is given.
    """
    wanted = [n for n in model.latent if draws(law, n)]
    found: dict[str, Tensor] = {}
    if values:
        at = inference_law(model, values, needed) or inference_law(
            model, data_values(model, law, values), needed
        )
        why = f"it has no law q of {show(needed or wanted)} given {show(values)}"
        name, q = must(at, model, f"infer {show(needed or wanted)} from {show(values)}", why)
        inferred = [n for n in wanted if draws(q, n)]
        seen = {k: values[k] for k in model.data_of(q)}
        found = {k: v for k, (_, v) in posterior(model, q, name, seen, inferred, means).items()}
    known = {**data_values(model, law, values), **found}
    rows = len(next(iter(known.values()))) if known else 1
    missing = [n for n in wanted if n not in found]
    if missing:
        planner = model.planner()
        drawn = planner.sample(law, where, known, missing)
        parts = planner.plan, model.factors, model.features
        noise = noise_of(model, planner, (rows,), means)
        r = run(*parts, known, noise, pointwise=True, means=means)
        known |= {
            n: r[v].expand(rows, *model.latent[n].event_shape)
            for n in missing
            if (v := drawn[n][1]) is not None
        }
    return known


def prior_of(model: System, law: Law, where: str, name: str, base: Values) -> Distribution:
    """p(z) if the model has one, else the factor of the law at the other values of the base."""
    if f"p({name})" in model.factors:
        law, known = Law((Conditional("p", (name,), ()),), f"p({name})"), {}
    else:
        known = {k: v for k, v in base.items() if k != name}
    planner = model.planner()
    at, _ = planner.sample(law, where, known, [name], draw_targets=False)[name]
    noise = noise_of(model, planner, (1,), True)
    return run(
        planner.plan, model.factors, model.features, known, noise, pointwise=True, means=True
    )[at]


def coordinates(
    model: System, values: Values, name: str, prior: Distribution, dims: Sequence[int] | None
) -> list[int]:
    """Coordinates to move: those that were named, else those of the highest rates."""
    event = model.latent[name].event_shape
    count = event[0] if isinstance(prior, Categorical) else model.latent[name].size
    if dims is not None:
        for d in dims:
            if not 0 <= d < count:
                raise TaskError(f"dims: {name} has coordinates 0 to {count - 1}, got {d}")
        return list(dims)
    try:
        rates = rate_per_dimension(model, values).get(name) if values else None
    except TaskError:
        rates = None
    if rates is None or len(rates.flatten()) != count:
        return list(range(min(MOST, count)))
    order = torch.argsort(torch.as_tensor(rates).flatten(), descending=True, stable=True)
    return [int(d) for d in order[:MOST]]


def moves(
    prior: Distribution, base: Tensor, dims: Sequence[int], steps: int, span: float
) -> tuple[tuple[float, ...], Tensor]:
    """Places, and values `(D, S, B, *event)` of the latent."""
    if isinstance(prior, Categorical):
        k = prior.event[-1]
        moved = base.expand(len(dims), k, *base.shape).clone()
        for i, d in enumerate(dims):
            for value in range(k):
                moved[i, value, :, d] = torch.nn.functional.one_hot(torch.tensor(value), k).to(base)
        return tuple(float(v) for v in range(k)), moved
    if not isinstance(prior, Normal):
        raise TaskError(
            "traverse: expected a latent with a Gaussian or categorical prior, got"
            f" {type(prior).__name__}"
        )
    places = torch.linspace(-span, span, steps)
    mean, scale = (v.expand(base.shape).flatten(1) for v in (prior.mean, prior.variance.sqrt()))
    moved = base.flatten(1).expand(len(dims), steps, *base.flatten(1).shape).clone()
    for i, d in enumerate(dims):
        for s, place in enumerate(places.tolist()):
            moved[i, s, :, d] = mean[:, d] + place * scale[:, d]
    return tuple(places.tolist()), moved.reshape(len(dims), steps, *base.shape)


def decoded_path(
    model: System, law: Law, where: str, base: Values, moved: Values, targets: Sequence[str]
) -> dict[str, Tensor]:
    """Decoder means along a path: `moved` holds `(S, B, *event)`, the rest does not move."""
    steps, rows = next(iter(moved.values())).shape[:2]
    values = {
        k: moved[k].flatten(0, 1) if k in moved else v.repeat(steps, *[1] * (v.ndim - 1))
        for k, v in base.items()
    }
    made = in_blocks(model, law, where, values, targets, means=True)
    return {k: v.reshape(steps, rows, *v.shape[1:]) for k, v in made.items()}


def spread(value: Tensor, rows: int, name: str) -> Tensor:
    """One row over all; refuses other numbers of rows."""
    if len(value) not in (1, rows):
        raise TaskError(
            f"interpolate: expected 1 row or {rows} at both ends, got {len(value)} of {name}"
        )
    return value.expand(rows, *value.shape[1:])
