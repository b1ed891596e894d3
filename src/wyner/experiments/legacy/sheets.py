"""Sheets of samples in the papers' layouts, all models of a table side by side and given the same
test rows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wyner.canvas import png, vector
from wyner.data import Dataset
from wyner.errors import OptionError, TaskError, unknown
from wyner.experiments.legacy.plan import Row
from wyner.experiments.legacy.rows import Member
from wyner.files import write_bytes
from wyner.report import layouts
from wyner.report.addition import described
from wyner.report.looks import Described, Look, look
from wyner.report.panel import Grid, sheet
from wyner.report.subject import Subject, subject

if TYPE_CHECKING:
    from wyner.models import Model

GIVEN, STYLES, DRAWS, SIZE = 6, 4, 4, 96
"""Given rows, references of style, draws of a model, and pixels of a cell."""

STRENGTH = 4.0
"""How far attributes are turned on; 1 is the model's own change of the posterior mean, which is
small where attributes say little."""


def sheets(
    rows: Sequence[Row],
    members: Mapping[str, Sequence[Member]],
    dataset: Dataset,
    turned: Sequence[str] = (),
) -> Iterator[tuple[str, Grid]]:
    """Every layout that some of the models have laws for, by the name of its file.

    Args:
        rows: of the table, in order.
        members: trained models; the first seed of each row is shown.
        dataset: of pictures, or of attributes and pictures; otherwise there is nothing to show.
        turned: attributes that are turned on, by name.
    """
    models = {r.label: members[r.slug][0].model() for r in rows}
    about = subject(next(iter(models.values())), dataset)
    found = look(about)
    if found is None:
        return
    a, b = found.names
    index = about.typical(GIVEN + STYLES)
    given, styles = about.rows(index[:GIVEN]), about.rows(index[GIVEN:])
    sides = _described(about, found, given, turned)
    title = lambda layout, source, target: _title(layout, dataset, found, source, target)
    every: dict[str, Callable[[], Grid]] = {
        f"{a}-to-{b}": lambda: layouts.conditional(
            models, found, given, a, b, DRAWS, title("conditional", a, b), sides
        ),
        f"{b}-to-{a}": lambda: layouts.conditional(
            models, found, given, b, a, DRAWS, title("conditional", b, a)
        ),
        f"style-of-{b}": lambda: layouts.styled(
            models, found, given, styles, a, b, title("styled", a, b), sides
        ),
        f"style-of-{a}": lambda: layouts.styled(
            models, found, given, styles, b, a, title("styled", b, a)
        ),
        "reconstructions": lambda: layouts.reconstructed(
            models, found, given, 2, title("reconstructed", a, b)
        ),
        "joint-style": lambda: layouts.generated(
            models, found, styles, 4, title("generated", a, b)
        ),
        "turned": lambda: _turned(models, found, about, given, turned),
    }
    for name, make in every.items():
        with contextlib.suppress(TaskError):  # no model has laws for it
            yield name, make()


TITLES = {
    "conditional": (
        "{name}, conditional generation from {source} to {target}: {n} draws of each model (decoder"
        " means)."
    ),
    "styled": (
        "{name}, conditional generation with style control: content from {source} at the left,"
        " style from {target} on top."
    ),
    "reconstructed": (
        "{name}, joint stochastic reconstruction: the common latent of the given pair, local"
        " latents drawn anew."
    ),
    "generated": (
        "{name}, joint generation with style control: a draw of the common latent in each row, the"
        " style of the pair on top."
    ),
    "turned": (
        "{name}, attribute addition: the latents of the given picture, moved by what one more"
        " attribute changes in them (times {strength:g})."
    ),
}


def _title(layout: str, dataset: Dataset, found: Look, source: str, target: str) -> str:
    text = TITLES[layout].format(
        name=dataset.name, source=found.noun(source), target=found.noun(target), n=DRAWS
    )
    return f"{text}{found.note}"


def _turned(
    models: Mapping[str, Model],
    found: Look,
    about: Subject,
    given: Mapping[str, np.ndarray],
    turned: Sequence[str],
) -> Grid:
    """Attribute addition, where there are attributes."""
    if not turned or not isinstance(found, Described):
        raise TaskError("there are no attributes to turn on")
    bits, picture = sorted(found.names, key=lambda k: found.sample[k].ndim)
    known = list(about.dataset.names.get(bits, ()))
    for name in turned:
        if name not in known:
            raise OptionError(unknown("attribute", name, known))
    chosen = {name: known.index(name) for name in turned}
    title = TITLES["turned"].format(name=about.dataset.name, strength=STRENGTH)
    return described(models, found, given, bits, picture, chosen, STRENGTH, title)


def _described(
    about: Subject, found: Look, given: Mapping[str, np.ndarray], turned: Sequence[str]
) -> list[str]:
    """Beside each row, which of some attributes it has; nothing where there are none."""
    first = found.names[0]
    known = list(about.dataset.names.get(first, ()))
    chosen = [(name, known.index(name)) for name in turned if name in known]
    has = [
        [name.replace("_", " ").lower() for name, k in chosen if row[k] > 0.5]
        for row in given[first]
    ]
    return ["\n".join(names) or "-" for names in has] if chosen else []


def save(grid: Grid, stem: Path) -> list[Path]:
    """Writes a sheet as PNG, PDF and SVG; texts stay texts in the last two."""
    made = sheet(grid, SIZE, "white")
    files = {".png": png(made), ".pdf": vector(made, "pdf"), ".svg": vector(made, "svg")}
    for ending, content in files.items():
        write_bytes(stem.with_name(stem.name + ending), content)
    return [stem.with_name(stem.name + ending) for ending in files]
