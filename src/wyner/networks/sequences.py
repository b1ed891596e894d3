"""Networks of sequence models: a frame encoder, LSTMs that know where a sequence ends, decoders of
single frames.

Sequences are `(N, t, d)` with t up to T; steps that do not exist are NaN at the end of a row and
stay NaN in what is returned. Sizes: DSAE (Li and Mandt 2018) gives none for speech; specification
of sequence models, 2.2, "our choice".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from wyner import variables
from wyner.errors import OptionError, ShapeError
from wyner.math import filled, padded, present
from wyner.networks.builders import Builder
from wyner.networks.mlp import MLP
from wyner.networks.start import xavier
from wyner.variables import Space


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
        full: whether q(s_t|...) sees all frames; else its own frame only, through one layer of
            `rnn` units.
        linear: no activations and no memory, so that every factor is affine in its parents: for
            exact comparisons.
    """

    frame: tuple[int, ...] = (256, 256)
    lstm: int = 256
    rnn: int = 256
    decoder: tuple[int, ...] = (256, 256)
    full: bool = True
    linear: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "frame", tuple(self.frame))
        object.__setattr__(self, "decoder", tuple(self.decoder))
        if min(self.lstm, self.rnn, *self.frame, *self.decoder) < 1:
            raise OptionError("Sequences: expected positive sizes")

    def features(self, space: Space) -> nn.Module | None:
        """The frame encoder of an observed sequence."""
        if self.linear or not self.frame or not isinstance(space, variables.Sequence):
            return None
        return Frames(space.steps, space.frame, self.frame)

    def factor(
        self, of: Space, parents: Sequence[tuple[int, ...]], output: tuple[int, ...], observed: bool
    ) -> nn.Module:
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
        made = output[0] // of.steps
        if not any(timed):
            raise ShapeError(
                f"Sequences: {of!r} needs a sequence among its parents; write a network of your own"
                " (modules=)"
            )
        sizes = [p[-1] for p in parents]
        if observed:
            return Framewise(timed, sizes, of.frame, made, self.decoder)
        if self.full and len(parents) > 1:
            return Contextual(timed, sizes, of.frame, made, self.lstm, self.rnn)
        return Framewise(timed, sizes, of.frame, made, (self.rnn,))


class Frames(nn.Module):
    """Encodes every frame by itself: `(N, t, d)` to `(N, t, width)`."""

    any_leading = False

    def __init__(self, steps: int, frame: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.output = (steps, widths[-1])
        self.body = _dense([frame, *widths], last=True)

    def forward(self, x: Tensor) -> Tensor:
        return padded(self.body(filled(x)), present(x))


class LastStates(nn.Module):
    """Last states of a bidirectional LSTM, those of the last frame that exists and of the first,
    then a linear layer.
    """

    any_leading = False

    def __init__(self, frame: int, output: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(frame, width, batch_first=True, bidirectional=True)
        self.last = _last(2 * width, output[0], 2)

    def forward(self, x: Tensor) -> Tensor:
        _, (h, _) = _recur(self.lstm, filled(x), present(x))
        return self.last(torch.cat([h[0], h[1]], -1))


class Contextual(nn.Module):
    """Parameters of every step from all frames: bidirectional LSTM, recurrent network, linear
    layer.

    Args:
        timed: which parents are sequences; the others are repeated at every step.
        sizes: coordinates of each parent.
        frame, made: coordinates of a step, and parameters for each.
    """

    any_leading = False

    def __init__(
        self,
        timed: Sequence[bool],
        sizes: Sequence[int],
        frame: int,
        made: int,
        lstm: int,
        rnn: int,
    ) -> None:
        super().__init__()
        self.timed, self.made = tuple(timed), made
        self.lstm = nn.LSTM(sum(sizes), lstm, batch_first=True, bidirectional=True)
        self.rnn = nn.RNN(2 * lstm, rnn, batch_first=True)
        self.last = _last(rnn, made * frame, made)

    def forward(self, *parents: Tensor) -> Tensor:
        x, there = _beside(self.timed, parents)
        h, _ = _recur(self.lstm, x, there)
        return _stacked(
            self.last(self.rnn(h)[0]), self.made, there
        )  # the RNN runs forward: what stands behind the end is not seen


class Framewise(nn.Module):
    """Parameters of every step from the parents at that step: linear layers with ReLU between them."""

    any_leading = False

    def __init__(
        self,
        timed: Sequence[bool],
        sizes: Sequence[int],
        frame: int,
        made: int,
        hidden: Sequence[int],
    ) -> None:
        super().__init__()
        self.timed, self.made, self.sizes = tuple(timed), made, list(sizes)
        self.first = xavier(nn.Linear(sum(sizes), hidden[0]))
        self.body = _dense(list(hidden), last=True)
        self.last = _last(hidden[-1], made * frame, made)

    def forward(self, *parents: Tensor) -> Tensor:
        # a parent without steps goes through the first layer once, not at every step
        h: Tensor = self.first.bias
        there: Tensor | None = None
        for p, timed, w in zip(
            parents, self.timed, self.first.weight.split(self.sizes, 1), strict=True
        ):
            if timed:
                own = present(p)
                there = own if there is None else there & own
            h = h + nn.functional.linear(filled(p) if timed else p[:, None], w)
        assert there is not None
        return _stacked(self.last(self.body(torch.relu(h))), self.made, there)


def _beside(timed: Sequence[bool], parents: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Parents side by side at every step, `(N, t, sum of sizes)`, zeros where there is no step; and
    which steps there are.
    """
    first = next(p for p, t in zip(parents, timed, strict=True) if t)
    steps, there = first.shape[1], present(first)
    parts = [
        filled(p) if t else p[:, None].expand(-1, steps, -1)
        for p, t in zip(parents, timed, strict=True)
    ]
    return torch.cat(parts, -1), there


def _recur(network: nn.LSTM, x: Tensor, there: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """A bidirectional LSTM whose backward direction starts at the last step that exists; zeros
    stand behind it.
    """
    if bool(there.all()):
        return network(x)
    lengths = there[..., 0].sum(1).cpu()
    packed, states = network(
        pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    )
    return pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])[0], states


def _stacked(raw: Tensor, made: int, there: Tensor) -> Tensor:
    """`(N, t, m d)` as heads read it, `(N, m t, d)`: the parameters one after the other along the
    time, NaN where there is no step.
    """
    raw = padded(raw, there)
    return raw if made == 1 else torch.cat(raw.chunk(made, -1), 1)


def _dense(widths: Sequence[int], last: bool = False) -> nn.Sequential:
    """Linear layers with ReLU between them, and behind the last one if `last`; Xavier-uniform with
    zero bias.
    """
    layers: list[nn.Module] = []
    for i, o in zip(widths[:-1], widths[1:], strict=True):
        layers += [xavier(nn.Linear(i, o)), nn.ReLU(inplace=True)]
    return nn.Sequential(*(layers if last else layers[:-1]))


def _last(width: int, size: int, made: int) -> nn.Linear:
    """The layer of the parameters: zero bias, and log scales that start at 0 whatever the parents
    are.
    """
    layer = xavier(nn.Linear(width, size))
    if made == 2:
        nn.init.zeros_(layer.weight[size // 2 :].data)
    return layer
