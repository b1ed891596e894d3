"""Whole recordings through a model of short stretches: codes of a speaker, another's voice, other
words, other voices.

A recording `(t, d)` is cut into stretches of T frames, the last one filled up with NaN; blocks of
stretches keep memory bounded however long it is. z is what a stretch has as a whole (the voice), s
what changes from frame to frame (what is said).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from wyner.arrays import Array, like_input, to_tensor
from wyner.errors import TaskError
from wyner.families.distributions import draw_noise
from wyner.laws import System
from wyner.tasks.inputs import asking
from wyner.tasks.sampling import encode
from wyner.variables import Sequence

BLOCK = 512
"""Stretches that are encoded at a time."""


def code(model: System, recording: Array) -> dict[str, Any]:
    """Codes of one recording: the mean of q(z|x) over its stretches, `(dz,)`, and of q(s|x,z) over
    all frames, `(ds,)`.

    Metrics, section 4. Frames of the last stretch that do not exist count nothing.

    Args:
        model: with a global latent z and a local sequence s, such as DSAE.
        recording: `(t, d)`, normalised as the model's data.

    Raises:
        TaskError: a model without such latents. ShapeError, DataError: a recording that is no `(t,
            d)`.
    """
    with asking(model):
        like = next(model.parameters())
        z, s = (like.new_zeros(n) for n in _latents(model))
        frames, stretches = 0, 0
        for x in _stretches(model, recording):
            found = encode(model, {"x": x})
            steps = found["s"].mean
            there = ~torch.isnan(steps)
            z, s = z + found["z"].mean.sum(0), s + torch.where(there, steps, 0.0).sum((0, 1))
            frames, stretches = frames + int(there[..., 0].sum()), stretches + len(x)
    return {"z": like_input(z / stretches, recording), "s": like_input(s / frames, recording)}


def convert(model: System, content: Array, voice: Array) -> Array:
    """What one recording says in the voice of another: means of p(x|s,z) at s of `content` and z of
    `voice`, `(t, d)`.

    s is the mean of q(s|x,z) at each stretch's own z; z the mean of q(z|x) over all stretches of
    `voice`.

    Args:
        model: as for `code`.
        content: `(t, d)`.
        voice: `(u, d)`, or a code `(dz,)`.
    """
    given = to_tensor(voice, "voice")
    z = given if given.ndim == 1 else to_tensor(code(model, voice)["z"], "z")
    return _decoded(model, content, lambda n: z.expand(n, -1))


def any_voice(model: System, content: Array, seed: int = 0) -> Array:
    """A recording in a made-up voice `(t, d)`: s is kept, one z ~ p(z) for all of it."""
    size = _latents(model)[0]
    like = next(model.parameters())
    z = torch.randn(size, generator=torch.Generator().manual_seed(seed)).to(like)
    return _decoded(model, content, lambda n: z.expand(n, -1))


def any_words(model: System, voice: Array, steps: int | None = None, seed: int = 0) -> Array:
    """Something in the voice of a recording that the model makes up: z is kept, s ~ p(s) for each
    stretch anew; `(steps, d)`.

    Args:
        model, voice: as for `convert`.
        steps: frames; by default those of the recording.
        seed: of the draw.
    """
    own = to_tensor(voice, "voice")
    z = to_tensor(code(model, own)["z"], "z")
    longest, count = model.latent["s"].event_shape[0], steps or len(own)
    with asking(model, seed):
        prior = model.factors["p(s)"]()
        like, parts = next(model.parameters()), []
        for k in range(0, count, BLOCK * longest):
            n = min(BLOCK, -(-(count - k) // longest))
            s = prior.exact(draw_noise(prior.noise, (n, *prior.event), like)).expand(
                n, *prior.event
            )
            parts.append(_decoder(model)(s, z.to(like).expand(n, -1)).mean.flatten(0, 1))
    return like_input(torch.cat(parts)[:count], voice)


def _decoded(model: System, content: Array, voice: Any) -> Array:
    """Means of p(x|s,z) at s of a recording and z as `voice(number of stretches)` gives it."""
    with asking(model):
        like, parts = next(model.parameters()), []
        for x in _stretches(model, content):
            s = encode(model, {"x": x})["s"].mean
            parts.append(_decoder(model)(s, voice(len(x)).to(like)).mean.flatten(0, 1))
    found = torch.cat(parts)
    return like_input(found[~torch.isnan(found[:, 0])], content)


def _stretches(model: System, recording: Array) -> Iterator[Tensor]:
    """Blocks of stretches `(n, T, d)`, the last one filled up with NaN."""
    _latents(model)
    space, like = model.observed["x"], next(model.parameters())
    assert isinstance(space, Sequence)
    frames = to_tensor(recording, "recording")
    if frames.ndim != 2 or frames.shape[1] != space.frame or not len(frames):
        raise TaskError(f"recording: expected frames (t, {space.frame}), got {tuple(frames.shape)}")
    for k in range(0, len(frames), BLOCK * space.steps):
        part = frames[k : k + BLOCK * space.steps].to(like)
        short = -len(part) % space.steps
        filled = torch.nn.functional.pad(part, (0, 0, 0, short), value=torch.nan) if short else part
        yield filled.reshape(-1, space.steps, space.frame)


def _decoder(model: System) -> Any:
    return model.factors["p(x|s,z)"]


def _latents(model: System) -> tuple[int, int]:
    """Sizes of z and of a step of s."""
    has = isinstance(model.observed.get("x"), Sequence) and isinstance(
        model.latent.get("s"), Sequence
    )
    if not has or "z" not in model.latent or "p(x|s,z)" not in model.factors:
        raise TaskError(
            f"{model.title} has no global z beside a sequence s: it cannot change voices; DSAE can"
        )
    return model.latent["z"].size, model.latent["s"].event_shape[1]
