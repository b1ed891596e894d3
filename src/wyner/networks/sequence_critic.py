"""The critic of a global vector and a sequence.

Appendix I of [CMI]; specification of sequence models, 2.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wyner import variables
from wyner.codec import stored
from wyner.math import filled, present
from wyner.networks.critics import Critics, Ratios, Rows
from wyner.variables import Space


@stored("sequence-critics")
@dataclass(frozen=True)
class SequenceCritics(Critics):
    """Critics of a global vector and a sequence, T(z,s) = c cos(e(s), z); else as in `Critics`.

    Args:
        channels: of the two hidden convolutions over time.
        scale: where c starts; |T| <= c, so that it bounds the nats that a critic can report (our
            choice).
        noise: none by default; the latents are random as it is.
    """

    channels: int = 256
    scale: float = 5.0
    noise: float = 0.0

    def head(self, features: int, latents: Sequence[Space]) -> nn.Module:
        timed = [isinstance(s, variables.Sequence) for s in latents]
        if features or sorted(timed) != [False, True]:
            return super().head(features, latents)
        local, whole = latents[timed.index(True)], latents[timed.index(False)]
        frame = local.event_shape[1]
        return Cosine(whole.size, frame, self.channels, self.scale, timed.index(True))


class Cosine(nn.Module):
    """T(z,s) = c cos(e(s), z), e(s) the mean over time of three convolutions (kernel 4, stride 2).

    BatchNorm and ReLU stand between them; BatchNorm counts the steps that exist, so that rows of
    different lengths get what they would get alone.
    """

    def __init__(self, whole: int, frame: int, channels: int, scale: float, local: int) -> None:
        super().__init__()
        sizes = [(frame, channels), (channels, channels), (channels, whole)]
        self.convolve = nn.ModuleList(nn.Conv1d(i, o, 4, 2, 1) for i, o in sizes)
        self.norms = nn.ModuleList(nn.BatchNorm1d(channels) for _ in sizes[1:])
        self.scale, self.local = nn.Parameter(torch.tensor(float(scale))), local

    def embed(self, s: Float[Tensor, "N t d"]) -> Float[Tensor, "N dz"]:
        """e(s) of sequences."""
        h, there = filled(s).transpose(1, 2), present(s)[..., 0]
        for k, convolve in enumerate(self.convolve):
            if h.shape[2] < 2:
                h, there = nn.functional.pad(h, (0, 1)), nn.functional.pad(there, (0, 1))
            h, there = convolve(h), torch.cat([there[:, :1], there[:, 3::2]], 1)
            if k < len(self.norms):
                h = torch.relu(_normed(self.norms[k], h, there))
            h = h * there[:, None]
        return h.sum(2) / there.sum(1, keepdim=True)

    def forward(self, features: Tensor | None, *latents: Rows) -> Ratios:
        z, s = latents[1 - self.local], latents[self.local]
        return self.scale * nn.functional.cosine_similarity(self.embed(s), z, dim=-1)


def _normed(norm: nn.Module, h: Tensor, there: Tensor) -> Tensor:
    """BatchNorm over the steps that exist, of `(N, C, t)`."""
    if bool(there.all()):
        return norm(h)
    out = torch.zeros_like(h).transpose(1, 2)
    out[there] = norm(h.transpose(1, 2)[there])
    return out.transpose(1, 2)
