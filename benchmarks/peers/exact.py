"""Linear-Gaussian models whose likelihoods are known: affine networks with given weights, and
matrix algebra in float64.

    (x, y) = W l + b + e,   l = all latents ~ N(0, I),   e ~ N(0, I)   =>   (x, y) ~ N(b, W W^T + I)

The columns of W are orthogonal within each modality. So the exact posteriors are independent
Gaussians, which encoders can hold; their scales are taken 1.2 times too large, so that there is
something to weigh.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from benchmarks.peers import ours
from benchmarks.peers.workload import D, Workload
from torch import Tensor, nn

from wyner import Model

WIDER = 1.2


@dataclass(frozen=True)
class Known:
    """A model, pairs drawn from it `(N, D)`, and its exact mean negative log-likelihoods on them,
    in nats per pair."""

    model: Model
    data: dict[str, Tensor]
    joint: float
    conditional: float
    """Of r(y|x), the law that translates: latents drawn from the encoder of x, then y."""
    conditional_with_prior: float
    """The same where z is drawn from q(z|x) p(z), normalised; of JMVAE, which has no such law,
    equal to `conditional`."""


def loadings(*sizes: int, seed: int) -> list[Tensor]:
    """Matrices `(D, size)` whose columns are all orthogonal, with lengths between 1.2 and 1.8."""
    generator = torch.Generator().manual_seed(seed)
    columns = torch.linalg.qr(torch.randn(D, sum(sizes), generator=generator, dtype=torch.float64))[
        0
    ]
    lengths = 1.2 + 0.6 * torch.rand(sum(sizes), generator=generator, dtype=torch.float64)
    return list((columns * lengths).split(sizes, 1))


def nll(rows: Tensor, mean: Tensor, cov: Tensor) -> float:
    """Mean of -log N(row; mean, cov) in nats."""
    return -float(torch.distributions.MultivariateNormal(mean, cov).log_prob(rows).mean())


def jmvae(rows: int = 200, size: int = 5) -> Known:
    """p(w) p(x|w) p(y|w); encoders at the exact posteriors, but wider."""
    (a,), (b,) = loadings(size, seed=1), loadings(size, seed=2)
    offset = 0.5 * torch.ones(D, dtype=torch.float64)
    model = ours.jmvae(Workload(hidden=(), joint=size))
    affine(model, "p(x|w)", a, offset)
    affine(model, "p(y|w)", b, -offset)
    both, at = torch.cat([a, b]), torch.cat([offset, -offset])
    posterior(model, "q(w|x,y)", both, at, prior=True)
    posterior(model, "q(w|y)", b, -offset, prior=True)
    scale = posterior(model, "q(w|x)", a, offset, prior=True)
    data = draw(rows, both, at)
    x, y = data["x"].double(), data["y"].double()
    mean = ((x - offset) @ a) / (1 + a.square().sum(0))
    conditional = nll(y, mean @ b.T - offset, b @ torch.diag(scale**2) @ b.T + torch.eye(D))
    return Known(model, data, joint(x, y, both, offset), conditional, conditional)


def dmvae(rows: int = 200, shared: int = 5, private: int = 4) -> Known:
    """p(z) p(u) p(v) p(x|z,u) p(y|z,v); experts at the exact likelihoods of z and posteriors of u,
    v, but wider."""
    (a, c), (b, d) = loadings(shared, private, seed=1), loadings(shared, private, seed=2)
    offset = 0.5 * torch.ones(D, dtype=torch.float64)
    model = ours.dmvae(Workload(hidden=(), shared=shared, private=private))
    affine(model, "p(x|z,u)", torch.cat([a, c], 1), offset)
    affine(model, "p(y|z,v)", torch.cat([b, d], 1), -offset)
    wide = posterior(model, "q(z|x)", a, offset, prior=False)
    posterior(model, "q(z|y)", b, -offset, prior=False)
    posterior(model, "q(u|x)", c, offset, prior=True)
    posterior(model, "q(v|y)", d, -offset, prior=True)
    empty = torch.zeros(D, private, dtype=torch.float64)
    w = torch.cat([torch.cat([a, c, empty], 1), torch.cat([b, empty, d], 1)])
    data = draw(rows, w, torch.cat([offset, -offset]))
    x, y = data["x"].double(), data["y"].double()
    at = ((x - offset) @ a) / a.square().sum(0)
    found = []
    for prior in (0.0, 1.0):  # precision of the prior beside that of q(z|x)
        variance = 1 / (wide**-2 + prior)
        cov = b @ torch.diag(variance) @ b.T + d @ d.T + torch.eye(D)
        found.append(nll(y, (at * wide**-2 * variance) @ b.T - offset, cov))
    return Known(model, data, joint(x, y, w, offset), *found)


def joint(x: Tensor, y: Tensor, w: Tensor, offset: Tensor) -> float:
    """Mean of -log p(x,y) in nats."""
    return nll(torch.cat([x, y], 1), torch.cat([offset, -offset]), w @ w.T + torch.eye(2 * D))


def draw(rows: int, w: Tensor, offset: Tensor) -> dict[str, Tensor]:
    """Pairs from the model, float32."""
    generator = torch.Generator().manual_seed(3)
    noise = lambda n: torch.randn(rows, n, generator=generator, dtype=torch.float64)
    x, y = (noise(w.shape[1]) @ w.T + offset + noise(len(w))).float().split(D, 1)
    return {"x": x.contiguous(), "y": y.contiguous()}


@torch.no_grad()
def affine(model: Model, name: str, weight: Tensor, bias: Tensor) -> None:
    """Gives a factor whose network is one layer the matrix and the offset of its mean."""
    layer = _layer(model, name)
    layer.weight[: len(weight)].copy_(weight)
    layer.bias[: len(bias)].copy_(bias)


@torch.no_grad()
def posterior(model: Model, name: str, w: Tensor, offset: Tensor, prior: bool) -> Tensor:
    """Sets an encoder of l from rows = W l + offset + e to p(rows|l), times p(l) if `prior`, wider;
    returns its scale."""
    precision = w.square().sum(0) + (1.0 if prior else 0.0)
    gain = w.T / precision[:, None]
    affine(model, name, gain, -gain @ offset)
    layer, size = _layer(model, name), len(gain)
    scale = WIDER * precision**-0.5
    layer.weight[size:].zero_()
    layer.bias[size:].copy_(torch.log(scale))
    return scale


def _layer(model: Model, name: str) -> nn.Linear:
    (layer,) = model.factors[name].network.layers
    return layer
