"""The same two models as loops written by hand in plain PyTorch with fused Adam: what this machine
lets any library reach.

No clamp of log scales, no terms by name, no seeds of single steps, no look at the loss: only the
    loss and its gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from benchmarks.peers.workload import D, Workload
from torch import Tensor, nn

LOG_2PI = math.log(2 * math.pi)


def mlp(inputs: int, hidden: tuple[int, ...], outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), nn.ReLU()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


def kl_standard(loc: Tensor, log_scale: Tensor) -> Tensor:
    """KL(N(loc, e^2s) || N(0, I)) in nats."""
    return (0.5 * ((2 * log_scale).exp() + loc.square() - 1) - log_scale).sum(-1)


class JMVAE(nn.Module):
    """KL( q(w|x,y) || p(w) ) - log p(x|w) p(y|w) + c [ KL( q(w|x,y) || q(w|x) ) + KL( q(w|x,y) ||
    q(w|y) ) ]."""

    def __init__(self, load: Workload) -> None:
        super().__init__()
        self.c, self.noise = load.pull, (load.batch, load.joint)
        self.both = mlp(2 * D, load.hidden, 2 * load.joint)
        self.encoders = nn.ModuleList(mlp(D, load.hidden, 2 * load.joint) for _ in range(2))
        self.decoders = nn.ModuleList(mlp(load.joint, load.hidden, D) for _ in range(2))

    def forward(self, x: Tensor, y: Tensor, eps: Tensor) -> Tensor:
        loc, log_scale = self.both(torch.cat([x, y], -1)).chunk(2, -1)
        w = torch.addcmul(loc, log_scale.exp(), eps)
        loss = kl_standard(loc, log_scale) + D * LOG_2PI
        for value, encode, decode in zip((x, y), self.encoders, self.decoders, strict=True):
            loss = loss + 0.5 * (value - decode(w)).square().sum(-1)
            m, t = encode(value).chunk(2, -1)
            loss = loss + self.c * kl_standard((loc - m) * (-t).exp(), log_scale - t)
        return loss.mean()


class DMVAE(nn.Module):
    """Shared and private latents; z drawn from both experts and from each, decoded in one pass."""

    def __init__(self, load: Workload) -> None:
        super().__init__()
        self.sizes = [load.shared, load.shared, load.private, load.private]
        self.noise = (3 * load.batch, load.shared + 2 * load.private)
        self.batch = load.batch
        self.encoders = nn.ModuleList(mlp(D, load.hidden, sum(self.sizes)) for _ in range(2))
        self.decoders = nn.ModuleList(
            mlp(load.shared + load.private, load.hidden, D) for _ in range(2)
        )

    def forward(self, x: Tensor, y: Tensor, eps: Tensor) -> Tensor:
        own = [
            encode(value).split(self.sizes, -1)
            for encode, value in zip(self.encoders, (x, y), strict=True)
        ]
        precisions = [(-2 * s).exp() for _, s, _, _ in own]
        precision = 1 + precisions[0] + precisions[1]
        loc = sum(p * o[0] for p, o in zip(precisions, own, strict=True)) / precision
        locs = torch.cat([loc, own[0][0], own[1][0]])
        log_scales = torch.cat([-0.5 * precision.log(), own[0][1], own[1][1]])
        ez, *others = eps.split([self.sizes[0], self.sizes[2], self.sizes[2]], -1)
        z = torch.addcmul(locs, log_scales.exp(), ez)
        loss = kl_standard(locs, log_scales).sum() + 3 * self.batch * D * LOG_2PI
        for value, (_, _, m, s), e, decode in zip((x, y), own, others, self.decoders, strict=True):
            u = torch.addcmul(
                m, s.exp(), e[: self.batch]
            )  # one draw for the three terms, as on our side
            out = decode(torch.cat([z, u.repeat(3, 1)], -1)).unflatten(0, (3, -1))
            loss = loss + 0.5 * (value - out).square().sum() + 3 * kl_standard(m, s).sum()
        return loss / self.batch


def training(
    model: JMVAE | DMVAE, data: Mapping[str, Tensor], load: Workload, compile: bool = False
) -> Callable[[], None]:
    """A loop that goes on until it is stopped."""

    def train() -> None:
        optimiser = torch.optim.Adam(model.parameters(), lr=load.lr, fused=True)
        forward = torch.compile(model, dynamic=False) if compile else model
        x, y, at = data["x"], data["y"], len(data["x"])
        while True:
            if at + load.batch > len(x):
                at, order = 0, torch.randperm(len(x))
            index = order[at : at + load.batch]
            at += load.batch
            loss = forward(x[index], y[index], torch.randn(model.noise))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    return train
