"""Walks through the latents of a model of pictures: new styles, and z by coordinate."""

from __future__ import annotations

from wyner.errors import TaskError
from wyner.report import layouts
from wyner.report.looks import Look
from wyner.report.panel import draw
from wyner.report.subject import Part, Picture, Subject, attempt, numpy
from wyner.tasks import traverse

REFERENCES, DRAWS, DIMS, STEPS, SPAN = 6, 5, 6, 7, 3.0
"""Pairs whose style is kept, draws of the common latent, coordinates, and steps of a walk up to so
many deviations."""


def walks(about: Subject, look: Look) -> list[Part]:
    """Both figures, or a sentence for one that the model cannot give."""
    return [
        attempt("New pairs in given styles", lambda: _generated(about, look)),
        attempt("Along the common latent", lambda: _traversed(about, look)),
    ]


def _generated(about: Subject, look: Look) -> Picture:
    grid = layouts.generated({"": about.model}, look, about.rows(about.typical(REFERENCES)), DRAWS)
    caption = (
        f"Top: {about.part} pairs whose local latents are kept. Each row below: one draw of the"
        " common latent, in the style of the pair on top of the column (the decoders' means). A"
        f" row should keep its content, a column its manner.{look.note}"
    )
    return Picture("joint-style", "New pairs in given styles", caption, draw(grid), plot=False)


def _traversed(about: Subject, look: Look) -> Picture:
    model = about.model
    if not model.common:
        raise TaskError(f"{model.title} has no latent that is common to all modalities")
    along, row = model.common[0], about.typical(1)
    dims = traverse(model, about.arrays, along=along, steps=2).dims[:DIMS]
    found = traverse(model, about.rows(row), along=along, dims=dims, steps=STEPS, span=SPAN)
    outputs = {k: numpy(v)[:, :, 0] for k, v in found.outputs.items() if k in look.names}
    grid = layouts.traversed(
        look, outputs, [f"{along}[{d}]" for d in dims], [f"{a:.2g}" for a in found.at]
    )
    caption = (
        f"Each row moves one coordinate of {along}, the most used first, and holds everything else"
        f" at {about.part} row {row[0]}. On top: standard deviations of the prior; of a categorical"
        f" latent, its values. What changes is what the coordinate codes.{look.note}"
    )
    return Picture("traversal", "Along the common latent", caption, draw(grid), plot=False)
