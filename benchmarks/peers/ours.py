"""Our side: the models of the comparison, and everything that is done with them. Needs nothing but
`wyner`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from benchmarks.peers.workload import D, Workload
from torch import Tensor, nn

import wyner
from wyner import Model, Real
from wyner.families import Fixed, Gaussian
from wyner.models import DMVAE, JMVAE
from wyner.networks import MLP, Builder, MLPs
from wyner.variables import Space

Data = Mapping[str, Tensor]
UNIT = Gaussian(Fixed(1.0))
"""N(., I): the priors and decoders of the peers."""
LONG = 100_000
"""Epochs of a training that ends when it is told to."""


def jmvae(load: Workload) -> JMVAE:
    """JMVAE with one network for each of its five factors."""
    families = {"x": UNIT, "y": UNIT, "p(w)": UNIT}
    return JMVAE(
        x=Real(D),
        y=Real(D),
        w=load.joint,
        c=load.pull,
        networks=MLPs(load.hidden),
        families=families,
    )


def dmvae(load: Workload) -> DMVAE:
    """DMVAE with one encoder for each modality, whose last hidden layer feeds z and the private
    latent."""
    families = {"x": UNIT, "y": UNIT, "p(z)": UNIT, "p(u)": UNIT, "p(v)": UNIT}
    sizes = {"z": load.shared, "u": load.private, "v": load.private}
    return DMVAE(
        x=Real(D), y=Real(D), **sizes, networks=SharedEncoders(load.hidden), families=families
    )


@dataclass(frozen=True)
class SharedEncoders(Builder):
    """Hidden layers of an encoder once for each modality; affine heads for its latents; decoders of
    their own."""

    hidden: tuple[int, ...]

    def features(self, space: Space) -> nn.Module | None:
        return Hidden(space.event_shape, self.hidden) if self.hidden else None

    def factor(
        self, of: Space, parents: Sequence[tuple[int, ...]], output: tuple[int, ...], observed: bool
    ) -> nn.Module:
        return MLP(parents, output, self.hidden if observed else ())


class Hidden(nn.Module):
    """The hidden layers of an MLP, the last one with its activation."""

    def __init__(self, inputs: tuple[int, ...], hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.output = (hidden[-1],)
        self.mlp = MLP([inputs], self.output, hidden[:-1])

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.mlp(x))


def training(
    model: Model, data: Data, load: Workload, compile: bool = False, seeds: int = 1
) -> Callable[[], None]:
    """A call of `wyner.fit` that goes on until it is stopped; of several copies at once if there
    are several seeds."""

    def train() -> None:
        options = {"epochs": LONG, "batch_size": load.batch, "lr": load.lr, "compile": compile}
        if seeds > 1:
            options |= {"grid": {"seed": range(seeds)}, "launcher": "batched"}
        wyner.fit(model, data, accelerator="cpu", progress=False, **options)

    return train


def joint_nll(model: Model, data: Data, samples: int) -> float:
    """-log p(x,y) in nats per pair, by importance sampling."""
    return model.log_likelihood(**data, samples=samples, seed=0).nll


def conditional_nll(model: Model, data: Data, samples: int) -> float:
    """-log p(y|x) in nats per pair, by importance sampling."""
    return model.log_likelihood(y=data["y"], given={"x": data["x"]}, samples=samples, seed=0).nll


def loss(model: Model, data: Data, draws: Mapping[str, Tensor]) -> float:
    """The training loss at given standard normal draws, by the factor that is drawn from."""
    program = model.objective
    weights = torch.tensor(program.objective.weights(0.0))
    with torch.no_grad():
        return float(program(data, [draws[name] for name in program.plan.draws], weights)[0])


def shaken(model: Model, seed: int = 0) -> Model:
    """The model with noise added to all parameters, so that none of them is at a special value."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=generator))
    return model
