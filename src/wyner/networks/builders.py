"""Default networks for the factors of a model, built from the spaces of the variables.

A builder answers two questions: which features of an observed variable all its encoders share
(`features`), and which network maps the parents of a factor to its parameters (`factor`). Any
answer can be replaced by a user's `nn.Module`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from wyner.codec import extendable, stored
from wyner.math import broadcast_shapes
from wyner.networks.conv import OuterDecoder, OuterEncoder, UpsampledDecoder
from wyner.networks.grouped import Grouped
from wyner.networks.mlp import MLP, PerValue, is_value
from wyner.variables import Binary, Categorical, Image, Shape, Space, as_tuples

Shapes = Sequence[Shape]
Rows = Callable[[], Tensor] | None
"""Gives the training rows of a variable, `(N, *event)`; None if the weights are there already."""


@extendable
class Builder(ABC):
    """How default networks are made."""

    def features(self, space: Space) -> Any:
        """A network with an `output` shape for all encoders of an observed variable, or None."""
        return None

    @abstractmethod
    def factor(self, of: Space, parents: Shapes, output: Shape, observed: bool) -> nn.Module:
        """A network from parents of these event shapes to an array of shape `output`."""

    def before(
        self, encoder: nn.Module, decoders: Sequence[Any], rows: Rows, generator: torch.Generator
    ) -> None:
        """Trains and freezes what comes before the model; called for each variable with features.

        Args:
            encoder: what `features` made of the variable.
            decoders: networks of its factors in p.
            rows: gives its training rows; None to freeze only.
            generator: of the order of the rows.
        """
        return


@stored("mlps")
@dataclass(frozen=True)
class MLPs(Builder):
    """Fully connected networks everywhere, one per factor. `hidden=()` makes all of them affine.

    Args:
        hidden: widths of the hidden layers.
        activation: between them.
        per_value: decoders with a categorical parent beside others have a first layer for each of
            its values, `PerValue`.
        decoders: widths of the hidden layers of decoders, of observed variables; None for those of
            `hidden`.
        linear: a linear path from the parents to the output beside the hidden layers, 0 at first;
            `fit(start="linear")` begins with what is known of it in closed form.
    """

    hidden: tuple[int, ...] = (256, 256, 256)
    activation: str = "relu"
    per_value: bool = False
    decoders: tuple[int, ...] | None = None
    linear: bool = False

    def __post_init__(self) -> None:
        as_tuples(self, "hidden", "decoders")

    def factor(self, of: Space, parents: Shapes, output: Shape, observed: bool) -> nn.Module:
        hidden = self.decoders if observed and self.decoders is not None else self.hidden
        return self._dense(parents, output, hidden, observed)

    def _dense(self, parents: Shapes, output: Shape, hidden: Shape, observed: bool) -> MLP:
        made = PerValue if self.per_value and observed and any(map(is_value, parents)) else MLP
        return made(parents, output, hidden, self.activation, self.linear)


@stored("upsampled")
@dataclass(frozen=True)
class Upsampled(MLPs):
    """Fully connected networks, but transposed convolutions at the end of decoders of pictures.

    Such a decoder, of one layer over the latents and convolutions from a quarter of the size, is
    smoother: fewer nats in private latents for the same error, and fewer places in the prior that
    no training picture has visited.

    Args:
        hidden, activation, per_value, decoders, linear: as in `MLPs`; `decoders` are hidden layers
            before the convolutions, none by default.
        width: channels of the last convolution but one.
    """

    width: int = 12

    def factor(self, of: Space, parents: Shapes, output: Shape, observed: bool) -> nn.Module:
        if not (observed and is_image(of)):
            return super().factor(of, parents, output, observed)
        outer = UpsampledDecoder(output, self.width, is_mean(of, output))
        return Chain(self._dense(parents, outer.input, self.decoders or (), True), outer)


@stored("convolutional")
@dataclass(frozen=True)
class Convolutional(MLPs):
    """Outer convolutional networks of images, MLP cores between them (Tables 8, 10 of the paper).

    Args:
        hidden, activation, per_value: of the cores, as in `MLPs`.
        decoders: widths of the hidden layers of fully connected decoders of pictures, in place of
            convolutions; enough where a decoder has only the mean picture of each value to give.
        width: channels after the first convolution; 32 in the paper, smaller for CPUs.
        blocks: residual blocks; 4 in the paper.
        vectors: widths of the outer networks of observed vectors that stand beside pictures, the
            last one that of their features: (512, 512) for the attributes of Table 10; none for no
            outer networks.
        output_norm: whether decoders of pictures end in a BatchNorm before the sigmoid; see
            `OuterDecoder`.
        shared: whether all factors that read a picture share its outer encoder; otherwise each has
            one of its own, so that encoders of a common latent can be kept while others learn.
        fine: values that encoders of a categorical latent tell apart before they group them,
            `Grouped`; 0 for no groups.

    Ready-made: `TABLE_8` (digits and house numbers), `TABLE_10` (faces), `LIGHT` (a thirtieth of
    the work, for CPUs).
    """

    hidden: tuple[int, ...] = (512,)
    activation: str = "leaky_relu"
    width: int = 32
    blocks: int = 4
    vectors: tuple[int, ...] = ()
    output_norm: bool = False
    shared: bool = True
    fine: int = 0

    def __post_init__(self) -> None:
        as_tuples(self, "hidden", "decoders", "vectors")

    def features(self, space: Space) -> Any:
        if is_image(space):
            return self._outer(space.event_shape) if self.shared else None
        if not self.vectors:
            return None
        *hidden, last = self.vectors
        return MLP([space.event_shape], (last,), hidden, self.activation)

    def factor(self, of: Space, parents: Shapes, output: Shape, observed: bool) -> nn.Module:
        core = lambda size, hidden=self.hidden: self._core(of, parents, size, hidden, observed)
        if observed and is_image(of):
            if self.decoders is not None:
                return core(output, self.decoders)
            mean = is_mean(of, output)
            outer = OuterDecoder(output, self.width, self.blocks, mean, self.output_norm)
            return Chain(core(outer.input), outer)
        if observed and self.vectors:
            *hidden, last = self.vectors
            return Chain(core((last,)), MLP([(last,)], output, hidden, self.activation))
        return core(output)

    def _outer(self, event: Shape) -> OuterEncoder:
        return OuterEncoder(event, self.width, self.blocks)

    def _core(
        self, of: Space, parents: Shapes, output: Shape, hidden: Shape, observed: bool
    ) -> nn.Module:
        """The fully connected part, behind outer encoders of its own for pictures as they are."""
        eyes = [self._outer(e) if not self.shared and len(e) == 3 else None for e in parents]
        read = [e if eye is None else eye.output for e, eye in zip(parents, eyes, strict=True)]
        core: MLP
        if self.fine and not observed and isinstance(of, Categorical) and parents:
            core = Grouped(read, output, hidden, self.activation, self.fine)
        else:
            core = self._dense(read, output, hidden, observed)
        return core if eyes == [None] * len(eyes) else Sighted(eyes, core, list(map(len, parents)))


TABLE_8 = Convolutional()
"""Networks of MNIST add-1 and MNIST-SVHN in the Wyner VAE paper."""
TABLE_10 = Convolutional(hidden=(1024, 1024, 1024), vectors=(512, 512))
"""Networks of CelebA in the Wyner VAE paper: 64x64 faces beside 40 attributes."""
LIGHT = Convolutional(hidden=(256,), width=8, blocks=1)
"""Networks for pictures on a CPU."""


def is_image(space: Space) -> bool:
    """Whether a space holds pictures that convolutions can read."""
    return isinstance(space, Image) or (isinstance(space, Binary) and len(space.shape) == 3)


def is_mean(of: Space, output: Shape) -> bool:
    """Whether a decoder of pictures returns their means in [0, 1], and nothing else."""
    return isinstance(of, Image) and output == of.event_shape


class Chain(nn.Module):
    """A core over the parents, then an outer network that takes one array with one batch axis."""

    any_leading = True

    def __init__(self, core: nn.Module, outer: nn.Module) -> None:
        super().__init__()
        self.core, self.outer = core, outer

    def forward(self, *parents: Tensor) -> Tensor:
        return flattened(self.outer, (self.core(*parents),), (1,))


class Sighted(nn.Module):
    """A core over the parents, pictures among them seen through outer encoders of its own.

    Args:
        eyes: an outer encoder for each parent, None where the core reads the parent as it is.
        core: over what they see.
        ranks: how many axes belong to the event of each parent.
    """

    any_leading = True

    def __init__(self, eyes: Sequence[nn.Module | None], core: MLP, ranks: Sequence[int]) -> None:
        super().__init__()
        self.eyes = nn.ModuleList([nn.Identity() if e is None else e for e in eyes])
        self.core, self.ranks = core, tuple(ranks)

    def forward(self, *parents: Tensor) -> Tensor:
        return self.core(*self.seen(*parents))

    def seen(self, *parents: Tensor) -> list[Tensor]:
        """What the core reads of the parents."""
        return [
            p if isinstance(eye, nn.Identity) else flattened(eye, (p,), (rank,))
            for p, eye, rank in zip(parents, self.eyes, self.ranks, strict=True)
        ]

    @property
    def last(self) -> nn.Linear:
        """The layer that makes the output."""
        return self.core.last


def flattened(network: nn.Module, parents: Sequence[Tensor], ranks: Sequence[int]) -> Tensor:
    """Calls a network that knows one batch axis on parents of any leading shape.

    Args:
        network: is called on parents that are broadcast and flattened; its result is unflattened.
        parents, ranks: the arrays, and how many axes belong to their events.
    """
    leads = [p.shape[: p.ndim - r] for p, r in zip(parents, ranks, strict=True)]
    lead = broadcast_shapes(*leads)
    if len(lead) == 1 and all(len(x) == 1 and x == lead for x in leads):
        return network(*parents)
    events = [p.shape[p.ndim - r :] for p, r in zip(parents, ranks, strict=True)]
    flat = [p.expand(*lead, *e).reshape(-1, *e) for p, e in zip(parents, events, strict=True)]
    out = network(*flat)
    return out.reshape(*lead, *out.shape[1:])
