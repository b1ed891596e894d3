"""MultiVae's side: its JMVAE and DMVAE with the same networks, its trainer, its likelihoods.
Imports `multivae`."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from benchmarks.peers import operators  # noqa: F401, before multivae
from benchmarks.peers.workload import D, Workload
from multivae.data.datasets import MultimodalBaseDataset
from multivae.metrics import LikelihoodsEvaluator, LikelihoodsEvaluatorConfig
from multivae.metrics.likelihoods import likelihoods
from multivae.models import DMVAE, JMVAE, DMVAEConfig, JMVAEConfig
from multivae.models.base import BaseMultiVAE
from multivae.models.nn.base_architectures import BaseJointEncoder, BaseMultilatentEncoder
from multivae.trainers import BaseTrainer, BaseTrainerConfig
from multivae.trainers.base.callbacks import MetricConsolePrinterCallback, ProgressBarCallback
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn.base_architectures import BaseDecoder, BaseEncoder
from torch import Tensor, nn

from wyner import Model
from wyner.networks import MLP

logging.disable(logging.WARNING)  # it reports every epoch
warnings.filterwarnings("ignore", message="Converting a tensor with requires_grad=True")
likelihoods.tqdm = lambda batches: batches

SIDES = ("x", "y")


class Layers(nn.Module):
    """Hidden layers with ReLU, and one linear head for each output."""

    def __init__(self, inputs: int, hidden: Sequence[int], outputs: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in hidden:
            layers += [nn.Linear(inputs, width), nn.ReLU()]
            inputs = width
        self.hidden = nn.Sequential(*layers)
        self.heads = nn.ModuleList(nn.Linear(inputs, n) for n in outputs)

    def forward(self, x: Tensor) -> list[Tensor]:
        h = self.hidden(x)
        return [head(h) for head in self.heads]

    @property
    def linear(self) -> list[nn.Linear]:
        """The hidden linear layers."""
        return [m for m in self.hidden if isinstance(m, nn.Linear)]


class Encoder(BaseEncoder):
    def __init__(self, inputs: int, latent: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.latent_dim, self.net = latent, Layers(inputs, hidden, (latent, latent))

    def forward(self, x: Tensor) -> ModelOutput:
        loc, log_variance = self.net(x)
        return ModelOutput(embedding=loc, log_covariance=log_variance)


class JointEncoder(BaseJointEncoder):
    def __init__(self, inputs: int, latent: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.latent_dim, self.net = latent, Layers(inputs, hidden, (latent, latent))

    def forward(self, x: Mapping[str, Tensor]) -> ModelOutput:
        loc, log_variance = self.net(torch.cat([x[k] for k in SIDES], 1))
        return ModelOutput(embedding=loc, log_covariance=log_variance)


class SharedPrivateEncoder(BaseMultilatentEncoder):
    def __init__(self, inputs: int, shared: int, private: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.latent_dim, self.style_dim = shared, private
        self.net = Layers(inputs, hidden, (shared, shared, private, private))

    def forward(self, x: Tensor) -> ModelOutput:
        loc, log_variance, own_loc, own_log_variance = self.net(x)
        return ModelOutput(
            embedding=loc,
            log_covariance=log_variance,
            style_embedding=own_loc,
            style_log_covariance=own_log_variance,
        )


class Decoder(BaseDecoder):
    def __init__(self, latent: int, outputs: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.latent_dim, self.net = latent, Layers(latent, hidden, (outputs,))

    def forward(self, z: Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.net(z)[0])


def jmvae(load: Workload) -> JMVAE:
    """MultiVae's JMVAE, weights of all terms constant in time."""
    config = JMVAEConfig(
        n_modalities=2,
        latent_dim=load.joint,
        input_dims={k: (D,) for k in SIDES},
        alpha=load.pull,
        warmup=0,
    )
    return JMVAE(
        config,
        encoders={k: Encoder(D, load.joint, load.hidden) for k in SIDES},
        decoders={k: Decoder(load.joint, D, load.hidden) for k in SIDES},
        joint_encoder=JointEncoder(2 * D, load.joint, load.hidden),
    )


def dmvae(load: Workload) -> DMVAE:
    """MultiVae's DMVAE."""
    config = DMVAEConfig(
        n_modalities=2,
        latent_dim=load.shared,
        input_dims={k: (D,) for k in SIDES},
        modalities_specific_dim={k: load.private for k in SIDES},
    )
    return DMVAE(
        config,
        encoders={
            k: SharedPrivateEncoder(D, load.shared, load.private, load.hidden) for k in SIDES
        },
        decoders={k: Decoder(load.shared + load.private, D, load.hidden) for k in SIDES},
    )


def dataset(data: Mapping[str, Tensor]) -> MultimodalBaseDataset:
    """Pairs as MultiVae takes them."""
    return MultimodalBaseDataset({k: data[k] for k in SIDES})


