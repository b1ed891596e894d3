"""The page: every section as HTML, texts escaped, pictures inside."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping, Sequence
from html import escape
from importlib import resources
from typing import TYPE_CHECKING, Any

from wyner.canvas import DPI
from wyner.report.subject import Part, Refusal
from wyner.report.texts import count, duration, number, plain, when

if TYPE_CHECKING:
    from wyner.data.dataset import Dataset
    from wyner.evaluation import Number
    from wyner.models.base import Model

SHEET = resources.files("wyner.report").joinpath("report.css").read_text()
"""The style sheet: one column, system fonts, light and dark, narrow screens and paper."""

HEADLINES = ("conditional nll", "joint nll", "rate", "aggregate", "nll", "")
"""Which numbers come first on the cards, by what their names contain."""

CARDS = 6
"""Numbers on cards, at most; the table has all of them."""


def page(
    model: Model,
    dataset: Dataset,
    numbers: Sequence[Number],
    about: Mapping[str, Any],
    pictures: Sequence[Part],
    latents: Sequence[Part],
    curves: Sequence[Part],
) -> str:
    """The whole document.

    Args:
        model, dataset, numbers, about: as in `write_report`.
        pictures, latents, curves: the parts of three sections.
    """
    title = f"{model.title} on {dataset.name}"
    sections = [
        ("numbers", "Numbers", _numbers(numbers)),
        ("equation", "What was minimised", _equation(model)),
        ("pictures", "What the model draws", _figures(pictures)),
        ("latents", "What the latents hold", _figures(latents)),
        ("training", "How training went", _figures(curves)),
        ("repeat", "How to repeat this", _repeat(model, dataset, about)),
    ]
    links = "\n".join(f'<a href="#{key}">{escape(name)}</a>' for key, name, _ in sections)
    body = "\n".join(
        f'<section id="{key}">\n<h2>{escape(name)}</h2>\n{text}\n</section>'
        for key, name, text in sections
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{SHEET}</style>
</head>
<body>
<header>
<p class="kind">Report of a run</p>
<h1>{escape(title)}</h1>
<p class="lead">{escape(_lead(model, dataset, about))}</p>
<nav>
{links}
</nav>
</header>
<main>
{body}
</main>
</body>
</html>
"""


def _lead(model: Model, dataset: Dataset, about: Mapping[str, Any]) -> str:
    rows = len(next(iter(dataset.train.values()))) if dataset.train else 0
    size = about.get("parameters") or sum(p.numel() for p in model.parameters())
    text = f"{model.title}, {count(size)} parameters, trained on {rows:,} rows of {dataset.name}"
    if about.get("epochs"):
        text += f" for {about['epochs']} epoch{'s' * (about['epochs'] != 1)}"
    if about.get("seconds") is not None:
        text += f" in {duration(about['seconds'])}"
    spaces = " and ".join(f"{k} in {v!r}" for k, v in dataset.spaces.items())
    latent = ", ".join(f"{k} in {v!r}" for k, v in model.latent.items())
    return f"{text}. Observed: {spaces}. Latent: {latent or 'none'}."


