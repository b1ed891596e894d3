"""Evaluation of plans: every kind of operation, and the order in which they are carried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from wyner.families.distributions import Noise, draw_noise, kl, kl_at
from wyner.laws.factor import Factors
from wyner.laws.plan import Op, Plan

Schedule = Sequence[tuple[int, ...]]
"""Operations by index, in the order of evaluation; several in an entry are one call of a factor."""


def schedule(ops: Sequence[Op], factors: Factors) -> list[tuple[int, ...]]:
    """Operations by index, each after its arguments; an entry with several is one call of a factor.

    Several divergences decode different draws by one p(x|z,u). One call on all their rows costs
    less than a call on each: the products are larger, and the gradients of the weights come out of
    one product in place of a sum over calls. Only factors whose networks treat every row by itself
    are called in this way.
    """
    by_rows = lambda name: getattr(factors[name].network, "by_rows", False)
    joined = {op.name for op in ops if op.kind == "dist" and by_rows(op.name)}
    shared = lambda i: ops[i].kind == "dist" and ops[i].name in joined
    left, done, found = list(range(len(ops))), set[int](), list[tuple[int, ...]]()
    while left:
        ready = [i for i in left if done.issuperset(ops[i].args)]
        now: list[tuple[int, ...]] = [(i,) for i in ready if not shared(i)]
        if not now:
            waiting = {ops[i].name for i in left if i not in ready and ops[i].kind == "dist"}
            names = [ops[i].name for i in ready]
            chosen = next((n for n in names if n not in waiting), names[0])
            now = [tuple(i for i in ready if ops[i].name == chosen)]
        found += now
        done.update(i for step in now for i in step)
        left = [i for i in left if i not in done]
    return found


class Context(NamedTuple):
    """What operations read beside their arguments."""

    factors: Factors
    features: nn.ModuleDict
    given: Mapping[str, Tensor]
    noise: Mapping[int, Noise]
    pointwise: bool
    means: bool
    members: Mapping[int, Tensor]


def _featured(module: Any, value: Tensor) -> Tensor:
    at = value.ndim - len(module.event)
    out = module(value.reshape(-1, *value.shape[at:]))
    return out.reshape(*value.shape[:at], *out.shape[1:])


def _draw(c: Context, i: int, q: Any) -> Tensor:
    if c.means:
        return q.mean
    return q.exact(c.noise[i]) if c.pointwise else q.rsample(c.noise[i])


def _ratio(q: Any, p: Any, value: Tensor) -> Tensor:
    return q.log_prob(value) - p.log_prob(value)


OPERATIONS: dict[str, Callable[[Context, int, str, list], Any]] = {
    "given": lambda c, i, name, a: c.given[name],
    "feature": lambda c, i, name, a: _featured(c.features[name], a[0]),
    "inner": lambda c, i, name, a: c.factors[name].head.inner(a[0]),
    "dist": lambda c, i, name, a: c.factors[name](*a),
    "combine": lambda c, i, name, a: c.factors[name].head.combine(*a, there=c.members.get(i)),
    "draw": lambda c, i, name, a: _draw(c, i, a[0]),
    "nll": lambda c, i, name, a: -a[0].log_prob(*a[1:]),
    "kl": lambda c, i, name, a: _ratio(*a) if c.pointwise else kl(a[0], a[1]),
    "steps": lambda c, i, name, a: _ratio(*a) if c.pointwise else kl_at(*a),
    "ratio": lambda c, i, name, a: _ratio(*a),
}
"""What each kind of operation computes: (context, its index, its name, arguments) -> result."""


def run(
    plan: Plan,
    factors: Factors,
    features: nn.ModuleDict,
    given: Mapping[str, Tensor],
    noise: Sequence[Noise],
    pointwise: bool = False,
    means: bool = False,
    schedule: Schedule | None = None,
    members: Mapping[int, Tensor] | None = None,
) -> list:
    """Evaluates every operation of a plan; returns the results in the order of the operations.

    Args:
        plan, factors, features: the operations and the modules that they call.
        given: values by variable, `(*leading, *event)`.
        noise: one array per draw, as `noise_for` makes them.
        pointwise: densities at exact draws instead of closed-form KLs of relaxed ones: then minus
            the sum of a divergence's scores is a log importance weight.
        means: every draw is replaced by the mean of its distribution.
        schedule: the order, from `schedule`; by default each operation by itself, in turn.
        members: of combinations, by operation, `(k, B)`, 1 where a row has what a member reads; all
            of them by default.
    """
    r: list = [None] * len(plan.ops)
    draws = (i for i, op in enumerate(plan.ops) if op.kind == "draw")
    eps = dict(zip(draws, noise, strict=True))
    context = Context(factors, features, given, eps, pointwise, means, members or {})
    for step in schedule or [(i,) for i in range(len(plan.ops))]:
        i, (kind, name, args) = step[0], plan.ops[step[0]]
        if len(step) == 1:
            r[i] = OPERATIONS[kind](context, i, name, [r[k] for k in args])
            continue
        calls = [[r[k] for k in plan.ops[j].args] for j in step]
        for j, dist in zip(step, factors[name].each(calls), strict=True):
            r[j] = dist
    return r


def noise_for(
    plan: Plan,
    factors: Factors,
    lead: tuple[int, ...],
    like: Tensor,
    generator: torch.Generator | None = None,
) -> list[Noise]:
    """Fresh noise with leading shape `lead` for every draw of a plan, in the order of `run`."""
    heads = [factors[name].head for name in plan.draws]
    return [draw_noise(h.distribution.noise, (*lead, *h.event), like, generator) for h in heads]
