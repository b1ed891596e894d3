"""Networks of sequence models: frame encoders and decoders, LSTMs that know where a sequence ends.

Sequences are `(N, t, d)` with t up to T; steps that do not exist are NaN at the end of a row and
stay NaN in what is returned. Sizes: DSAE (Li and Mandt 2018) gives none for speech; specification
of sequence models, 2.2, "our choice".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from wyner import variables
from wyner.codec import stored
from wyner.errors import OptionError, ShapeError
from wyner.math import filled, padded, present
from wyner.networks.builders import Builder, Shapes
from wyner.networks.layers import connected, xavier
from wyner.networks.mlp import MLP
from wyner.variables import Shape, Space, as_tuples

Steps = Float[Tensor, "N t _"]


@stored("sequences")
@dataclass(frozen=True)
class Sequences(Builder):
    """Networks for a global latent vector and local latent sequences (DSAE).

        q(z|x)      frame encoder, bidirectional LSTM, its last states -> linear
        q(s|x,z)    [frame, z] -> bidirectional LSTM -> recurrent network -> linear in every step
        q(s|x)      one hidden layer over every encoded frame (also q(s|x,z) if `full` is False)
        p(x|s,z)    fully connected on [s_t, z], step by step

    The frame encoder is shared by all encoders.

    Args:
        frame: widths of the frame encoder; none reads frames as they are.
        lstm: units of a bidirectional LSTM in each direction.
        rnn: units of the recurrent network behind it.
        decoder: widths of the decoder.
        full: whether q(s_t|...) sees all frames; else its own, through one layer of `rnn` units.
        linear: no activations and no memory, so that every factor is affine in its parents.
    """

    frame: tuple[int, ...] = (256, 256)
    lstm: int = 256
    rnn: int = 256
    decoder: tuple[int, ...] = (256, 256)
    full: bool = True
    linear: bool = False

    def __post_init__(self) -> None:
        as_tuples(self, "frame", "decoder")
        if min(self.lstm, self.rnn, *self.frame, *self.decoder) < 1:
            raise OptionError("Sequences: expected positive sizes")

    def features(self, space: Space) -> Any:
        """The frame encoder of an observed sequence."""
        if self.linear or not self.frame or not isinstance(space, variables.Sequence):
            return None
        return Frames(space.steps, space.frame, self.frame)

    def factor(self, of: Space, parents: Shapes, output: Shape, observed: bool) -> nn.Module:
        timed = [len(p) == 2 for p in parents]
        if not any(timed) and not isinstance(of, variables.Sequence):
            return MLP(parents, output, () if self.linear else self.decoder)
        if self.linear:
            return MLP(parents, output)
        if not isinstance(of, variables.Sequence):
            if timed != [True]:
                raise ShapeError(
                    "Sequences: a vector can be inferred from one sequence; write networks of your"
                    " own (modules=)"
                )
            return LastStates(parents[0][1], output, self.lstm)
        if not any(timed):
            raise ShapeError(
                f"Sequences: {of!r} needs a sequence among its parents; write a network of your own"
                " (modules=)"
            )
        step = Step(tuple(timed), tuple(p[-1] for p in parents), of.frame, output[0] // of.steps)
        if observed:
            return Framewise(step, self.decoder)
        if self.full and len(parents) > 1:
            return Contextual(step, self.lstm, self.rnn)
        return Framewise(step, (self.rnn,))


@dataclass(frozen=True)
class Step:
    """What a network reads and returns at one step.

    Args:
        timed: which parents are sequences; the others are repeated at every step.
        sizes: coordinates of each parent.
        frame, made: coordinates of a step, and parameters for each.
    """

    timed: tuple[bool, ...]
    sizes: tuple[int, ...]
    frame: int
    made: int

    def last(self, width: int) -> nn.Linear:
        """The layer of the parameters."""
        return _last(width, self.made * self.frame, self.made)


class Frames(nn.Module):
    """Encodes every frame by itself: `(N, t, d)` to `(N, t, width)`."""

    def __init__(self, steps: int, frame: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.output = (steps, widths[-1])
        self.body = connected([frame, *widths], _relu)

    def forward(self, x: Steps) -> Steps:
        return padded(self.body(filled(x)), present(x))


class LastStates(nn.Module):
    """States of a bidirectional LSTM at the last frame that exists and the first, linear layer."""

    def __init__(self, frame: int, output: Shape, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(frame, width, batch_first=True, bidirectional=True)
        self.last = _last(2 * width, output[0], 2)

    def forward(self, x: Tensor) -> Tensor:
        _, (h, _) = _recur(self.lstm, filled(x), present(x))
        return self.last(torch.cat([h[0], h[1]], -1))


class Contextual(nn.Module):
    """Parameters of every step from all frames: bidirectional LSTM, recurrent network, linear."""

    def __init__(self, step: Step, lstm: int, rnn: int) -> None:
        super().__init__()
        self.timed, self.made = step.timed, step.made
        self.lstm = nn.LSTM(sum(step.sizes), lstm, batch_first=True, bidirectional=True)
        self.rnn = nn.RNN(2 * lstm, rnn, batch_first=True)
        self.last = step.last(rnn)

    def forward(self, *parents: Tensor) -> Tensor:
        x, there = _beside(self.timed, parents)
        h, _ = _recur(self.lstm, x, there)
        # the RNN runs forward: what stands behind the end is not seen
        return _stacked(self.last(self.rnn(h)[0]), self.made, there)


class Framewise(nn.Module):
    """Parameters of every step from the parents at that step: linear layers with ReLU between."""

    def __init__(self, step: Step, hidden: Sequence[int]) -> None:
        super().__init__()
        self.timed, self.made, self.sizes = step.timed, step.made, list(step.sizes)
        self.first = xavier(nn.Linear(sum(step.sizes), hidden[0]))
        self.body = connected(hidden, _relu)
        self.last = step.last(hidden[-1])

    def forward(self, *parents: Tensor) -> Tensor:
        # a parent without steps goes through the first layer once, not at every step
        h: Tensor = self.first.bias
        weights = self.first.weight.split(self.sizes, 1)
        for p, timed, w in zip(parents, self.timed, weights, strict=True):
            h = h + nn.functional.linear(filled(p) if timed else p[:, None], w)
        own = [present(p) for p, timed in zip(parents, self.timed, strict=True) if timed]
        there = reduce(torch.logical_and, own)
        return _stacked(self.last(self.body(torch.relu(h))), self.made, there)


def _beside(timed: Sequence[bool], parents: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Parents side by side at every step, `(N, t, sum of sizes)`, and which steps there are."""
    pairs = list(zip(parents, timed, strict=True))
    first = next(p for p, t in pairs if t)
    spread = lambda p: p[:, None].expand(-1, first.shape[1], -1)
    return torch.cat([filled(p) if t else spread(p) for p, t in pairs], -1), present(first)


def _recur(network: nn.LSTM, x: Tensor, there: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """A bidirectional LSTM that starts backwards at the last step that exists, zeros behind it."""
    if bool(there.all()):
        return network(x)
    lengths = there[..., 0].sum(1).cpu()
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    packed, states = network(packed)
    return pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])[0], states


def _stacked(raw: Tensor, made: int, there: Tensor) -> Tensor:
    """Parameters `(N, t, m d)` as heads read them: `(N, m t, d)`, NaN where there is no step."""
    raw = padded(raw, there)
    return raw if made == 1 else torch.cat(raw.chunk(made, -1), 1)


def _relu() -> nn.Module:
    return nn.ReLU(inplace=True)


def _last(width: int, size: int, made: int) -> nn.Linear:
    """The layer of the parameters; log scales start at 0 whatever the parents are."""
    layer = xavier(nn.Linear(width, size))
    if made == 2:
        nn.init.zeros_(layer.weight[size // 2 :].data)
    return layer
