"""Sheets of samples in the papers' layouts, all models side by side on the same test rows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from wyner.data import Dataset
from wyner.errors import TaskError, refuse_unknown
from wyner.report import layouts
from wyner.report.addition import described
from wyner.report.looks import Described, Halves, look
from wyner.report.panel import Grid
from wyner.report.subject import subject

GIVEN, STYLES, DRAWS, DIGITS = 6, 4, 4, 8
"""Given rows, references of style, draws of a model, and given halves of digits."""
STRENGTH = 4.0
"""How far attributes are turned on; 1 is the model's own change of the posterior mean, which is
small where attributes say little."""
TITLES = {
    "to": "conditional generation from {0} to {1}: {n} draws of each model (decoder means).",
    "style": (
        "conditional generation with style control: content from {0} at the left, style from {1} on"
        " top."
    ),
    "reconstructions": (
        "joint stochastic reconstruction: the common latent of the given pair, local latents drawn"
        " anew."
    ),
    "joint-style": (
        "joint generation with style control: a draw of the common latent in each row, the style of"
        " the pair on top."
    ),
    "turned": (
        "attribute addition: the latents of the given picture, moved by what one more attribute"
        " changes in them (times {strength:g})."
    ),
}


def sample_sheets(
    models: Mapping[str, Any], data: Dataset, turned: Sequence[str] = ()
) -> dict[str, Grid]:
    """Every layout that some models have laws for, by name; of data that are no pictures none.

    Args:
        models: by the name above their column.
        data: their test rows are shown.
        turned: attributes that are turned on.
    """
    about = subject(next(iter(models.values())), data)
    if (seen := look(about)) is None:
        return {}
    a, b = seen.names
    index = about.typical(GIVEN + STYLES)
    given, styles = about.rows(index[:GIVEN]), about.rows(index[GIVEN:])
    known = list(data.names.get(a, ()))
    sides = _sides(known, given[a], turned)

    def title(kind: str, one: str = a, other: str = b) -> str:
        text = TITLES[kind].format(seen.noun(one), seen.noun(other), n=DRAWS, strength=STRENGTH)
        note = "" if kind == "turned" else seen.note
        return f"{data.name}, {text}{note}"

    def addition() -> Grid:
        if not turned or not isinstance(seen, Described):
            raise TaskError("there are no attributes to turn on")
        bits, picture = sorted(seen.names, key=lambda k: seen.sample[k].ndim)
        attributes = list(data.names.get(bits, ()))
        refuse_unknown("attribute", turned, attributes)
        chosen = {name: attributes.index(name) for name in turned}
        return described(models, seen, given, bits, picture, chosen, STRENGTH, title("turned"))

    one = lambda s, t, *side: layouts.conditional(
        models, seen, given, s, t, DRAWS, title("to", s, t), *side
    )
    style = lambda s, t, *side: layouts.styled(
        models, seen, given, styles, s, t, title("style", s, t), *side
    )
    every: dict[str, Callable[[], Grid]] = {
        f"{a}-to-{b}": lambda: one(a, b, sides),
        f"{b}-to-{a}": lambda: one(b, a),
        f"style-of-{b}": lambda: style(a, b, sides),
        f"style-of-{a}": lambda: style(b, a),
        "reconstructions": lambda: layouts.reconstructed(
            models, seen, given, 2, title("reconstructions")
        ),
        "joint-style": lambda: layouts.generated(models, seen, styles, 4, title("joint-style")),
        "turned": addition,
    }
    made = {}
    for name, make in every.items():
        with contextlib.suppress(TaskError):  # no model has laws for it
            made[name] = make()
    return made


def _sides(known: Sequence[str], rows: np.ndarray, turned: Sequence[str]) -> list[str]:
    """Beside each row, which of some attributes it has; nothing where there are none."""
    chosen = [(name, known.index(name)) for name in turned if name in known]
    has = [[n.replace("_", " ").lower() for n, k in chosen if row[k] > 0.5] for row in rows]
    return ["\n".join(names) or "-" for names in has] if chosen else []


def completed(models: Mapping[str, Any], data: Dataset) -> Grid:
    """Given halves of test pictures, completed several times by each model (decoders' means)."""
    pairs = data.pairs("test")
    a, b = list(pairs)[:2]
    at = np.linspace(0, len(pairs[a]) - 1, DIGITS).round().astype(int)
    values = {k: v[at] for k, v in pairs.items()}
    one = Halves((a, b), {a: (0.0, 1.0), b: (0.0, 1.0)}, {k: v[:1] for k, v in values.items()}, "")
    columns = [one.pair(values), one.alone(a, values[a])]
    heads, after = [(0, 0, "true"), (1, 1, "given")], [1]
    for label, model in models.items():
        drawn = np.asarray(model.translate(**{a: values[a]}, to=b, n=DRAWS, seed=0))
        heads.append((len(columns), len(columns) + DRAWS - 1, label))
        columns += [one.answer(a, values[a], b, d) for d in drawn]
        after.append(len(columns) - 1)
    return Grid([[c[i] for c in columns] for i in range(DIGITS)], heads, after_columns=after[:-1])
