"""A convolutional autoencoder around a model, trained first, then frozen; models see its codes.

The wrapper of the W-VAE paper, which does not give its sizes. Our choice: convolutions 32, 64 of
stride 2, a linear layer to 64 numbers, the mirror image back, squared error for 10 epochs. Losses
are taken on images, through the frozen decoder.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from wyner.codec import stored
from wyner.networks.builders import Builder, Chain, Rows, Shapes, is_image
from wyner.networks.layers import Body, shrunk
from wyner.networks.mlp import MLP
from wyner.variables import Image, Shape, Space, as_tuples, unit


class CodeEncoder(Body):
    """Image `(N, C, H, W)` to a code `(N, code)`."""

    def __init__(self, shape: Shape, code: int = 64, width: int = 32) -> None:
        c, h, w = shrunk(shape, 2)
        super().__init__(
            nn.Conv2d(c, width, 4, 2, 1),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 4, 2, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(2 * width * h * w, code),
        )
        self.output = (code,)


class CodeDecoder(Body):
    """Code `(N, code)` to an image `(N, C, H, W)`: pixels in [0, 1], or logits if not `sigmoid`."""

    def __init__(self, shape: Shape, code: int = 64, width: int = 32, sigmoid: bool = True) -> None:
        c, h, w = shrunk(shape, 2)
        super().__init__(
            nn.Linear(code, 2 * width * h * w),
            nn.ReLU(),
            nn.Unflatten(1, (2 * width, h, w)),
            nn.ConvTranspose2d(2 * width, width, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(width, c, 4, 2, 1),
        )
        self.input, self.sigmoid = (code,), sigmoid

    def forward(self, h: Tensor) -> Tensor:
        raw = super().forward(h)
        return torch.sigmoid(raw) if self.sigmoid else raw


@stored("autoencoded")
@dataclass(frozen=True)
class Autoencoded(Builder):
    """MLPs on the codes of autoencoders of images, which `wyner.fit` trains first, then freezes.

    Args:
        hidden, activation: of the MLPs; 3 x 512 in the paper.
        code: numbers in a code.
        width: channels after the first convolution.
        epochs, lr, batch_size: of the autoencoder's own training.
    """

    hidden: tuple[int, ...] = (512, 512, 512)
    activation: str = "relu"
    code: int = 64
    width: int = 32
    epochs: int = 10
    lr: float = 1e-3
    batch_size: int = 100

    def __post_init__(self) -> None:
        as_tuples(self, "hidden")

    def features(self, space: Space) -> Any:
        return CodeEncoder(space.event_shape, self.code, self.width) if is_image(space) else None

    def factor(self, of: Space, parents: Shapes, output: Shape, observed: bool) -> nn.Module:
        core = lambda size: MLP(parents, size, self.hidden, self.activation)
        if not (observed and is_image(of) and output == of.event_shape):
            return core(output)
        outer = CodeDecoder(output, self.code, self.width, isinstance(of, Image))
        return Chain(core(outer.input), outer)

    def before(
        self, encoder: nn.Module, decoders: Sequence[Any], rows: Rows, generator: torch.Generator
    ) -> None:
        """Trains the encoder with the first of the decoders; the others get a copy."""
        outer = [
            d.outer for d in decoders if isinstance(d, Chain) and isinstance(d.outer, CodeDecoder)
        ]
        if rows is None:
            freeze(encoder, *outer)
        elif outer:
            self.pretrain(encoder, outer[0], rows(), generator)
            for other in outer[1:]:
                other.load_state_dict(outer[0].state_dict())
                freeze(other)

    def pretrain(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        images: Tensor,
        generator: torch.Generator,
        step: Callable[[float], None] | None = None,
    ) -> float:
        """Minimises |x - decoder(encoder(x))|^2 over the rows, then freezes both.

        Args:
            encoder, decoder: of one modality.
            images: `(N, C, H, W)`, in [0, 1] or uint8.
            generator: of the order of the rows.
            step: called with the loss after every step.

        Returns:
            The mean squared error per pixel in the last epoch.
        """
        parameters = [*encoder.parameters(), *decoder.parameters()]
        adam = torch.optim.Adam(parameters, lr=self.lr, fused=images.device.type in ("cpu", "cuda"))
        size, last = math.prod(images.shape[1:]), 0.0
        for p in parameters:
            p.requires_grad_(True)
        for _ in range(self.epochs):
            order = torch.randperm(len(images), generator=generator).to(images.device)
            seen = torch.zeros((), device=images.device)
            for rows in order.split(self.batch_size):
                x = unit(images[rows])
                raw = decoder(encoder(x))
                guess = raw if getattr(decoder, "sigmoid", True) else torch.sigmoid(raw)
                loss = (guess - x).square().sum() / len(rows)
                adam.zero_grad()
                loss.backward()
                adam.step()
                seen += loss.detach() * len(rows)
                if step is not None:
                    step(float(loss.detach()))
            last = float(seen) / len(images) / size
        if isinstance(encoder, CodeEncoder) and isinstance(decoder, CodeDecoder):
            standardise(encoder, decoder, images)
        freeze(encoder, decoder)
        return last


@torch.no_grad()
def standardise(encoder: CodeEncoder, decoder: CodeDecoder, images: Tensor) -> None:
    """Gives the codes mean 0 and deviation 1; reconstructions stay as they are.

    Mean and scale move from the encoder's last layer into the decoder's first. Without it softmax
    layers saturate in the first hundred steps, and a categorical latent ends with one value for all
    rows.
    """
    codes = torch.cat([encoder(unit(block)) for block in images.split(1000)])
    mean, std = codes.mean(0), codes.std(0).clamp_min(1e-3)
    last, first = cast(nn.Linear, encoder.body[-1]), cast(nn.Linear, decoder.body[0])
    first.bias.add_(first.weight @ mean)
    first.weight.mul_(std)
    last.weight.div_(std[:, None])
    last.bias.sub_(mean).div_(std)


def freeze(*modules: Any) -> None:
    """Marks modules whose parameters no phase trains."""
    for module in modules:
        module.frozen = True
        for p in module.parameters():
            p.requires_grad_(False)