def _numbers(numbers: Sequence[Number]) -> str:
    if not numbers:
        return '<p class="refusal">No numbers were estimated.</p>'
    order = sorted(
        numbers, key=lambda n: next(i for i, key in enumerate(HEADLINES) if key in n.name)
    )
    cards = "\n".join(map(_card, order[:CARDS]))
    held = any(n.reference is not None for n in numbers)
    against = ["to hold against"] if held else []
    heads, rows = ["number", "value", "error", "unit", *against, "how it was estimated"], []
    for n in numbers:
        error = "" if n.error is None else f"± {number(n.error)}"
        line = [escape(n.name), _value(n), error, escape(n.unit)]
        rows.append([*line, *([_reference(n)] if held else []), escape(n.how)])
    note = (
        "Errors are standard errors over rows. An nll from few effective samples is too high; with"
        " 10 or fewer it can be nats off, and the number is marked."
    )
    return (
        f'<ul class="cards">\n{cards}\n</ul>\n<h3>All'
        f' numbers</h3>\n{_table(heads, rows, (1, 2))}\n<p class="note">{note}</p>'
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """A table of HTML cells; columns in `right` are numbers; headless, the first is the label."""

    def line(cells: Sequence[str], tag: str) -> str:
        return "".join(
            f"<{tag} class='number'>{c}</{tag}>" if i in right else f"<{tag}>{c}</{tag}>"
            for i, c in enumerate(cells)
        )

    head = f"<thead><tr>{line(heads, 'th')}</tr></thead>\n" if heads else ""
    body = "\n".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return (
        "<div class='wide'><table"
        f" class='{'heads' if heads else 'keys'}'>\n{head}<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _card(n: Number) -> str:
    error = "" if n.error is None else f"± {number(n.error)} "
    reference = "" if n.reference is None else f'<span class="reference">{_reference(n)}</span>'
    return (
        f'<li class="card"><span class="name">{escape(n.name)}</span><span'
        f' class="value">{_value(n)}</span><span'
        f' class="unit">{error}{escape(n.unit)}</span>{reference}</li>'
    )


def _value(n: Number) -> str:
    """The number with its mark, if it has one."""
    return number(n.value) + (
        f' <mark title="{escape(n.mark)}">{escape(n.mark)}</mark>' if n.mark else ""
    )


def _reference(n: Number) -> str:
    if n.reference is None:
        return ""
    gap = n.value - n.reference
    side = f"{number(abs(gap))} {'above' if gap >= 0 else 'below'}"
    return f"<b>{escape(n.reference_name or 'reference')} {number(n.reference)}</b>, {side}"


def _equation(model: Model) -> str:
    laws = [
        [escape(k), *(f"<code>{escape(law.text)}</code>" for law in pair)]
        for k, pair in model.laws.items()
    ]
    phases, others = [], []
    for i, phase in enumerate(model.phases):
        program = model.program(phase.objective)
        trained = [f for f in phase.train or program.used if f not in phase.freeze]
        learned = [f for f in trained if any(True for _ in model.factors[f].parameters())]
        names = f"<code>{escape('  '.join(learned) or 'none')}</code>"
        phases.append([escape(phase.name), escape(when(phase, i == 0)), names])
        if (text := str(program)) != str(model.objective):
            head = f"<p>Objective of phase “{escape(phase.name)}”:</p>"
            others.append(f"{head}\n<pre>{escape(text)}</pre>")
    return "\n".join(
        [
            "<p>Weights and divergences as derived from the laws below, in nats per example.",
            "Terms in square brackets are constants of the data, which training cannot change.</p>",
            f"<pre>{escape(str(model.objective))}</pre>",
            "<h3>The laws</h3>",
            "<p>Each divergence is KL(q || p) between two laws of the same variables;",
            "an unconditional q over observed variables is the data.</p>",
            _table(["divergence", "law q", "law p"], laws),
            "<h3>Phases</h3>",
            _table(["phase", "when", "factors it trains"], phases),
            *others,
        ]
    )


def _figures(parts: Sequence[Part]) -> str:
    return '<div class="figures">\n' + "\n".join(map(_figure, parts)) + "\n</div>"


def _figure(part: Part) -> str:
    if isinstance(part, Refusal):
        return f'<p class="refusal"><b>{escape(part.title)}:</b> {escape(part.why)}</p>'
    width, height = (round(int.from_bytes(part.png[i : i + 4], "big") * 96 / DPI) for i in (16, 20))
    kind = "plot" if part.plot else "panel broad" if width > 1.6 * height else "panel"
    title, data = escape(part.title, quote=True), base64.b64encode(part.png).decode()
    return (
        f'<figure class="{kind}" id="picture-{escape(part.name, quote=True)}">\n<h3>{title}</h3>\n'
        f'<img class="{kind}" alt="{title}" width="{width}"'
        f' height="{height}"\nsrc="data:image/png;base64,{data}">\n'
        f"<figcaption>{escape(part.caption)}</figcaption>\n</figure>"
    )


def _repeat(model: Model, dataset: Dataset, about: Mapping[str, Any]) -> str:
    out = []
    if command := str(about.get("command") or ""):
        program, *rest = command.split(" ", 1)
        name = program.replace(chr(92), "/").rsplit("/", 1)[-1]
        out.append(f'<pre class="wrap">{escape(" ".join([name, *rest]))}</pre>')
    rows = {
        "data": str(dataset),
        "made by": plain(dataset.source) if dataset.source else None,
        "seed": about.get("seed"),
        "epochs": about.get("epochs"),
    }
    rows["parameters"] = f"{about['parameters']:,}" if about.get("parameters") else None
    if about.get("seconds") is not None:
        rows["training time"] = f"{duration(about['seconds'])} ({about['seconds']:.1f} s)"
    rows["versions"] = ", ".join(f"{k} {v}" for k, v in about.get("versions", {}).items()) or None
    said = {*rows, "seconds", "command", "fit"}
    rows |= {k: v for k, v in about.items() if k not in said}
    shown = [[escape(k), escape(plain(v))] for k, v in rows.items() if v is not None]
    out.append(_table([], shown))
    if dataset.notes:
        notes = "".join(f"<li>{escape(n)}</li>" for n in dataset.notes)
        out.append(f"<h3>Notes and licences</h3>\n<ul>{notes}</ul>")
    for name, values in (
        ("Settings of the training", about.get("fit")),
        ("Configuration of the model", model.config.get("arguments")),
    ):
        if values:
            lines = "\n".join(f"{k} = {plain(v)}" for k, v in values.items())
            out.append(
                f"<details><summary>{name}</summary>\n<pre"
                f' class="wrap">{escape(lines)}</pre></details>'
            )
    out.append(
        '<p class="note">Pictures are drawn with seed 0; they are also in <code>pictures/</code>'
        " beside this page."
    )
    out.append("Equal seeds give bit-identical runs on a CPU with the same versions.</p>")
    return "\n".join(out)
