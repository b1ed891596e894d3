"""Writes the report of a run: pictures first, then the page that holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wyner.files import write_bytes

if TYPE_CHECKING:
    from wyner.data.dataset import Dataset
    from wyner.evaluation import Number
    from wyner.models.base import Model
    from wyner.report.subject import Part

REPORT, PICTURES = "report.html", "pictures"
"""Names inside the folder of a run."""


def write_report(
    folder: str | Path,
    model: Model,
    dataset: Dataset,
    history: Sequence[Mapping[str, Any]],
    numbers: Sequence[Number],
    about: Mapping[str, Any] | None = None,
) -> Path:
    """One self-contained page about a trained model, and its pictures as files beside it.

    The page loads nothing: style and pictures are inside. What the model has no law for is replaced
    by a sentence that says so. Equal models and data give equal pictures.

    Args:
        folder: of the run; `report.html` and `pictures/*.png` are written into it, each of them
            whole or not at all.
        model: trained.
        dataset: its test rows are shown; `kind` says how.
        history: logged rows of the training.
        numbers: from `wyner.evaluation.evaluate`.
        about: `command`, `seed`, `seconds`, `epochs`, `parameters`, `versions`, `fit`, and anything
            else worth knowing; all optional.

    Returns:
        The path of the page.

    Raises:
        RunError: the folder cannot be written to.
    """
    from wyner.report.curves import curves
    from wyner.report.page import page
    from wyner.report.subject import Picture

    folder = Path(folder)
    pictures, latents = _drawn(model, dataset)
    training = curves(history)
    for part in (*pictures, *latents, *training):
        if isinstance(part, Picture):
            write_bytes(folder / PICTURES / f"{part.name}.png", part.png)
    text = page(model, dataset, numbers, about or {}, pictures, latents, training)
    write_bytes(folder / REPORT, text.encode())
    return folder / REPORT


def _drawn(model: Model, dataset: Dataset) -> tuple[list[Part], list[Part]]:
    """What the model draws, and what its latents hold."""
    from wyner.report.latents import latents
    from wyner.report.looks import look
    from wyner.report.pictures import pictures
    from wyner.report.subject import SEED, Refusal, subject
    from wyner.report.vectors import vectors
    from wyner.report.walks import walks
    from wyner.tasks.inputs import asking

    about = subject(model, dataset)
    if about.count < 2:
        none: list[Part] = [
            Refusal(
                "Pictures",
                f"{dataset.name} has fewer than two complete rows that this model can take.",
            )
        ]
        return none, none
    found = look(about)
    with asking(model, SEED):
        drawn = vectors(about) if found is None else [*pictures(about, found), *walks(about, found)]
        return drawn, latents(about)