def training(
    model: BaseMultiVAE, data: Mapping[str, Tensor], load: Workload, fused: bool = False
) -> Callable[[], None]:
    """A call of MultiVae's trainer that goes on until it is stopped; without its progress bar."""

    def train() -> None:
        with tempfile.TemporaryDirectory() as folder:
            config = BaseTrainerConfig(
                output_dir=folder,
                per_device_train_batch_size=load.batch,
                num_epochs=100_000,
                learning_rate=load.lr,
                no_cuda=True,
                optimizer_params={"fused": True} if fused else None,
            )
            trainer = BaseTrainer(model, dataset(data), training_config=config)
            handler = trainer.callback_handler
            for kind in (ProgressBarCallback, MetricConsolePrinterCallback):
                handler.callbacks = [c for c in handler.callbacks if not isinstance(c, kind)]
            trainer.train()

    return train


def joint_nll(
    model: BaseMultiVAE, data: Mapping[str, Tensor], samples: int, rows: int = 512, block: int = 100
) -> float:
    """What `LikelihoodsEvaluator.joint_nll()` returns. `rows` and `block` are its batch sizes, at
    their default values."""
    config = LikelihoodsEvaluatorConfig(batch_size=rows, num_samples=samples, batch_size_k=block)
    return float(LikelihoodsEvaluator(model, dataset(data), eval_config=config).joint_nll())


@torch.no_grad()
def conditional_nll(model: BaseMultiVAE, data: Mapping[str, Tensor], samples: int) -> float:
    """What `compute_cond_nll` returns for y given x: a mean of p(y|z) over draws of z given x,
    without weights."""
    model.eval()
    model.device = "cpu"
    rows = dataset(data)[:]
    return float(model.compute_cond_nll(rows, ["x"], ["y"], k_iwae=samples)["y"])


# The same parameters on both sides. Ours predict log scales, MultiVae's log variances.


def take_mlp(net: Layers, ours: MLP) -> None:
    """Copies a network whose last layer is the head."""
    for mine, theirs in zip(net.linear, list(ours.layers)[:-1], strict=True):
        mine.load_state_dict(theirs.state_dict())
    take_heads(net, [ours.last])


@torch.no_grad()
def take_heads(net: Layers, heads: Sequence[nn.Linear]) -> None:
    """Copies layers that hold a mean and a log scale, or a mean alone."""
    parts = []
    for head in heads:
        sizes = [n.out_features for n in net.heads][len(parts) :]
        count = 2 if head.out_features > sizes[0] else 1
        parts += list(
            zip(
                (1.0, 2.0),
                head.weight.split(sizes[:count]),
                head.bias.split(sizes[:count]),
                strict=False,
            )
        )
    for mine, (scale, weight, bias) in zip(net.heads, parts, strict=True):
        mine.weight.copy_(scale * weight)
        mine.bias.copy_(scale * bias)


def jmvae_of(model: Model, load: Workload) -> JMVAE:
    """MultiVae's JMVAE with the parameters of ours."""
    peer = jmvae(load)
    network = lambda name: model.factors[name].network
    take_mlp(peer.joint_encoder.net, network("q(w|x,y)"))
    for side in SIDES:
        take_mlp(peer.encoders[side].net, network(f"q(w|{side})"))
        take_mlp(peer.decoders[side].net, network(f"p({side}|w)"))
    return peer


def dmvae_of(model: Model, load: Workload) -> DMVAE:
    """MultiVae's DMVAE with the parameters of ours."""
    peer = dmvae(load)
    network = lambda name: model.factors[name].network
    for side, own in zip(SIDES, "uv", strict=True):
        net = peer.encoders[side].net
        if side in model.features:
            for mine, theirs in zip(net.linear, model.features[side].mlp.layers, strict=True):
                mine.load_state_dict(theirs.state_dict())
        take_heads(net, [network(f"q(z|{side})").last, network(f"q({own}|{side})").last])
        take_mlp(peer.decoders[side].net, network(f"p({side}|z,{own})"))
    return peer


@contextmanager
def drawing(draws: Sequence[Tensor]) -> Iterator[None]:
    """Normal distributions draw from these standard normal arrays, in order."""
    from torch.distributions import normal

    left, before = iter(draws), normal._standard_normal
    normal._standard_normal = lambda shape, dtype, device: next(left).reshape(shape)
    try:
        yield
    finally:
        normal._standard_normal = before


@torch.no_grad()
def loss(model: BaseMultiVAE, data: Mapping[str, Tensor], draws: Sequence[Tensor]) -> float:
    """The training loss at given standard normal draws, in the order in which the model takes
    them."""
    model.train()
    with drawing(draws):
        return float(model(dataset(data)[:]).loss)
