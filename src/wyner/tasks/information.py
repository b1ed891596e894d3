"""How much the common latent of a trained model knows about the data: estimates of I_q(X,Y;Z) in
nats.

Equations (40), (41) of the Wyner VAE paper, and the aggregate estimate of its specification,
section 5.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from wyner.arrays import Array, parts_of
from wyner.errors import TaskError
from wyner.families import Distribution, kl
from wyner.families.distributions import CLOSED_FORMS, Normal
from wyner.laws import Planner, System, noise_for, run
from wyner.objectives import Learner
from wyner.tasks.inputs import asking, block_rows, given_values
from wyner.tasks.queries import heads, implicit, inference_law, must, show


class Measured(dict[str, float]):
    """Estimates in nats by name, with what is known of their errors.

    Attributes:
        errors: standard error of each over the rows and their draws.
        intervals: `(low, high)` of 95 % of each; without an upper end where the value is at its
            cap.
        capped: names whose value is at the most that so few rows can show: the information may be
            anything from there up.
        rows: M of the aggregate estimate.
    """

    def __init__(self, rows: Mapping[str, torch.Tensor], capped: Sequence[str], count: int) -> None:
        """`rows`: values whose means are the estimates, `(N,)` each."""
        super().__init__({k: float(v.double().mean()) for k, v in rows.items()})
        self.rows, self.capped = count, tuple(capped)
        self.errors = {
            k: float(v.double().std()) / len(v) ** 0.5 if len(v) > 1 else math.nan
            for k, v in rows.items()
        }

    @classmethod
    def mean_of(cls, each: Sequence[Measured]) -> Measured:
        """The mean over members of an ensemble, which see the same rows.

        The error is that over the rows, on average, and that of a mean of members.
        """
        found, m = cls({}, sorted({k for e in each for k in e.capped}), each[0].rows), len(each)
        for k in each[0]:
            values = torch.tensor([e[k] for e in each], dtype=torch.float64)
            found[k] = float(values.mean())
            between = float(values.var()) / m if m > 1 else 0.0
            found.errors[k] = math.sqrt(sum(e.errors[k] ** 2 for e in each) / m + between)
        return found

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """95 % by the normal law of a mean over rows."""
        wide = {k: 1.96 * e for k, e in self.errors.items()}
        return {
            k: (v - wide[k], math.inf if k in self.capped else v + wide[k]) for k, v in self.items()
        }


def common_information(
    model: Learner,
    given: Mapping[str, Array] | None = None,
    *,
    limit: int = 10_000,
    seed: int | None = 0,
    **arrays: Array,
) -> Measured:
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
        limit: M, rows used by the aggregate estimate, which needs M^2 densities, at most.
        seed: for the draws z_i.
        arrays: more of `given`, by keyword: `x=...`.

    Returns:
        `{"I41": nats, "I40": nats, "aggregate": nats}`; I40 only for Gaussian latents. Also
        `.intervals` over rows and draws, and `.capped`: the aggregate estimate within log 2 of its
        most, where half of the mixture at z_i is the row's own density.

    Raises:
        TaskError: the model has no common latent or cannot encode all modalities, or `limit` is
            below 1.
    """
    if limit < 1:
        raise TaskError(f"common_information: expected a limit of at least 1 row, got {limit}")
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
    many = min(rows, limit)
    for name in model.common:
        _check(model, planner, drawn, name)
    kept: list[Kept] = []  # what the aggregate needs
    terms: dict[str, list[torch.Tensor]] = {"I41": [], "I40": []}  # values by row
    wanted = {a for name in model.common for a in (*drawn[name], *_read(planner, drawn[name][0]))}
    with asking(model, seed):
        like = next(model.parameters())
        first = {k: v[:many] for k, v in values.items()}
        parts = parts_of(first, block)
        if many < rows:
            parts += parts_of({k: v[many:] for k, v in values.items()}, block)
        for part in parts:
            n = len(next(iter(part.values())))
            noise = noise_for(planner.plan, model.factors, (n,), like)
            r = run(planner.plan, model.factors, model.features, part, noise, pointwise=True)
            if sum(k.count for k in kept) < many:
                kept.append(Kept({a: r[a] for a in wanted if a is not None}, n))
            rates, spent = _of_rows(model, drawn, r)
            terms["I41"].append(rates.expand(n))
            if spent is not None:
                terms["I40"].append(spent.expand(n))
        terms["aggregate"] = [_aggregate(model, planner, drawn, kept, many)]
    by_row = {k: torch.cat(terms[k]) for k in ("I40", "I41", "aggregate") if terms[k]}
    capped = ["aggregate"] if float(by_row["aggregate"].mean()) > math.log(many / 2) else []
    return Measured(by_row, capped, many)


