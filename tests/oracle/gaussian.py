"""Exact answers for linear-Gaussian models: a law whose factors are affine and Gaussian is one
joint Gaussian.

`Joint` knows nothing of programs, draws or scores: it is built by walking the factors of a law as
    text, reading each
factor's matrix, offset and variance off its outputs, and everything else is matrix algebra in
float64.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wyner import Model
from wyner.families import Mixture
from wyner.laws import Conditional, Law, parse
from wyner.laws.factor import Combined


@dataclass(frozen=True)
class Affine:
    """A factor as N(sum_g A_g g + b, diag(variance)); events are flattened."""

    weights: dict[str, Tensor]
    bias: Tensor
    variance: Tensor


@dataclass(frozen=True)
class Joint:
    """A Gaussian over named variables: sizes in order, mean `(D,)`, covariance `(D, D)`."""

    sizes: dict[str, int]
    mean: Tensor
    cov: Tensor

    def index(self, names: Iterable[str]) -> Tensor:
        """Coordinates of some variables, in the order given."""
        start, at = 0, {}
        for name, n in self.sizes.items():
            at[name] = torch.arange(start, start + n)
            start += n
        return torch.cat([torch.zeros(0, dtype=torch.long), *(at[n] for n in names)])

    def marginal(self, names: Iterable[str]) -> Joint:
        """The law of some of the variables."""
        names = list(names)
        i = self.index(names)
        return Joint({n: self.sizes[n] for n in names}, self.mean[i], self.cov[i[:, None], i])

    def with_factor(self, name: str, factor: Affine, silent: bool = False) -> Joint:
        """Adds a variable that is affine in those that are there; without noise if `silent`."""
        a = torch.zeros(len(factor.bias), len(self.mean))
        for parent, w in factor.weights.items():
            a[:, self.index([parent])] = w
        cross = a @ self.cov
        own = cross @ a.T + (0.0 if silent else torch.diag(factor.variance))
        cov = torch.cat([torch.cat([self.cov, cross.T], 1), torch.cat([cross, own], 1)])
        return Joint(
            {**self.sizes, name: len(factor.bias)},
            torch.cat([self.mean, a @ self.mean + factor.bias]),
            cov,
        )

    def with_independent(self, other: Joint) -> Joint:
        """Adds variables that are independent of those that are there."""
        return Joint(
            {**self.sizes, **other.sizes},
            torch.cat([self.mean, other.mean]),
            torch.block_diag(self.cov, other.cov),
        )

    def regression(
        self, names: Sequence[str], given: Sequence[str]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """E[names | given] = A given + b, and the covariance left: `(A, b, S)`."""
        i, g = self.index(names), self.index(given)
        a = (
            torch.linalg.solve(self.cov[g[:, None], g], self.cov[g[:, None], i]).T
            if len(g)
            else torch.zeros(len(i), 0)
        )
        return (
            a,
            self.mean[i] - a @ self.mean[g],
            self.cov[i[:, None], i] - a @ self.cov[g[:, None], i],
        )

    def conditional(
        self, names: Sequence[str], values: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Means `(B, d)`, or `(d,)` if nothing is given, and common covariance of some variables
        given rows of others."""
        a, b, s = self.regression(names, list(values))
        return (_rows(values) @ a.T + b if values else b), s

    def log_prob(self, values: Mapping[str, Tensor]) -> Tensor:
        """log density of rows, `(B,)`, of exactly the variables in `values`."""
        m = self.marginal(values)
        return torch.distributions.MultivariateNormal(m.mean, m.cov).log_prob(_rows(values))

    def log_conditional(self, targets: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Tensor:
        """log p(targets | given), `(B,)`."""
        mean, cov = self.conditional(list(targets), given)
        return torch.distributions.MultivariateNormal(mean, cov).log_prob(_rows(targets))

    def entropy(self, names: Iterable[str]) -> float:
        """h(names) in nats."""
        cov = self.marginal(names).cov
        return float(0.5 * torch.logdet(2 * math.pi * math.e * cov))

    def kl(self, other: Joint) -> float:
        """KL(self || other) in nats."""
        p = other.marginal(self.sizes)
        off = p.mean - self.mean
        trace = torch.linalg.solve(p.cov, self.cov + torch.outer(off, off)).trace()
        return float(0.5 * (trace - len(off) + torch.logdet(p.cov) - torch.logdet(self.cov)))

    def cross_entropy(self, name: str, factor: Affine) -> float:
        """E_self[ -log factor(name | parents) ] in nats, from the moments of self."""
        full = self.with_factor("(prediction)", factor, silent=True)
        i, j = full.index([name]), full.index(["(prediction)"])
        square = (
            full.cov[i, i]
            - 2 * full.cov[i, j]
            + full.cov[j, j]
            + (full.mean[i] - full.mean[j]) ** 2
        )
        return float(
            0.5 * (torch.log(2 * math.pi * factor.variance) + square / factor.variance).sum()
        )

    def sample(self, n: int) -> dict[str, Tensor]:
        """Draws `{name: (n, d)}` from PyTorch's random state."""
        return self.from_noise(torch.randn(n, len(self.mean)))

    def from_noise(self, noise: Tensor) -> dict[str, Tensor]:
        """Standard normal rows turned into rows of this law."""
        rows = self.mean + noise @ torch.linalg.cholesky(self.cov).T
        return {name: rows[:, self.index([name])] for name in self.sizes}


def _rows(values: Mapping[str, Tensor]) -> Tensor:
    return torch.cat([v.reshape(len(v), -1) for v in values.values()], 1)


def empty() -> Joint:
    """The law of nothing."""
    return Joint({}, torch.zeros(0), torch.zeros(0, 0))


def random_joint(sizes: Mapping[str, int], seed: int) -> Joint:
    """A Gaussian with all coordinates correlated."""
    g = torch.Generator().manual_seed(seed)
    d = sum(sizes.values())
    a = torch.randn(d, d, generator=g) / d**0.5
    return Joint(dict(sizes), 0.5 * torch.randn(d, generator=g), a @ a.T + 0.3 * torch.eye(d))


def affine(model: Model, term: Conditional) -> Affine:
    """Reads a factor off its outputs at zero and at unit vectors; fails if it is not affine with a
    constant variance."""
    (found,) = components(model, term)
    return found


def components(model: Model, term: Conditional) -> list[Affine]:
    """A factor as an equal mixture of affine ones: one for each member of a mixture of experts,
    itself for any other."""
    factor = model.factors[term.name]
    if (several := experts(model, term)) != [term]:
        return [c for m in several for c in components(model, m)]
    sizes = [model.variables[g].size for g in term.given]
    total = sum(sizes)
    probes = torch.cat([torch.zeros(1, total), torch.eye(total), torch.randn(3, total)])
    parents = [
        p.reshape(-1, *model.variables[g].event_shape)
        for p, g in zip(probes.split(sizes, 1), term.given, strict=True)
    ]
    with torch.no_grad():
        d = factor(*parents) if parents else factor()
        mean, variance = d.mean, d.variance
        if parents:
            mean, variance = mean.reshape(len(probes), -1), variance.reshape(len(probes), -1)
        else:
            mean, variance = mean.reshape(1, -1), variance.reshape(1, -1)
    bias = mean[0]
    matrix = (mean[1 : total + 1] - bias).T
    torch.testing.assert_close(mean, probes[: len(mean)] @ matrix.T + bias, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(variance, variance[:1].expand_as(variance), rtol=1e-12, atol=0)
    return [Affine(dict(zip(term.given, matrix.split(sizes, 1), strict=True)), bias, variance[0])]


def experts(model: Model, term: Conditional) -> list[Conditional]:
    """The factors that a mixture of experts is made of; any other factor itself."""
    factor = model.factors[term.name]
    if isinstance(factor, Combined) and isinstance(factor.family, Mixture):
        return [parse(m).terms[0] for m in factor.family.members]
    return [term]


def is_mixture(model: Model, *laws: Law) -> bool:
    """Whether a factor of the laws is a mixture of experts."""
    return any(experts(model, t) != [t] for law in laws for t in law.terms if not is_data(model, t))


def is_data(model: Model, term: Conditional) -> bool:
    """An unconditional q over observed variables is the data."""
    return term.head == "q" and not term.given and set(term.of) <= set(model.observed)


def joint_of(model: Model, law: Law, data: Joint, silent: Iterable[str] = ()) -> Joint:
    """The joint Gaussian of a law, where the data are `data`; variables in `silent` get no noise of
    their own."""
    (joint,) = joints_of(model, law, data, silent)
    return joint


def joints_of(model: Model, law: Law, data: Joint, silent: Iterable[str] = ()) -> list[Joint]:
    """The law as an equal mixture of joint Gaussians: one for each choice of experts, one if there
    is nothing to choose."""
    joints = [empty()]
    for term in law.terms:
        if is_data(model, term):
            joints = [j.with_independent(data.marginal(term.of)) for j in joints]
        else:
            joints = [
                j.with_factor(term.of[0], c, term.of[0] in set(silent))
                for c in components(model, term)
                for j in joints
            ]
    return joints


def mixed_moments(
    joints: Sequence[Joint], names: Sequence[str], values: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """Means `(B, d)` and covariances `(B, d, d)` of some variables given rows of others, under an
    equal mixture.

    What is given must not tell the components apart: it is the data of all of them.
    """
    each = [j.conditional(names, values) for j in joints]
    means = torch.stack([m.reshape(-1, m.shape[-1]) for m, _ in each])
    off = means - means.mean(0)
    return means.mean(0), torch.stack([s for _, s in each]).mean(0) + (
        off[..., :, None] * off[..., None, :]
    ).mean(0)


def constant(text: str, entropy: Callable[[list[str]], float]) -> float:
    """The value of a printed constant such as `-h(x,y)`, `-h(y|x)` or `I(x;y) - h(z|x,y)`, from
    joint entropies."""
    total, rest = 0.0, text.replace(" ", "")
    while rest:
        match = re.match(r"([+-]?)(h|I)\(([^()]*)\)", rest)
        assert match, f"cannot read the constant {text!r} at {rest!r}"
        sign, kind, inside = match.groups()
        if kind == "h":
            of, given = (part.split(",") if part else [] for part in inside.partition("|")[::2])
            value = entropy([*of, *given]) - (entropy(given) if given else 0.0)
        else:
            parts = [p.split(",") for p in inside.split(";")]
            value = sum(entropy(p) for p in parts) - entropy([n for p in parts for n in p])
        total += -value if sign == "-" else value
        rest = rest[match.end() :]
    return total


def sigma_points(d: int) -> Tensor:
    """2d rows whose mean is 0 and whose covariance is I: means of quadratic functions over them are
    exact expectations."""
    return torch.cat([torch.eye(d), -torch.eye(d)]) * d**0.5
