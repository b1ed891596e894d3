"""Critics of a code z and feature maps s of a picture.

Specification of the sequence models, section 3.4. The listing of [CMI] has the picture as the input
of the convolutions, its text the features s. s is right: with x as the input no gradient could push
information out of s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from wyner.codec import stored
from wyner.errors import ShapeError
from wyner.networks.critics import Critics, Ratios, Rows
from wyner.variables import Space

SMALLEST = 8
"""Side of the smallest maps that three convolutions of stride 2 can read."""


@stored("image-critics")
@dataclass(frozen=True)
class ImageCritics(Critics):
    """Critics of a vector and feature maps, T(z,s) = <e(s), z>; else `Critics` as in MI-VAE.

    Args:
        channels: of the two hidden convolutions of e, 256 in the paper.
        width, activation: of critics of z alone: Linear(dz, 400), ReLU, Linear(400, 1). The
            "softmax" of one unit behind it in the paper must be a logistic function; here the loss
            has it.
        noise: none by default; the latents are random as it is.
    """

    channels: int = 256
    width: int = 400
    activation: str = "relu"
    noise: float = 0.0

    def head(self, features: int, latents: Sequence[Space]) -> nn.Module:
        maps = [len(s.event_shape) == 3 for s in latents]
        if features or sorted(maps) != [False, True]:
            return super().head(features, latents)
        s, z = latents[maps.index(True)], latents[maps.index(False)]
        if min(s.event_shape[1:]) < SMALLEST:
            raise ShapeError(
                f"ImageCritics: expected feature maps of at least {SMALLEST}x{SMALLEST}, got"
                f" {s.event_shape}"
            )
        return InnerProduct(z.size, s.event_shape[0], self.channels, maps.index(True))


class InnerProduct(nn.Module):
    """T(z,s) = <e(s), z>, e(s) the mean over space of three convolutions 4x4 of stride 2.

    Two of them with BatchNorm and ReLU. Both `parts` are computed once where both laws have the
    same values: `Program`.

    Args:
        z: size of z.
        inputs: channels of s.
        channels: of the two hidden convolutions.
        second: 1 if s comes after z, 0 if before.
    """

    def __init__(self, z: int, inputs: int, channels: int, second: int = 1) -> None:
        super().__init__()
        conv = lambda i, o: nn.Conv2d(i, o, 4, 2, 1)
        hidden = lambda i: (conv(i, channels), nn.BatchNorm2d(channels), nn.ReLU())
        embed = nn.Sequential(
            *hidden(inputs),
            *hidden(channels),
            conv(channels, z),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.parts = nn.ModuleList([nn.Identity(), embed] if second else [embed, nn.Identity()])

    def compare(self, a: Tensor, b: Tensor) -> Tensor:
        """<e, z>, `(N,)`, in any order."""
        return (a * b).sum(-1)

    def forward(self, features: Tensor | None, *latents: Rows) -> Ratios:
        return self.compare(*(part(v) for part, v in zip(self.parts, latents, strict=True)))
