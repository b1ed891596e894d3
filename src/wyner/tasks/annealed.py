"""Annealed importance sampling: likelihoods where a proposal alone has too few effective samples.

Neal 2001; Wu, Burda, Salakhutdinov and Grosse 2017 (ICLR), with the encoder in place of the prior
where the annealing begins, and with reverse chains on simulated data (Grosse, Ghahramani and Adams
2015) as a measure of what is missing.

    f_b(h) = q(h|x)^(1-b) p(x,h)^b,   0 = b_0 < ... < b_T = 1,   h_0 ~ q,   h_t ~ K_t(. | h_(t-1))
    log w = sum_t (b_t - b_(t-1)) [ log p(x, h_(t-1)) - log q(h_(t-1)|x) ],   E w = p(x)

K_t is one step of Hamiltonian Monte Carlo that leaves f_(b_t) invariant, over all real latents at
once. Its step sizes and scales come from a pilot run with draws of its own, so that they do not
depend on the chains that are weighed. Discrete latents are summed over, in p and in q.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from wyner.errors import TaskError
from wyner.laws import Law, System, is_data, noise_for, run
from wyner.variables import Categorical
from wyner.variables import Sequence as Steps

Values = Mapping[str, Tensor]
LEAPFROGS, AIM, PILOTS, MOST = 8, 0.7, 4, 4096
"""Steps of a trajectory; share of them that should be accepted; chains of the pilot run; values of
all discrete latents together, at most."""


@dataclass
class Bridge:
    """The path from q(h | data) to p(targets, h | given) over the latents of a pair of laws.

    Args:
        model: with the laws.
        where: the name of the pair.
        values: rows by observed variable, `(B, *event)`.
    """

    model: System
    where: str
    values: Values
    real: list[str] = field(init=False)
    codes: list[dict[str, Tensor]] = field(init=False)

    def __post_init__(self) -> None:
        q, _ = self.model.pair(self.where)
        latents = [v for v in q.variables if v not in self.values]
        discrete = [v for v in latents if isinstance(self.model.variables[v], Categorical)]
        self.real = [v for v in latents if v not in discrete]
        if steps := [v for v in latents if isinstance(self.model.variables[v], Steps)]:
            raise TaskError(
                f"{self.model.title}: {steps[0]} is a sequence, which annealing does not move;"
                " method='importance' draws it"
            )
        self.codes = _codes(self.model, discrete, next(iter(self.values.values())))

    @property
    def rows(self) -> int:
        """B."""
        return len(next(iter(self.values.values())))

    def draw(self, law: Law, lead: tuple[int, ...], values: Values) -> dict[str, Tensor]:
        """Exact draws of what a law draws, given the rest, `(*lead, *event)`."""
        model, planner = self.model, self.model.planner()
        wanted = [v for v in law.variables if v not in values]
        drawn = planner.sample(law, self.where, values, wanted)
        like = next(model.parameters())
        noise = noise_for(planner.plan, model.factors, lead, like)
        with torch.no_grad():
            r = run(planner.plan, model.factors, model.features, values, noise, pointwise=True)
        found = {k: r[v] for k, (_, v) in drawn.items() if v is not None}
        return {k: v.expand(*lead, *v.shape[len(lead) :]).clone() for k, v in found.items()}

    def log_densities(self, h: Values) -> tuple[Tensor, Tensor]:
        """Log q(h | data) and log p(targets, h | given), discrete latents summed over, `(K, B)`."""
        q, p = self.model.pair(self.where)
        return self._summed(q, h), self._summed(p, h)

    def _summed(self, law: Law, h: Values) -> Tensor:
        each = [self._log_density(law, {**self.values, **h, **code}) for code in self.codes]
        return each[0] if len(each) == 1 else torch.logsumexp(torch.stack(each), 0)

    def _log_density(self, law: Law, values: Values) -> Tensor:
        model, total = self.model, torch.zeros(())
        for term in law.terms:
            if is_data(term, model.observed):
                continue
            parents = [
                model.features[g](values[g]) if g in model.features else values[g]
                for g in term.given
            ]
            total = total + model.factors[term.name](*parents).log_prob(values[term.of[0]])
        return total


def _codes(model: System, discrete: Sequence[str], like: Tensor) -> list[dict[str, Tensor]]:
    """All values of the discrete latents together, one-hot."""
    per, count = [], 1
    for name in discrete:
        n, k = model.variables[name].event_shape
        count *= k**n
        if count > MOST:
            raise TaskError(
                f"{model.title}: {', '.join(discrete)} have more than {MOST} values together, too"
                " many to sum over; method='importance' draws them"
            )
        each = torch.tensor(list(itertools.product(range(k), repeat=n)), device=like.device)
        per.append(torch.nn.functional.one_hot(each, k).to(like.dtype))
    return [dict(zip(discrete, values, strict=True)) for values in itertools.product(*per)]


@dataclass
class Moves:
    """Step sizes by temperature and row, `(T, B)`, and scales of latents by row, `(B, *event)`."""

    steps: Tensor
    scales: dict[str, Tensor]


def temperatures(count: int, sharp: float = 4.0) -> Tensor:
    """b_0 = 0, ..., b_T = 1, close together at both ends (a sigmoid, Wu et al. 2017)."""
    s = torch.sigmoid(torch.linspace(-sharp, sharp, count + 1, dtype=torch.float64))
    return (s - s[0]) / (s[-1] - s[0])


def pilot(bridge: Bridge, betas: Tensor) -> Moves:
    """Step sizes and scales from chains of their own: steps grow while they are accepted."""
    q, _ = bridge.model.pair(bridge.where)
    h = bridge.draw(q, (PILOTS, bridge.rows), bridge.values)
    real = {k: h[k] for k in bridge.real}
    spread = {k: v.std(0) for k, v in real.items()}
    scales = {k: s.mean(0, keepdim=True).clamp_min(1e-3).expand_as(s) for k, s in spread.items()}
    like = next(iter(real.values()))
    step = like.new_full((bridge.rows,), 0.2)
    kept = like.new_zeros(len(betas), bridge.rows)
    for t in range(1, len(betas) - 1):
        real, accepted = hamiltonian(bridge, real, float(betas[t]), step, scales)
        kept[t] = step
        up = accepted.mean(0) > AIM
        step = (step * torch.where(up, 1.1, 0.85)).clamp(1e-3, 2.0)
    return Moves(kept, scales)


def hamiltonian(
    bridge: Bridge, h: Values, beta: float, step: Tensor, scales: Values
) -> tuple[dict[str, Tensor], Tensor]:
    """One trajectory that leaves f_beta invariant, and whether it was accepted, `(K, B)`.

    Args:
        bridge: the path.
        h: real latents, `(K, B, *event)`.
        beta: where on the path.
        step: size by row, `(B,)`.
        scales: of each coordinate by row, `(B, *event)`.
    """
    wide = lambda name, v: v.reshape(1, -1, *[1] * (h[name].ndim - 2)) * scales[name]
    size = {k: wide(k, step) for k in h}
    energy = lambda p: sum(0.5 * v.square().flatten(2).sum(-1) for v in p.values())
    now = {k: v.detach() for k, v in h.items()}
    momentum = {k: torch.randn_like(v) for k, v in now.items()}
    value, slope = _slope(bridge, now, beta)
    before, moved = value - energy(momentum), dict(now)
    for _ in range(LEAPFROGS):
        momentum = {k: p + 0.5 * size[k] * slope[k] for k, p in momentum.items()}
        moved = {k: v + size[k] * momentum[k] for k, v in moved.items()}
        value, slope = _slope(bridge, moved, beta)
        momentum = {k: p + 0.5 * size[k] * slope[k] for k, p in momentum.items()}
    gain = value - energy(momentum) - before
    accepted = torch.rand_like(gain).log() < torch.nan_to_num(gain, nan=-math.inf)
    at = lambda v: accepted.reshape(*accepted.shape, *[1] * (v.ndim - 2))
    return {k: torch.where(at(v), moved[k], v) for k, v in now.items()}, accepted.to(gain)


def _slope(bridge: Bridge, h: Values, beta: float) -> tuple[Tensor, dict[str, Tensor]]:
    """Log f_beta and its gradient by the latents."""
    with torch.enable_grad():
        leaves = {k: v.detach().requires_grad_() for k, v in h.items()}
        log_q, log_p = bridge.log_densities(leaves)
        value = (1 - beta) * log_q + beta * log_p
        found = torch.autograd.grad(value.sum(), list(leaves.values()))
    return value.detach(), dict(zip(leaves, found, strict=True))


def forward_chains(bridge: Bridge, betas: Tensor, chains: int, moves: Moves) -> Tensor:
    """Log weights of chains from q to p, `(K, B)`: their mean weight is p(targets | given)."""
    q, _ = bridge.model.pair(bridge.where)
    h = bridge.draw(q, (chains, bridge.rows), bridge.values)
    real = {k: h[k] for k in bridge.real}
    log_w = next(iter(bridge.values.values())).new_zeros(chains, bridge.rows)
    for t in range(1, len(betas)):
        log_q, log_p = bridge.log_densities(real)
        log_w = log_w + float(betas[t] - betas[t - 1]) * (log_p - log_q)
        if t + 1 < len(betas):  # what comes after the last weight is not needed
            real, _ = hamiltonian(bridge, real, float(betas[t]), moves.steps[t], moves.scales)
    return log_w


def reverse_chains(
    bridge: Bridge, betas: Tensor, chains: int, moves: Moves, exact: Values
) -> Tensor:
    """Log weights of chains from an exact draw of p(h | data) back to q, `(K, B)`: the mean of 1/w
    is 1 / p(targets | given), so that -log mean(1/w) lies above log p on average.

    Args:
        bridge, betas, chains, moves: as for `forward_chains`.
        exact: latents `(B, *event)` that the rows were simulated with.
    """
    real = {k: exact[k].expand(chains, *exact[k].shape) for k in bridge.real}
    log_w = next(iter(bridge.values.values())).new_zeros(chains, bridge.rows)
    for t in range(len(betas) - 1, 0, -1):
        if t + 1 < len(betas):
            real, _ = hamiltonian(bridge, real, float(betas[t]), moves.steps[t], moves.scales)
        log_q, log_p = bridge.log_densities(real)
        log_w = log_w + float(betas[t] - betas[t - 1]) * (log_p - log_q)
    return log_w


def annealed(bridge: Bridge, steps: int, chains: int) -> tuple[Tensor, Tensor]:
    """Log p(targets | given) in nats, and the effective number of chains, `(B,)`.

    Without real latents the sum over the discrete ones is exact.
    """
    if not bridge.real:
        _, log_p = bridge.log_densities({})
        return log_p.expand(bridge.rows), log_p.new_full((bridge.rows,), float(chains))
    betas = temperatures(steps)
    log_w = forward_chains(bridge, betas, chains, pilot(bridge, betas))
    first, second = torch.logsumexp(log_w, 0), torch.logsumexp(2 * log_w, 0)
    return first - math.log(chains), torch.exp(2 * first - second)


def simulated_gap(
    model: System, where: str, given: Values, rows: int, steps: int, chains: int
) -> tuple[float, float]:
    """How far the two bounds of log p are apart on rows that the model makes up itself, in nats a
    row, and the standard error over these rows.

    On simulated rows an exact draw of the posterior is known, the one they were made with; so log p
    lies between the forward estimate and the reverse one (each on average), and their distance
    bounds what the estimate misses, as far as real rows are like these.

    Args:
        model, where: a model and the name of a pair of laws.
        given: what the law is conditioned on, `(B, *event)`; empty for a joint law.
        rows: to simulate; of conditional laws at most B.
        steps, chains: as for the estimate.
    """
    _, p = model.pair(where)
    known = {k: v[:rows] for k, v in given.items()}
    count = len(next(iter(known.values()))) if known else rows
    made = Bridge(model, where, known or _placeholder(model, where)).draw(p, (count,), known)
    values = {**known, **{k: v for k, v in made.items() if k in model.observed}}
    bridge = Bridge(model, where, values)
    if not bridge.real:
        return 0.0, 0.0
    betas = temperatures(steps)
    moves = pilot(bridge, betas)
    low = torch.logsumexp(forward_chains(bridge, betas, chains, moves), 0) - math.log(chains)
    back = reverse_chains(bridge, betas, chains, moves, made)
    high = math.log(chains) - torch.logsumexp(-back, 0)
    each = high - low
    return float(each.mean()), float(each.std()) / max(1, count) ** 0.5 if count > 1 else math.nan


def _placeholder(model: System, where: str) -> dict[str, Tensor]:
    """One row of every observed variable of a pair of laws, of what its space allows."""
    q, _ = model.pair(where)
    like = next(model.parameters())
    spaces = {v: model.observed[v] for v in q.variables if v in model.observed}
    return {k: s.fill.to(like).expand(1, *s.event_shape) for k, s in spaces.items()}
