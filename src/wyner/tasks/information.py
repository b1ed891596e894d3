"""How much the common latent of a trained model knows about the data: estimates of I_q(X,Y;Z) in
nats.

Equations (40), (41) of the Wyner VAE paper, and the aggregate estimate of its specification,
section 5.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from wyner.arrays import Array, parts_of
from wyner.errors import TaskError
from wyner.families import Distribution, kl
from wyner.families.distributions import CLOSED_FORMS, Normal
from wyner.laws import Planner, System, noise_for, run
from wyner.objectives import Learner
from wyner.tasks.inputs import asking, block_rows, given_values
from wyner.tasks.queries import heads, implicit, inference_law, must, show


def common_information(
    model: Learner,
    given: Mapping[str, Array] | None = None,
    *,
    limit: int = 10_000,
    seed: int | None = 0,
    **arrays: Array,
) -> dict[str, float]:
    """Estimates of I_q(X,Y;Z) under q(x,y) q(z|x,y), each by name.

        I41 = mean_i KL( q(z|x_i,y_i) || p(z) )                            an upper bound of I_q
            (41)
        I40 = h(p(z)) - mean_i h( q(z|x_i,y_i) )                           no bound; Gaussian
            latents only (40), corrected
        aggregate = mean_i [ log q(z_i|x_i,y_i) - log (1/M) sum_m q(z_i|x_m,y_m) ]    at most log M

    Of a model whose encoder is deterministic, so that the densities above do not exist: the mean of
    T at draws of the law, for each of its critics of I(X,Y;Z), by the name of the term; with the
    instance noise they were trained with, which makes them smaller.

    None of them is Wyner's J(X;Y): they are what this model spends on z.

    Args:
        model: a model with a common latent and an encoder of all modalities.
        given: all modalities, `{name: (B, *event)}`.
        limit: M, rows used by the aggregate estimate, which needs M^2 densities.
        seed: for the draws z_i.
        arrays: more of `given`, by keyword: `x=...`.

    Returns:
        `{"I41": nats, "I40": nats, "aggregate": nats}`; I40 only for Gaussian latents.

    Raises:
        TaskError: the model has no common latent or cannot encode all modalities.
    """
    given = {**(given or {}), **arrays}
    values = given_values(model, given, "common_information")
    why = (
        f"it needs an encoder of its common latent from ({show(model.observed)}), and all"
        " modalities given"
    )
    if not model.common:
        why = "it has no latent that is common to all modalities"
    found = (
        inference_law(model, values, model.common)
        if model.common and set(values) == set(model.observed)
        else None
    )
    where, law = must(found, model, "measure its common information", why)
    if names := implicit(model, law):
        return _by_ratio(model, values, names[0], seed)
    planner = model.planner()
    drawn = planner.sample(law, where, values, model.common)
    rows, block = len(next(iter(values.values()))), block_rows(model)
    i41 = i40 = aggregate = 0.0
    gaussian = True
    with asking(model, seed):
        like = next(model.parameters())
        blocks = []
        for part in parts_of(values, block):
            n = len(next(iter(part.values())))
            noise = noise_for(planner.plan, model.factors, (n,), like)
            blocks.append(
                run(planner.plan, model.factors, model.features, part, noise, pointwise=True)
            )
        for name in model.common:
            if f"p({name})" not in model.factors:
                raise TaskError(
                    f"{model.title} cannot measure its common information: no law has a prior"
                    f" p({name}) of {name}"
                )
            if hidden := _latent_parents(planner, drawn, name) - set(model.common):
                raise TaskError(
                    f"{model.title} cannot measure its common information: {name} is drawn from"
                    f" {show(hidden)}, which are not common, so its density given the data is not"
                    " known"
                )
            prior = model.factors[f"p({name})"]()
            dist, _ = drawn[name]
            if planner.plan.ops[dist].kind == "combine" and _latent_parents(planner, drawn, name):
                raise TaskError(
                    f"{model.title} cannot measure its common information: {name} is drawn from"
                    " experts that read other latents"
                )
            posteriors = [r[dist] for r in blocks]
            closed = (type(posteriors[0]), type(prior)) in CLOSED_FORMS
            rates = [
                kl(r[dist], prior) if closed else _one_sample(r, dist, drawn[name][1], prior)
                for r in blocks
            ]
            i41 += float(
                torch.cat(
                    [rate.expand(q.leading) for rate, q in zip(rates, posteriors, strict=True)]
                ).mean()
            )
            if isinstance(prior, Normal) and all(isinstance(q, Normal) for q in posteriors):
                i40 += float(prior.entropy() - torch.cat([q.entropy() for q in posteriors]).mean())
            else:
                gaussian = False
        aggregate = _aggregate(model, planner, drawn, blocks, min(rows, limit))
    out = {"I41": i41, "aggregate": aggregate}
    return {"I40": i40, **out} if gaussian else out


def _by_ratio(
    model: Learner, values: Mapping[str, torch.Tensor], name: str, seed: int | None
) -> dict[str, float]:
    """E[T] under the law of each critic of I(X,Y;Z)."""
    terms = heads(model)
    if not terms.terms:
        raise TaskError(
            f"{model.title} cannot measure its common information: {name} is deterministic and has"
            f" no density, and no term Information('{show(model.observed)};{show(model.common)}',"
            " under=...) has trained a critic for it"
        )
    program, count = model.program(terms), 0
    total = dict.fromkeys((t.name for t in terms.terms), 0.0)
    with asking(model, seed):
        for part in parts_of(values, block_rows(model)):
            rows = len(next(iter(part.values())))
            found = program.ratios(part, program.noise((rows,), next(model.parameters())))
            total = {k: total[k] + float(found[k][0].sum()) for k in total}
            count += rows
    return {k: v / count for k, v in total.items()}


def _one_sample(results: list, dist: int, draw: int | None, prior: Distribution) -> torch.Tensor:
    """Log q(z) - log p(z) at the draw, where KL(q || p) has no closed form."""
    assert draw is not None
    return results[dist].log_prob(results[draw]) - prior.log_prob(results[draw])


Drawn = Mapping[str, tuple[int, int | None]]
"""The operations that make the distribution and the value of each latent."""


def _latent_parents(planner: Planner, drawn: Drawn, name: str) -> set[str]:
    """Latents that the factor of `name` reads."""
    draw_of = {v: k for k, (_, v) in drawn.items() if v is not None}
    return {draw_of[a] for a in _read(planner, drawn[name][0]) if a in draw_of}


def _read(planner: Planner, dist: int) -> set[int]:
    """Values that a distribution is computed from; of all members, for experts."""
    op = planner.plan.ops[dist]
    return (
        set(op.args)
        if op.kind == "dist"
        else {a for member in op.args for a in _read(planner, member)}
    )


def _aggregate(model: System, planner: Planner, drawn: Drawn, blocks: list[list], m: int) -> float:
    """mean_i [ log q(z_i|i) - log (1/M) sum_m q(z_i|m) ] over the first m rows, in blocks of i.

    A common latent that is drawn from another one is scored at the draws of row i under the data of
    row m.
    """
    ops = planner.plan.ops
    draw_of = {v: k for k, (_, v) in drawn.items() if v is not None}

    def first(at: int | None) -> torch.Tensor:
        return torch.cat([r[at] for r in blocks if at is not None])[:m]

    z = {name: first(drawn[name][1]) for name in model.common}
    own = total = 0.0
    step = max(1, 2**22 // m)
    for i in range(0, m, step):
        j = min(m, i + step)
        log_q = z[model.common[0]].new_zeros(j - i, m)
        for name in model.common:
            dist, here = drawn[name][0], z[name][i:j, None]
            if any(a in draw_of for a in ops[dist].args):
                parents = [
                    z[draw_of[a]][i:j, None] if a in draw_of else first(a)[None]
                    for a in ops[dist].args
                ]
                log_q = log_q + model.factors[ops[dist].name](*parents).log_prob(here)
            else:
                log_q = log_q + torch.cat([r[dist].log_prob(here) for r in blocks], 1)[:, :m]
        index = torch.arange(i, j, device=log_q.device)
        own += float(log_q[index - i, index].sum())
        total += float((torch.logsumexp(log_q, 1) - math.log(m)).sum())
    return (own - total) / m


def rate_per_dimension(model: System, given: Mapping[str, Array]) -> dict[str, torch.Tensor]:
    """Mean KL(q || p) in nats of each coordinate of each Gaussian latent, `{latent: (d,)}`."""
    from wyner.tasks.sampling import encode

    out = {}
    posteriors = encode(model, given)
    with torch.no_grad():
        for name, q in posteriors.items():
            factor = model.factors[f"p({name})"] if f"p({name})" in model.factors else None
            if (
                factor is None or type(q) is not Normal
            ):  # sequences have no coordinates that stay the same
                continue
            p = factor()
            t = p.log_scale.expand(q.event)
            delta = q.log_scale - t
            each = (
                0.5 * (torch.exp(2 * delta) + ((q.loc - p.loc) * torch.exp(-t)).square() - 1)
                - delta
            )
            out[name] = each.mean(tuple(range(each.ndim - len(q.event)))).flatten()
    return out
