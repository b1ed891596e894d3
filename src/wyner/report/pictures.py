"""Pictures drawn by a model: translations, style control, joint draws, reconstructions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from wyner.errors import TaskError
from wyner.report.layouts import side_by_side, styled
from wyner.report.looks import Look
from wyner.report.panel import Grid, draw
from wyner.report.subject import (
    SEED,
    Part,
    Picture,
    Subject,
    attempt,
    first_answer,
    numpy,
    translated,
)

INPUTS, DRAWS, STYLES, PAIRS, COLUMNS = 10, 8, 8, 64, 10
"""Test pictures and draws of a translation, sides of the style table, joint draws, pictures of a
reconstruction."""


def pictures(about: Subject, look: Look) -> list[Part]:
    """Every panel that the model can give, and a sentence for each that it cannot."""
    a, b = look.names
    styles = (lambda: _styles(about, look, a, b), lambda: _styles(about, look, b, a))
    return [
        attempt(f"From {a} to {b}", lambda: _translations(about, look, a, b)),
        attempt(f"From {b} to {a}", lambda: _translations(about, look, b, a)),
        attempt("Style control", lambda: first_answer(*styles)),
        attempt("New pairs", lambda: _joint(about, look)),
        attempt("Reconstructions", lambda: _reconstructions(about, look)),
    ]


def _translations(about: Subject, look: Look, source: str, target: str) -> Picture:
    rows = about.typical(INPUTS)
    values = about.rows(rows)
    draws = translated(about, source, target, values, DRAWS)
    true, given = look.pair(values), look.alone(source, values[source])
    answers = [look.answer(source, values[source], target, d) for d in draws]
    first = [true, given] if look.whole else [given, look.alone(target, values[target])]
    names = ["true", "given"] if look.whole else ["given", "true"]
    heads, block = [(k, k, n) for k, n in enumerate(names)], f"{len(answers)} draws of {target}"
    grid = side_by_side(list(zip(*first, strict=True)), heads, {block: answers}, "")
    what = f"the given {source}, the {target} that truly belongs to it,"
    what = "the true picture, the given half," if look.whole else what
    caption = (
        f"Each row: {what} and {len(answers)} answers of the model for {look.noun(target)}, one for"
        " each draw of its latents (the decoder's mean, without pixel noise). Good draws differ"
        f" from each other and all fit what was given.{look.note}"
    )
    name = f"translate-{source}-to-{target}"
    return Picture(name, f"From {source} to {target}", caption, draw(grid), plot=False)


def _styles(about: Subject, look: Look, content: str, style: str) -> Picture:
    rows = about.typical(2 * STYLES)
    left, top = (rows[:STYLES], rows[STYLES:]) if len(rows) == 2 * STYLES else (rows, rows)
    grid = styled({"": about.model}, look, about.rows(left), about.rows(top), content, style)
    caption = (
        f"Every cell takes its content from the {look.noun(content)} at the left of its row and its"
        f" style from the {look.noun(style)} on top of its column. If common and local information"
        f" are well separated, a row keeps its content and a column its manner.{look.note}"
    )
    return Picture("style-control", "Style control", caption, draw(grid), plot=False)


def _joint(about: Subject, look: Look) -> Picture:
    a, b = look.names
    made = {k: numpy(v) for k, v in about.model.generate(PAIRS, seed=SEED).items()}
    cells = look.pair({k: made[k] for k in look.names}, look.names)
    rows = [list(cells[i : i + 8]) for i in range(0, len(cells), 8)]
    fit = f"{a} left, {b} right; the two of a pair should belong together."
    fit = "The halves of each should make one picture." if look.whole else fit
    caption = (
        f"{PAIRS} pairs drawn from the model with nothing given (the decoders' means)."
        f" {fit}{look.note}"
    )
    after = () if look.whole else tuple(range(7))
    return Picture("joint", "New pairs", caption, draw(Grid(rows, after_columns=after)), plot=False)


def _reconstructions(about: Subject, look: Look) -> Picture:
    columns = COLUMNS if look.whole else COLUMNS - 2
    values = about.rows(about.typical(columns))
    shown = {k: values[k] for k in look.names}

    def ask(keep: bool) -> np.ndarray:
        reconstruct: Callable[..., Mapping[str, object]] = about.model.reconstruct
        made = first_answer(
            lambda: reconstruct(**values, keep_style=keep, seed=SEED),
            lambda: reconstruct(**shown, keep_style=keep, seed=SEED),
        )
        return look.pair({k: numpy(made[k]) for k in look.names}, look.names)

    rows, sides, refused = [look.pair(shown)], ["true"], ""
    for keep, side in ((False, "common kept"), (True, "all kept")):
        try:
            rows.append(ask(keep))
            sides.append(side)
        except TaskError as e:
            refused = str(e)
    if len(rows) == 1:
        raise TaskError(refused)
    caption = f"Top: true {about.part} pairs."
    if "common kept" in sides:
        caption += (
            " “common kept”: the common latent is inferred, the local ones are drawn anew; content"
            " should stay and style change."
        )
    if "all kept" in sides:
        caption += " “all kept”: the local ones are inferred as well; the pair should come back."
    after = () if look.whole else tuple(range(columns - 1))
    grid = Grid([list(r) for r in rows], sides=sides, after_columns=after)
    return Picture(
        "reconstructions", "Reconstructions", caption + look.note, draw(grid, 104), plot=False
    )
