"""Attribute addition: pictures, and the same with single attributes turned on, for all models side
by side.

The layout of the faces in the Wyner VAE paper. Where its text says no more than that an attribute
is added, the walk is our choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from wyner.errors import TaskError
from wyner.report.layouts import Models, Rows, answers, restyled, side_by_side
from wyner.report.looks import Look
from wyner.report.panel import Grid
from wyner.report.subject import numpy

if TYPE_CHECKING:
    from wyner.models.base import Model


def described(
    models: Models,
    look: Look,
    values: Rows,
    bits: str,
    picture: str,
    turned: Mapping[str, int],
    strength: float = 1.0,
    title: str = "",
) -> Grid:
    """Attributes turned on, one at a time, from the attributes that a model infers from each
    picture.

        y' = y_th( z + s (m(x') - m(x)), v ),    z, v means of q(z|y), q(v|z,y);  m(x) the mean of
                                                 q(z|x);  x' = x with one bit on

    A model without q(z|y) starts from the true attributes, and draws y_th with the content of x' in
    the style of the picture.

    Args:
        models, look, title: as in `conditional`.
        values: complete rows.
        bits, picture: modalities.
        turned: coordinate of each attribute, by name.
        strength: s.
    """

    def ask(model: Model) -> list[np.ndarray]:
        made = []
        for at in (None, *turned.values()):
            try:
                answer = _moved(model, values, bits, picture, at, strength)
            except TaskError:
                answer = restyled(
                    model, {**values, bits: _with(values[bits], at)}, values, bits, picture
                )
            made.append(look.alone(picture, answer))
        return made

    blocks = answers(models, ask)
    names = ["as it is", *(name.replace("_", " ").lower() for name in turned)]
    cells = [[c] for c in look.alone(picture, values[picture])]
    return side_by_side(cells, [(0, 0, "given")], blocks, title, names)


def _with(bits: np.ndarray, at: int | None) -> np.ndarray:
    """The same attributes, one of them on."""
    made = bits.copy()
    if at is not None:
        made[:, at] = 1.0
    return made


def _moved(
    model: Model, values: Rows, bits: str, picture: str, at: int | None, strength: float
) -> np.ndarray:
    """Pictures `(N, C, H, W)` at the latents of the given ones, moved by what an attribute changes
    in the common ones.

    Raises:
        TaskError: the model cannot infer its common latents from one side, or attributes from the
            picture.
    """
    ask: Callable[..., Any] = model.encode
    translate: Callable[..., Any] = model.translate
    known = {picture: torch.from_numpy(values[picture])}
    start = np.round(numpy(translate(**known, to=bits, n=1, means=True))[0])
    latents = {k: d.mean for k, d in ask(**known).items()}
    before, after = (ask(**{bits: torch.from_numpy(b)}) for b in (start, _with(start, at)))
    if not model.common:
        raise TaskError(f"{model.title} has no common latent")
    for name in model.common:
        latents[name] = latents[name] + strength * (after[name].mean - before[name].mean)
    return numpy(model.decode(latents, to=picture)[picture])
