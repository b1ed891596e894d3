"""A page of results as Markdown: tables of several kinds, claims, notes. What it shows stands in the
study's file; every number comes from `Results`, so a page is drawn again from its JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wyner.experiments import estimates
from wyner.experiments.claims import RULE
from wyner.experiments.markdown import filled
from wyner.experiments.questions import NLL, Likelihood
from wyner.experiments.results import Results, Spread, spread, trimmed
from wyner.experiments.study import Row, Value

CAPTION = "{source}. Data: {data} {questions}Mean ± standard deviation over seeds, in nats per row."
LUCK = (
    " An nll is the floor plus the mean excess over the best possible density on the same rows,"
    " which takes out the luck of the rows; the plain means are in the JSON file"
    " (`nll_joint_plain`)."
)


def markdown(found: Results) -> str:
    """The page: caption, tables, claims, notes, and how it was made."""
    study = found.study
    part = "" if found.part == "test" else f", {found.part} rows"
    parts = [f"# {study.title}, {study.protocol} protocol{part}", _caption(found)]
    for options in study.tables:
        kind = options["kind"]
        rest = {k: v for k, v in options.items() if k not in ("kind", "title")}
        if text := KINDS[kind](found, **rest):
            scored = kind != "numbers" or "likelihood" in study.questions
            usual = TITLES[kind] if scored else "Numbers, all seeds"
            usual = usual.format(**options)
            parts += [f"## {options.get('title', usual)}", text]
    if study.notes:
        parts += ["## Notes", "\n".join(f"* {n}" for n in study.notes)]
    v = ", ".join(f"{k} {x}" for k, x in found.versions.items())
    minutes = sum(found.minutes(r.slug) for r in found.rows)
    footer = study.footer or "{command}; {device}; {minutes} minutes of training; {versions}."
    made = {"command": f"`{found.command}`", "device": found.device, "versions": v}
    parts += [footer.format(minutes=f"{minutes:.1f}", **made)]
    return "\n\n".join(parts) + "\n"


def _caption(found: Results) -> str:
    rows = found.fact.sizes.get(found.part, 0)
    asked = "".join(q.caption(found.part, rows) for q in found.study.questions.values())
    data = " ".join(" ".join([str(f), *f.notes]) for f in found.facts.values())
    sizes = dict.fromkeys(n for r in found.study.rows for n in r.model.get("sizes", ()))
    said = {"source": found.study.source, "data": data, "questions": asked}
    said |= {"seeds": str(max(map(len, found.cells.values()), default=0))}
    said |= {"sizes": ", ".join(map(str, sizes))}
    text = (found.study.caption or CAPTION).format(**said)
    if any("nll_joint_plain" in c.metrics for cs in found.cells.values() for c in cs):
        text += LUCK
    return " ".join(text.split())


def columns(
    found: Results,
    columns: Sequence[str] = (),
    rows: Sequence[str] = (),
    cells: str = "ours",
    digits: int | None = None,
    reference: str = "",
    text: str = "",
) -> str:
    """Rows with their numbers.

    Args:
        found: the results.
        columns: numbers, tags of the rows, and "model" (with seeds lost), "name" (with a mark
            beyond the paper), "seeds", "ess", "minutes", in order; by default all that there are.
        rows: by slug; all that have models by default.
        cells: "ours" (mean ± deviation), "published", "beside" (two columns), "slash" (means, ours
            / published).
        digits: of all numbers, in place of their own.
        reference: name of a last line with the exact values in the facts of the data.
        text: before the table.
    """
    known = found.study.columns
    shown = [r for r in found.rows if not rows or r.slug in rows]
    if cells == "published":
        shown = [r for r in found.study.rows if r.published and (not rows or r.slug in rows)]
    names = columns or [
        *("name" if cells == "beside" else "model",),
        *(k for k in known if k in NLL or any(found.values(r.slug, k) for r in found.rows)),
        *("ess", "minutes"),
    ]
    head: list[str] = []
    for k in names:
        title = known[k].title if k in known else HEADS.get(k, k)
        head += (
            [f"{title}, ours", f"{title}, published"]
            if cells == "beside" and k in known
            else [title]
        )
    body = []
    for row in shown:
        line: list[str] = []
        for k in names:
            if k not in known:
                line.append(SPECIAL[k](found, row) if k in SPECIAL else _tag(row, k))
                continue
            n = known[k].digits if digits is None else digits
            ours, theirs = found.spread(row.slug, k), row.published.get(k)
            if cells == "slash":
                means = (ours and ours.mean, theirs and theirs[0])
                line.append(" / ".join("-" if m is None else f"{m:.{n}f}" for m in means))
            else:
                both = [_ours(ours, n), _known(theirs, n)]
                line += {"ours": both[:1], "published": both[1:], "beside": both}[cells]
        body.append(line)
    if body and reference:
        body.append(_reference(found, names, reference))
    return "\n\n".join(t for t in (text, filled(head, body) if body else "") if t)


def _tag(row: Row, name: str) -> str:
    value = row.tags.get(name, "")
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def _ess(found: Results, row: Row) -> str:
    ess = [spread(found.values(row.slug, f"{k}_ess")) for k in NLL]
    return " / ".join(f"{s.mean:.0f}" if s else "-" for s in ess) if any(ess) else "-"


SPECIAL: dict[str, Callable[[Results, Row], str]] = {
    "model": lambda f, r: r.label + (f", {f.lost[r.slug]} diverged" if f.lost.get(r.slug) else ""),
    "name": lambda f, r: r.name,
    "seeds": lambda f, r: str(len(f.cells.get(r.slug, ()))),
    "ess": _ess,
    "minutes": lambda f, r: f"{f.minutes(r.slug):.1f}",
    "validation": lambda f, r: _ours(spread(_selected(f, r, "validation")), 3),
    "epochs": lambda f, r: ", ".join(f"{v:g}" for v in sorted({*_selected(f, r, "best_epoch")})),
}
HEADS = {
    "name": "model",
    "validation": "validation mAP",
    "ess": "effective samples (joint / conditional)",
}


def _selected(found: Results, row: Row, key: str) -> list[float]:
    """What the probe of every seed chose: its value, or its epoch."""
    chosen = [c.about.get("selection", {}) for c in found.cells.get(row.slug, ())]
    return [s[key] for s in chosen if key in s]


def _reference(found: Results, names: Sequence[str], title: str) -> list[str]:
    truth = found.fact.truth
    shown = {k: f"*{truth[k]:.{3 if k in NLL else 4}f}*" for k in names if k in truth}
    if (value := truth.get("common_information")) is not None:
        shown["I41"] = f"*{value:.6f} (J)*"
    return [f"*{title}*", *(shown.get(k, "") for k in names[1:])]


def numbers(found: Results) -> str:
    """All numbers of all rows, above the floors and exact values."""
    floors = any(k in found.fact.truth for k in NLL)
    exact = "floor, true value" if floors else "true value"
    known = floors or "common_information" in found.fact.truth
    text = columns(found, reference=exact if known else "")
    errors = {
        k: max((v for r in found.rows for v in found.values(r.slug, f"{k}_se")), default=None)
        for k in NLL
    }
    words = {k: c.title for k, c in found.study.columns.items()}
    if note := ", ".join(f"{words[k]} {v:.3f}" for k, v in errors.items() if v is not None):
        text += (
            f"\n\nLargest standard errors over the {found.part} rows: {note}. They are shared by"
            " all models, which see the same rows."
        )
    return text


def published(found: Results) -> str:
    """Likelihoods on the published scale beside the published ones; empty if there are none."""
    study = found.study
    likelihood: Any = study.questions.get("likelihood")
    if likelihood is None or not any(k in r.published for r in study.rows for k in NLL):
        return ""
    sizes = list(found.fact.coordinates.values())
    shift = {
        k: likelihood.offset * (sum(sizes) if k == NLL[0] else sizes[-1] if sizes else 0)
        for k in NLL
    }
    head, body = ["model", "seeds"], []
    for k in NLL:
        title = study.columns[k].title
        head += [f"{title}, ours", "kept seeds", "best of the run", "published"]
    for row in found.rows:
        line = [row.name, str(len(found.cells[row.slug]))]
        for k in NLL:
            every = found.values(row.slug, k)
            best = spread(found.values(row.slug, f"{k}_best"))
            line += [
                _ours(spread(every), 3, shift[k]),
                _ours(spread(trimmed(every)), 3, shift[k]) if len(every) >= 5 else "",
                _ours(best, 3, shift[k]),
                _known(row.published.get(k), 2),
            ]
        body.append(line)
    if all(k in found.fact.truth for k in NLL):
        floors = [f"*{found.fact.truth[k] + shift[k]:.3f}*" for k in NLL]
        body.append(["*floor*", "", floors[0], "", "", "", floors[1], "", "", ""])
    probe: Any = study.probe.questions.get("likelihood", Likelihood(20, 500))
    text = (
        "“kept seeds”: the paper's rule, of ten runs the two best and two worst are dropped (of"
        " other numbers the same share). “best of the run”: the lowest value of the curve, as the"
        f" paper chooses; on {probe.rows} test rows with S = {probe.samples}, so not on quite the"
        " same scale as the rest."
    )
    if likelihood.offset:
        text = (
            f"Published scale: the proper nll plus {likelihood.offset:.4f} nats a coordinate, the"
            " constant of variance 1 with the exponent of variance 1/2, which the published numbers"
            f" most likely use (an inference, docs/reproduce.md). {text}"
        )
    return f"{text}\n\n{filled(head, body)}"


def others(found: Results) -> str:
    """What was published besides likelihoods, in our units, beside ours; empty if nothing was."""
    names = [
        k
        for k in found.study.columns
        if k not in NLL and any(k in r.published for r in found.study.rows)
    ]
    return columns(found, ["name", *names], cells="beside", digits=4) if names else ""


def elsewhere(found: Results, columns: Sequence[str]) -> str:
    """Published values as they are, of rows that are not trained here and of those that are."""
    known, study = found.study.columns, found.study
    rows = [*study.others, *((r.label, r.published) for r in study.rows if r.published)]
    body = [[label, *(_known(v.get(k), 3) for k in columns)] for label, v in rows]
    return filled(["published model", *(known[k].title for k in columns)], body)


def claims(found: Results, numbers: str = "numbers (proper scale)", published: bool = True) -> str:
    """The paper's claims with what became of them; `numbers` is the head of their column."""
    rows, body = {r.slug: r for r in found.study.rows}, []
    for v in found.verdicts():
        digits, left = 2 if v.claim.metric in NLL else 4, rows[v.claim.left]
        pairs = [
            (left.published.get(v.claim.metric), rows[s].published.get(v.claim.metric))
            for s in v.claim.right
        ]
        known = "; ".join(
            f"{a[0]:.{digits}f} against {b[0]:.{digits}f}" for a, b in pairs if a and b
        )
        known = known if published else ""
        body.append([v.claim.text, f"**{v.word}**", "; ".join(v.numbers), known])
    head = ["claim", "ours", numbers, "published numbers"]
    return f"{filled(head, body)}\n\n{RULE}" if body else ""


