"""A convolutional autoencoder around a model: trained first, then frozen; the model's own networks
work on its codes.

The wrapper of the W-VAE paper, which does not give its sizes. Our choice: convolutions 32, 64 of
stride 2, a linear layer to 64 numbers, the mirror image back, squared error for 10 epochs. Losses
are taken on images, through the frozen decoder.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wyner.codec import stored
from wyner.errors import ShapeError
from wyner.networks.builders import Builder, Chain, is_image
from wyner.networks.mlp import MLP
from wyner.variables import Space, unit


def _quartered(shape: tuple[int, ...]) -> tuple[int, int, int]:
    if len(shape) != 3 or shape[1] % 4 or shape[2] % 4:
        raise ShapeError(
            "the autoencoder halves images twice: expected (channels, height, width) with height"
            f" and width multiples of 4, got {tuple(shape)}"
        )
    return shape[0], shape[1] // 4, shape[2] // 4


class CodeEncoder(nn.Module):
    """Image `(N, C, H, W)` to a code `(N, code)`."""

    any_leading = False

    def __init__(self, shape: tuple[int, ...], code: int = 64, width: int = 32) -> None:
        super().__init__()
        c, h, w = _quartered(shape)
        self.output = (code,)
        self.body = nn.Sequential(
            nn.Conv2d(c, width, 4, 2, 1),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 4, 2, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(2 * width * h * w, code),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class CodeDecoder(nn.Module):
    """Code `(N, code)` to an image `(N, C, H, W)`: pixels in [0, 1], or logits if not `sigmoid`."""

    any_leading = False

    def __init__(
        self, shape: tuple[int, ...], code: int = 64, width: int = 32, sigmoid: bool = True
    ) -> None:
        super().__init__()
        c, h, w = _quartered(shape)
        self.input = (code,)
        self.sigmoid = sigmoid
        self.body = nn.Sequential(
            nn.Linear(code, 2 * width * h * w),
            nn.ReLU(),
            nn.Unflatten(1, (2 * width, h, w)),
            nn.ConvTranspose2d(2 * width, width, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(width, c, 4, 2, 1),
        )

    def forward(self, h: Tensor) -> Tensor:
        raw = self.body(h)
        return torch.sigmoid(raw) if self.sigmoid else raw


@stored("autoencoded")
@dataclass(frozen=True)
class Autoencoded(Builder):
    """MLPs on the codes of an autoencoder that `wyner.fit` trains first and then freezes, one for
    each image modality.

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
        object.__setattr__(self, "hidden", tuple(self.hidden))

    def features(self, space: Space) -> nn.Module | None:
        return CodeEncoder(space.event_shape, self.code, self.width) if is_image(space) else None

    def factor(
        self, of: Space, parents: Sequence[tuple[int, ...]], output: tuple[int, ...], observed: bool
    ) -> nn.Module:
        if not (observed and is_image(of) and output == of.event_shape):
            return MLP(parents, output, self.hidden, self.activation)
        outer = CodeDecoder(output, self.code, self.width, sigmoid=type(of).__name__ == "Image")
        return Chain(MLP(parents, outer.input, self.hidden, self.activation), outer)

    def before(
        self,
        encoder: nn.Module,
        decoders: Sequence[nn.Module],
        rows: Callable[[], Tensor] | None,
        generator: torch.Generator,
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
            blocks = order.split(self.batch_size)
            for rows in blocks:
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
    """Moves mean and scale of the codes from the encoder's last layer into the decoder's first;
    reconstructions stay as they are.

    Networks that work on codes then see numbers of mean 0 and deviation 1. Without it softmax
    layers saturate in the first hundred steps, and a categorical latent ends with one value for all
    rows.
    """
    codes = torch.cat([encoder(unit(block)) for block in images.split(1000)])
    mean, std = codes.mean(0), codes.std(0).clamp_min(1e-3)
    last, first = encoder.body[-1], decoder.body[0]
    assert isinstance(last, nn.Linear)
    assert isinstance(first, nn.Linear)
    first.bias.add_(first.weight @ mean)
    first.weight.mul_(std)
    last.weight.div_(std[:, None])
    last.bias.sub_(mean).div_(std)


def freeze(*modules: nn.Module) -> None:
    """Marks modules whose parameters no phase trains."""
    for module in modules:
        module.frozen = True  # type: ignore[assignment]
        for p in module.parameters():
            p.requires_grad_(False)
