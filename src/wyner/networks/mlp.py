"""Fully connected networks over any number of parents and any leading shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import skip_init

from wyner.errors import OptionError, ShapeError, refuse_unknown
from wyner.math import broadcast_shapes
from wyner.networks.layers import xavier
from wyner.variables import Shape

ACTIVATIONS: dict[str, type[nn.Module]] = dict(
    relu=nn.ReLU, elu=nn.ELU, leaky_relu=nn.LeakyReLU, gelu=nn.GELU, silu=nn.SiLU, tanh=nn.Tanh
)
LEAKY_SLOPE = 0.2
"""Slope of LeakyReLU for negative inputs; the paper gives none (our choice)."""


def activation(name: str) -> nn.Module:
    """A new activation module by name."""
    refuse_unknown("activation", name, ACTIVATIONS)
    return nn.LeakyReLU(LEAKY_SLOPE) if name == "leaky_relu" else ACTIVATIONS[name]()


class MLP(nn.Module):
    """Linear layers with an activation between them, from the parents side by side to one array.

    Args:
        inputs: event shapes of the parents, in the order in which they are passed; none for a
            network of constants.
        output: shape of the result for one value of the parents.
        hidden: widths of the hidden layers; `()` makes the network affine.
        act: name of the activation.
        linear: whether a linear map of the parents is added to what the layers make, from 0 at the
            start; without hidden layers there is nothing to add it to.

    Weights start as Xavier-uniform, biases at 0 (our choice; docs/decisions.md compares).

    Parents may have different leading shapes that broadcast, `(K, B, dz)` with `(B, dx)`: then the
    first layer is applied to each parent by itself, so that the smaller one is not copied K times.
    """

    any_leading = True
    by_rows = True
    """Rows do not see each other, so that those of several calls can go through at once."""

    def __init__(
        self,
        inputs: Sequence[Shape],
        output: Shape,
        hidden: Sequence[int] = (),
        act: str = "relu",
        linear: bool = False,
    ) -> None:
        super().__init__()
        self.events, self.output = [tuple(e) for e in inputs], tuple(output)
        self.sizes = [math.prod(e) for e in self.events]
        widths = [sum(self.sizes), *hidden, math.prod(output)]
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(widths))
        self.act = activation(act)
        if isinstance(self.act, nn.ReLU):
            self.act.inplace = True  # nothing else reads what a layer returns
        for layer in self.layers:
            xavier(layer)
        self.path: nn.Linear | None = None
        if linear and hidden and self.sizes:
            # made without random numbers: the layers begin as they do without it
            self.path = skip_init(nn.Linear, widths[0], widths[-1], bias=False)
            nn.init.zeros_(self.path.weight)

    def forward(self, *parents: Tensor) -> Float[Tensor, "*lead"]:
        flat = [
            p if len(e) == 1 else p.reshape(*p.shape[: p.ndim - len(e)], n)
            for p, e, n in zip(parents, self.events, self.sizes, strict=True)
        ]
        layers: list[Any] = list(self.layers)
        h = self._applied(layers[0], flat) if flat else layers[0].bias.clone()
        act = self.act
        for layer in layers[1:]:
            h = layer(act(h))
        if self.path is not None:
            h = h + self._applied(self.path, flat)
        return h if len(self.output) == 1 else h.reshape(*h.shape[:-1], *self.output)

    def _applied(self, layer: nn.Linear, flat: list[Tensor]) -> Tensor:
        """A linear layer on the parents side by side."""
        if len(flat) == 1:
            return layer(flat[0])
        if all(f.shape[:-1] == flat[0].shape[:-1] for f in flat[1:]):
            return layer(torch.cat(flat, -1))
        parts = zip(flat, layer.weight.split(self.sizes, 1), strict=True)
        products = [F.linear(f, w) for f, w in parts]
        bias = products.pop() if layer.bias is None else layer.bias
        return sum(products, start=bias)

    @property
    def affine(self) -> nn.Linear | None:
        """The layer from the parents straight to the output; None if there is none."""
        return self.last if len(self.layers) == 1 else self.path

    @torch.no_grad()
    def become(self, matrix: Float[Tensor, "m n"], bias: Float[Tensor, "*m"]) -> None:
        """Makes the network the function `matrix @ parents + bias`, from which it can learn on.

        Raises:
            OptionError: no layer leads from the parents straight to the output.
        """
        straight = self.affine
        if straight is None:
            raise OptionError(
                "an MLP with hidden layers needs a linear path beside them to become an affine"
                " function: networks.MLPs(linear=True)"
            )
        nn.init.zeros_(self.last.weight)
        straight.weight.copy_(matrix)
        self.last.bias.copy_(bias)

    @property
    def last(self) -> nn.Linear:
        """The layer that makes the output."""
        return cast(nn.Linear, self.layers[-1])

    def extra_repr(self) -> str:
        return f"inputs={self.events}, output={self.output}"


class PerValue(MLP):
    """An MLP whose first layer has weights of its own for every value of the categorical parents.

        h = W z kron [1, a] + b,    z one-hot (1, k), a the other parents side by side

    What z says can then not be overruled by the other parents: the weights that read a are chosen
    by z. Relaxed values mix them.

    Args: as of `MLP`; one parent at least must have an event of shape (1, k).

    Raises:
        ShapeError: no categorical parent.
    """

    def __init__(self, inputs: Sequence[Shape], output: Shape, *layers: Any, **more: Any) -> None:
        self.values = [is_value(e) for e in inputs]
        if not any(self.values):
            raise ShapeError(
                "PerValue: expected a categorical parent of shape (1, k), got"
                f" {[tuple(e) for e in inputs]}"
            )
        rest = sum(math.prod(e) for e, v in zip(inputs, self.values, strict=True) if not v)
        k = math.prod(e[1] for e, v in zip(inputs, self.values, strict=True) if v)
        super().__init__([(k * (1 + rest),)], output, *layers, **more)

    def forward(self, *parents: Tensor) -> Tensor:
        z = [p.squeeze(-2) for p, v in zip(parents, self.values, strict=True) if v]
        chosen = z[0]
        for other in z[1:]:
            chosen = (chosen[..., :, None] * other[..., None, :]).flatten(-2)
        rest = [p for p, v in zip(parents, self.values, strict=True) if not v]
        read = [chosen[..., None]] + [chosen[..., :, None] * a[..., None, :] for a in rest]
        lead = broadcast_shapes(*(r.shape[:-1] for r in read))
        return super().forward(torch.cat([r.expand(*lead, -1) for r in read], -1).flatten(-2))


def is_value(event: Shape) -> bool:
    """Whether an event shape is that of one categorical variable."""
    return len(event) == 2 and event[0] == 1