def chosen(found: Results) -> str:
    """On which rows the settings of every row were chosen."""
    said: dict[str, list[str]] = {}
    for row in found.rows:
        said.setdefault(row.chosen_on, []).append(row.label)
    if len(said) == 1:
        return f"All rows: {next(iter(said))}."
    return "\n".join(f"* {'; '.join(labels)}: {text}." for text, labels in said.items())


def _ours(value: Spread | None, digits: int, shift: float = 0.0) -> str:
    return "-" if value is None else value.text(digits, shift)


def _known(value: Value | None, digits: int) -> str:
    return "-" if value is None else Spread(*value, n=1, error=0.0).text(digits)


KINDS: dict[str, Callable[..., str]] = {
    "published": published,
    "others": others,
    "numbers": numbers,
    "columns": columns,
    "elsewhere": elsewhere,
    "claims": claims,
    "chosen": chosen,
    "checks": estimates.checks,
    "estimates": estimates.estimates,
    "misses": estimates.misses,
    "seconds": estimates.seconds,
}
TITLES = {
    "published": "Beside the published values",
    "others": "Other published numbers",
    "numbers": "Proper densities, all seeds",
    "columns": "Numbers",
    "elsewhere": "Published",
    "claims": "The paper's claims, one by one",
    "chosen": "What the settings were chosen on",
    "checks": "What it should show",
    "estimates": "{quantity} from {n} pairs",
    "misses": "Failures",
    "seconds": "Seconds",
}
USUAL: tuple[Mapping[str, Any], ...] = tuple(
    {"kind": k} for k in ("published", "others", "numbers", "claims", "chosen")
)
"""Of a study that names no tables."""