def _check(model: Learner, planner: Planner, drawn: Drawn, name: str) -> None:
    """Refuses a common latent without a prior, or whose density given the data is not known."""
    cannot = f"{model.title} cannot measure its common information: "
    if f"p({name})" not in model.factors:
        raise TaskError(f"{cannot}no law has a prior p({name}) of {name}")
    hidden = _latent_parents(planner, drawn, name)
    if hidden - set(model.common):
        raise TaskError(
            f"{cannot}{name} is drawn from {show(hidden - set(model.common))}, which are not"
            " common, so its density given the data is not known"
        )
    if planner.plan.ops[drawn[name][0]].kind == "combine" and hidden:
        raise TaskError(f"{cannot}{name} is drawn from experts that read other latents")


def _of_rows(model: Learner, drawn: Drawn, r: list) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Rate of the common latents by row, and what they know by entropy; None if not Gaussian."""
    rate, spent, gaussian = torch.zeros(()), torch.zeros(()), True
    for name in model.common:
        (dist, draw), prior = drawn[name], model.factors[f"p({name})"]()
        q = r[dist]
        closed = (type(q), type(prior)) in CLOSED_FORMS
        rate = rate + (kl(q, prior) if closed else _one_sample(r, dist, draw, prior)).expand(
            q.leading
        )
        gaussian &= isinstance(prior, Normal) and isinstance(q, Normal)
        if gaussian:
            spent = spent + (prior.entropy() - q.entropy()).expand(q.leading)
    return rate, spent if gaussian else None


def _by_ratio(
    model: Learner, values: Mapping[str, torch.Tensor], name: str, seed: int | None
) -> Measured:
    """E[T] under the law of each critic of I(X,Y;Z)."""
    terms = heads(model)
    if not terms.terms:
        raise TaskError(
            f"{model.title} cannot measure its common information: {name} is deterministic and has"
            f" no density, and no term Information('{show(model.observed)};{show(model.common)}',"
            " under=...) has trained a critic for it"
        )
    program = model.program(terms)
    found: dict[str, list[torch.Tensor]] = {t.name: [] for t in terms.terms}
    with asking(model, seed):
        for part in parts_of(values, block_rows(model)):
            rows = len(next(iter(part.values())))
            ratios = program.ratios(part, program.noise((rows,), next(model.parameters())))
            for k, each in found.items():
                each.append(ratios[k][0].reshape(-1))
    return Measured({k: torch.cat(v) for k, v in found.items()}, (), 0)


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


@dataclass(frozen=True)
class Kept:
    """Results of some operations on a block of rows."""

    results: Mapping[int, Any]
    count: int


def _aggregate(
    model: System, planner: Planner, drawn: Drawn, blocks: list[Kept], m: int
) -> torch.Tensor:
    """Log q(z_i|i) - log (1/M) sum_m q(z_i|m) of the M rows of the blocks, `(M,)`.

    A common latent that is drawn from another one is scored at the draws of row i under the data of
    row m.
    """
    ops = planner.plan.ops
    draw_of = {v: k for k, (_, v) in drawn.items() if v is not None}

    def first(at: int | None) -> torch.Tensor:
        return torch.cat([b.results[at] for b in blocks if at is not None])

    z = {name: first(drawn[name][1]) for name in model.common}
    found = []
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
                log_q = log_q + torch.cat([b.results[dist].log_prob(here) for b in blocks], 1)
        index = torch.arange(i, j, device=log_q.device)
        found.append(log_q[index - i, index] - torch.logsumexp(log_q, 1) + math.log(m))
    return torch.cat(found)


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
