"""Sheets of pictures in the layouts of the papers, for one model or for several side by side, all
given the same pictures.

conditional    given picture at the left, then draws of the other one
               z ~ q(z|x), v ~ p(v)
styled         content at the left, style on top, every cell content of its row in the style of its
               column   z ~ q(z|x), v of (y0)
reconstructed  pairs, then pairs with the same common latent and new local ones
               z ~ q(z|x,y), u, v new
generated      style on top, a draw of the common latent in each row
               z ~ p(z), u, v of the pair
traversed      a walk through latents, coordinate by coordinate or from row to row
               wyner.tasks.walks

Models that lack a law for a layout are left out of it; a `TaskError` says why if none is left.
Specification of the Wyner VAE, section 8.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from wyner.errors import TaskError
from wyner.report.looks import Look
from wyner.report.panel import Cell, Grid
from wyner.report.subject import SEED, first_answer, numpy
from wyner.tasks.inputs import asking

if TYPE_CHECKING:
    from wyner.models.base import Model

Models = Mapping[str, "Model"]
Rows = Mapping[str, np.ndarray]
Column = Sequence[Cell | None]


def conditional(
    models: Models,
    look: Look,
    values: Rows,
    source: str,
    target: str,
    draws: int = 4,
    title: str = "",
    sides: Sequence[str] = (),
) -> Grid:
    """Given pictures, what truly belongs to them, and draws of each model.

    Args:
        models: by label.
        look: how pictures are shown.
        values: complete rows, `{modality: (N, *event)}`; only `source` is given to the models.
        source, target: modalities.
        draws: columns a model.
        title: of the sheet.
        sides: a text beside each row.
    """
    first = [look.pair(dict(values)), look.alone(source, values[source])]
    heads = [(0, 0, "true"), (1, 1, "given")]
    if not look.whole:
        first = [look.alone(source, values[source]), look.alone(target, values[target])]
        heads = [(0, 0, "given"), (1, 1, "true")]
    shown = lambda drawn: look.answer(source, values[source], target, numpy(drawn))
    ask = lambda m: [shown(d) for d in _draws(m, values, source, target, draws)]
    blocks = answers(models, ask)
    return side_by_side(list(zip(*first, strict=True)), heads, blocks, title, sides=sides)


def _draws(model: Model, values: Rows, source: str, target: str, n: int) -> np.ndarray:
    translate: Callable[..., Any] = model.translate
    return numpy(translate(**{source: values[source]}, to=target, n=n, seed=SEED))


def styled(
    models: Models,
    look: Look,
    contents: Rows,
    styles: Rows,
    source: str,
    target: str,
    title: str = "",
    sides: Sequence[str] = (),
) -> Grid:
    """Every content in every style: references on both margins.

    Args:
        models, look, title, sides: as in `conditional`.
        contents, styles: complete rows, n and m of them; models see of the first `source`, of the
            second as little as they can.
        source, target: modality of the content, and of the style and output.
    """
    n, m = (len(next(iter(rows.values()))) for rows in (contents, styles))
    wide = {k: v.repeat(m, 0) for k, v in contents.items()}
    likes = {k: np.tile(v, (n, *[1] * (v.ndim - 1))) for k, v in styles.items()}

    def ask(model: Model) -> list[np.ndarray]:
        drawn = restyled(model, wide, likes, source, target)
        made = look.answer(source, wide[source], target, drawn)
        return list(np.moveaxis(made.reshape(n, m, *made.shape[1:]), 1, 0))

    top, margin = look.alone(target, styles[target]), list(look.alone(source, contents[source]))
    blocks = answers(models, ask)
    return _below(margin, f"{source} ↓", top, blocks, f"style: {target}", title, sides)


def restyled(model: Model, contents: Rows, styles: Rows, source: str, target: str) -> np.ndarray:
    """Content of the rows of `source`, style of rows of the target; of whole pairs where the model
    cannot read it off the target alone.

    Raises:
        TaskError: the model cannot keep a style.
    """
    restyle: Callable[..., Any] = model.restyle
    given, rest = {source: contents[source]}, {k: v for k, v in contents.items() if k != target}
    return numpy(
        first_answer(
            lambda: restyle(**given, like={target: styles[target]}, to=target, seed=SEED),
            lambda: restyle(**given, like=dict(styles), to=target, seed=SEED),
            lambda: restyle(**rest, like=dict(styles), to=target, seed=SEED),
        )
    )


def reconstructed(
    models: Models, look: Look, values: Rows, draws: int = 3, title: str = ""
) -> Grid:
    """Pairs, then pairs with the same common latent and local latents from their priors, anew in
    each column.

    Args:
        models, look, title: as in `conditional`.
        values: complete rows.
        draws: pairs a model.
    """
    names = look.names

    def ask(model: Model) -> list[np.ndarray]:
        reconstruct: Callable[..., Any] = model.reconstruct
        made = [reconstruct(**values, seed=SEED + k) for k in range(draws)]
        return [look.pair({k: numpy(one[k]) for k in names}, names) for one in made]

    pairs = look.pair(dict(values))
    return side_by_side([[c] for c in pairs], [(0, 0, "given pair")], answers(models, ask), title)


def generated(models: Models, look: Look, styles: Rows, draws: int = 4, title: str = "") -> Grid:
    """New pairs in the style of given ones: a draw of the common latents in each row, local latents
    of the pair on top.

    Args:
        models, look, title: as in `conditional`.
        styles: complete rows.
        draws: rows.
    """
    m = len(next(iter(styles.values())))
    names = look.names

    def ask(model: Model) -> list[np.ndarray]:
        encode: Callable[..., Any] = model.encode
        own = [k for k in model.latent if k not in model.common]
        local = {k: d.mean for k, d in encode(**styles).items() if k in own}
        if not local or not model.common:
            raise TaskError(f"{model.title} has no style to keep")
        common = _from_priors(model, draws)
        latents = {k: v.repeat_interleave(m, 0) for k, v in common.items()}
        latents |= {k: v.repeat(draws, *[1] * (v.ndim - 1)) for k, v in local.items()}
        made = model.decode(latents)
        cells = look.pair({k: numpy(made[k]) for k in names}, names)
        return list(np.moveaxis(cells.reshape(draws, m, *cells.shape[1:]), 1, 0))

    blocks = answers(models, ask)
    sides = [f"draw {k + 1}" for k in range(draws)]
    return _below(
        [None] * draws, "", look.pair(dict(styles)), blocks, "style of this pair", title, sides
    )


def _from_priors(model: Model, n: int) -> dict[str, torch.Tensor]:
    """Draws of the common latents, `(n, *event)`.

    Raises:
        TaskError: one of them has no prior.
    """
    for name in model.common:
        if f"p({name})" not in model.factors:
            raise TaskError(f"{model.title} has no prior of {name}")
    with asking(model, SEED):
        return {k: model.factors[f"p({k})"]().sample(n) for k in model.common}


def traversed(
    look: Look, outputs: Rows, sides: Sequence[str], heads: Sequence[str], title: str = ""
) -> Grid:
    """A walk through latents: a row of pictures for each coordinate or path, a column for each
    step.

    Args:
        look: how pictures are shown.
        outputs: `{modality: (R, S, *event)}`; both modalities, or one.
        sides, heads: texts of the R rows and S columns.
        title: of the sheet.
    """
    count, steps = next(iter(outputs.values())).shape[:2]
    flat = {k: numpy(v).reshape(count * steps, *v.shape[2:]) for k, v in outputs.items()}
    if len(flat) > 1:
        cells = look.pair(flat, tuple(flat))
    else:
        ((name, drawn),) = flat.items()
        cells = look.cells(name, drawn, True)
    rows = [list(cells[i * steps : (i + 1) * steps]) for i in range(count)]
    return Grid(rows, [(k, k, h) for k, h in enumerate(heads)], sides, title=title)


def answers(
    models: Models, ask: Callable[[Model], list[np.ndarray]]
) -> dict[str, list[np.ndarray]]:
    """Columns of cells by label, of the models that have an answer.

    Raises:
        TaskError: why the first has none, if none has one.
    """
    found, refused = {}, TaskError("there is no model to ask")
    for label, model in reversed(list(models.items())):
        try:
            found[label] = ask(model)
        except TaskError as e:
            refused = e
    if not found:
        raise refused
    return {label: found[label] for label in models if label in found}


def side_by_side(
    first: Sequence[Column],
    heads: Sequence[tuple[int, int, str]],
    blocks: Mapping[str, Sequence[np.ndarray]],
    title: str,
    names: Sequence[str] = (),
    sides: Sequence[str] = (),
) -> Grid:
    """Columns that all models share, then a block for each; `names` of a block's columns."""
    rows, heads, after = [list(r) for r in first], list(heads), [len(first[0]) - 1]
    groups = []
    for label, columns in blocks.items():
        at = len(rows[0])
        span = (at, at + len(columns) - 1, label)
        if names:
            groups.append(span)
            heads += [(at + k, at + k, name) for k, name in enumerate(names)]
        else:
            heads.append(span)
        for i, row in enumerate(rows):
            row += [c[i] for c in columns]
        after.append(len(rows[0]) - 1)
    return Grid(rows, heads, sides, after[:-1], title=title, groups=groups)


def _below(
    margin: Sequence[Cell | None],
    corner: str,
    top: np.ndarray,
    blocks: Mapping[str, Sequence[np.ndarray]],
    what: str,
    title: str,
    texts: Sequence[str] = (),
) -> Grid:
    """References of one kind at the left, of the other on top of the block of each model."""
    bare = all(c is None for c in margin)
    rows: list[list[Cell | None]] = [[] if bare else [c] for c in (None, *margin)]
    heads, groups = [] if bare else [(0, 0, corner)], []
    after = [] if bare else [0]
    for label, columns in blocks.items():
        at = len(rows[0])
        heads.append((at, at + len(columns) - 1, what))
        groups += [(at, at + len(columns) - 1, label)] * bool(label)
        rows[0] += list(top)
        for i, row in enumerate(rows[1:]):
            row += [c[i] for c in columns]
        after.append(len(rows[0]) - 1)
    sides = ["", *texts] if texts else []
    return Grid(rows, heads, sides, after[:-1], (0,), title, groups)
