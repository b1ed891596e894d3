"""A page of results as Markdown: tables of several kinds, claims, notes. What it shows stands in
the study's file; every number comes from `Results`, so a page is drawn again from its JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wyner.experiments import calibration
from wyner.experiments.claims import RULE
from wyner.experiments.questions import NLL, Likelihood
from wyner.experiments.results import Results
from wyner.experiments.study import Row, Value
from wyner.metrics.spread import Spread, spread, trimmed
from wyner.report import estimates as pages
from wyner.report.markdown import filled
from wyner.tasks.likelihood import ENOUGH

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
            title = options.get("title", PAGE[kind][1] if scored else "Numbers, all seeds")
            title = title.format(**{**options, **{k: f.name for k, f in found.facts.items()}})
            parts += [f"## {title}", text] if title else [text]
    if study.notes:
        parts += ["## Notes", "\n".join(f"* {n}" for n in study.notes)]
    v = ", ".join(f"{k} {x}" for k, x in found.versions.items())
    minutes = sum(found.minutes(r.slug) for r in found.rows)
    footer = study.footer or "{command}; {device}; {minutes} minutes of training; {versions}."
    made = {"command": f"`{found.command}`", "device": found.device, "versions": v}
    parts += [footer.format(minutes=f"{minutes:.1f}", **made)]
    return "\n\n".join(parts) + "\n"


def _caption(found: Results) -> str:
    asked = "".join(q.caption(found.part, found.fact) for q in found.study.questions.values())
    data = " ".join(" ".join([str(f), *f.notes]) for f in found.facts.values())
    sizes = dict.fromkeys(n for r in found.study.rows for n in r.model.get("sizes", ()))
    said = {"source": found.study.source, "data": data, "questions": asked}
    seeds = max(map(len, found.cells.values()), default=0)
    said |= {"seeds": str(seeds), "models": f"{seeds} seed{'s' * (seeds != 1)}", "part": found.part}
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
    after: str = "",
) -> str:
    """Rows with their numbers.

    Args:
        found: the results.
        columns: numbers, tags of the rows, and "model" (with seeds lost), "name" (with a mark
            beyond the paper), "seeds", "ess", "minutes", in order; by default all that there are.
        rows: by slug, in their order here; all that have models by default.
        cells: "ours" (mean ± deviation), "published", "errors" (published, the standard error in
            brackets), "beside" (two columns), "slash" (means, ours / published).
        digits: of all numbers, in place of their own.
        reference: name of a last line with the exact values in the facts of the data.
        text, after: before and behind the table, `after` with {NUMBER} of its first row.
    """
    known = found.study.columns
    shown = found.rows
    if cells in ("published", "errors"):
        shown = [r for r in found.study.rows if r.published]
    if rows:
        shown = [r for s in rows for r in shown if r.slug == s]
    names = columns or [
        *("name" if cells == "beside" else "model",),
        *(k for k in known if k in NLL or any(found.values(r.slug, k) for r in found.rows)),
        *("ess", "minutes"),
    ]
    ends, cell = STYLES[cells]
    head, body = [], []
    for k in names:
        head += [known[k].title + e for e in ends] if k in known else [HEADS.get(k, k)]
    for row in shown:
        line: list[str] = []
        for k in names:
            if k in known:
                n = known[k].digits if digits is None else digits
                now = cell(found.spread(row.slug, k), row.published.get(k), n)
                line += now if cells in ("published", "errors") else _marked(found, row, k, now)
            else:
                line.append(SPECIAL[k](found, row) if k in SPECIAL else _tag(row, k))
        body.append(line)
    if not body:
        return text
    if reference:
        body.append(_reference(found, names, reference))
    models = found.cells.get(shown[0].slug, ())
    first = {k: found.spread(shown[0].slug, k) for c in models for k in c.metrics}
    after = after.format(**{k: s.mean for k, s in first.items() if s is not None})
    return "\n\n".join(t for t in (text, filled(head, body), after) if t)


def _marked(found: Results, row: Row, name: str, cells: list[str]) -> list[str]:
    """Our number with what it lacks: effective samples, or rows."""
    ess = spread(found.values(row.slug, f"{name}_ess"))
    if ess and ess.mean < ENOUGH:
        return [f"{cells[0]} (unreliable, ESS {ess.mean:.1f})", *cells[1:]]
    if any(found.values(row.slug, f"{name}_capped")):
        return [f"{cells[0]} (or more: at its cap)", *cells[1:]]
    return cells


def _slash(ours: Spread | None, theirs: Value | None, n: int) -> list[str]:
    means = (ours and ours.mean, theirs and theirs[0])
    return [" / ".join("-" if m is None else f"{m:.{n}f}" for m in means)]


def _bracketed(value: Value | None, n: int) -> str:
    mean, error = (None, None) if value is None else value
    end = "" if error is None else f" ({error:.{n}f})"
    return "-" if mean is None else f"{mean:.{n}f}{end}"


STYLES: dict[str, tuple[tuple[str, ...], Callable[..., list[str]]]] = {
    "ours": (("",), lambda ours, theirs, n: [_ours(ours, n)]),
    "published": (("",), lambda ours, theirs, n: [_known(theirs, n)]),
    "errors": (("",), lambda ours, theirs, n: [_bracketed(theirs, n)]),
    "beside": ((", ours", ", published"), lambda a, b, n: [_ours(a, n), _known(b, n)]),
    "slash": (("",), _slash),
}
"""Ends of the heads of a number's columns, and what stands in them."""


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
HEADS = dict(
    name="model", validation="validation mAP", ess="effective samples (joint / conditional)"
)


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
        head += [f"{study.columns[k].title}, ours", "kept seeds", "best of the run", "published"]
    for row in found.rows:
        line = [row.name, str(len(found.cells[row.slug]))]
        for k in NLL:
            every = found.values(row.slug, k)
            kept, best = spread(trimmed(every)), spread(found.values(row.slug, f"{k}_best"))
            line += [_ours(one, 3, shift[k]) for one in (spread(every), kept, best)]
            line[-2] *= len(every) >= 5
            line.append(_known(row.published.get(k), 2))
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


def elsewhere(found: Results, columns: Sequence[str], trained: bool = True) -> str:
    """Published values of rows that are not trained here and, if `trained`, of those that are."""
    known, study = found.study.columns, found.study
    ours = [(r.label, r.published) for r in study.rows if r.published and trained]
    rows = [*study.others, *ours]
    body = [[label, *(_known(v.get(k), 3) for k in columns)] for label, v in rows]
    return filled(["published model", *(known[k].title for k in columns)], body)


def claims(found: Results, numbers: str = "numbers (proper scale)", published: bool = True) -> str:
    """The paper's claims with what became of them; `numbers` is the head of their column."""
    rows, body = {r.slug: r.published for r in found.study.rows}, []
    for v in found.verdicts():
        n, left = 2 if v.claim.metric in NLL else 4, rows[v.claim.left].get(v.claim.metric)
        right = [rows[s].get(v.claim.metric) for s in v.claim.right if published]
        known = [f"{left[0]:.{n}f} against {b[0]:.{n}f}" for b in right if left and b]
        body.append([v.claim.text, f"**{v.word}**", "; ".join(v.numbers), "; ".join(known)])
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


def conversion(found: Results) -> str:
    """VC-mCAS over seeds, the best of them, and beside them what was published."""
    body = []
    for row in found.rows:
        values, theirs = found.values(row.slug, "conversion"), row.published.get("conversion")
        ours = [_ours(found.spread(row.slug, f"conversion{k}"), 2) for k in ("", "_real")]
        best = f"{max(values):.1f}" if values else "-"
        body.append([row.label, _tag(row, "gamma"), ours[0], best, ours[1], _known(theirs, 2)])
    if not any(found.values(r.slug, "conversion") for r in found.rows):
        return "This corpus has one gender."
    head = ["model", "gamma", "mean", "best", "learned on real speech", "published mean (TIMIT)"]
    return filled(head, body)


def estimates(found: Results, quantity: str, n: int) -> str:
    """Estimates of a quantity from n pairs, a line a task."""
    tasks = [r.model.get("task", r.slug) for r in found.rows]
    return pages.estimates(found.estimates, tasks, quantity, n)


PAGE: dict[str, tuple[Callable[..., str], str]] = {
    "published": (published, "Beside the published values"),
    "others": (others, "Other published numbers"),
    "numbers": (numbers, "Proper densities, all seeds"),
    "columns": (columns, "Numbers"),
    "elsewhere": (elsewhere, "Published"),
    "conversion": (conversion, "VC-mCAS in percent"),
    "claims": (claims, "The paper's claims, one by one"),
    "chosen": (chosen, "What the settings were chosen on"),
    "checks": (lambda found: pages.checks(found.estimates), "What it should show"),
    "estimates": (estimates, "{quantity} from {n} pairs"),
    "misses": (lambda found: pages.misses(found.estimates), "Failures"),
    "seconds": (lambda found: pages.seconds(found.estimates), "Seconds"),
    "calibrated": (calibration.checks, "What it should show"),
    "coverage": (calibration.coverage, "Intervals that hold the truth, at every number of pairs"),
    "nothing": (calibration.nothing, "Where there is nothing"),
    "each": (calibration.by_task, "{quantity} of every task: coverage; median width; mean error"),
}
"""Tables by kind, with their usual headings."""
KINDS = {kind: table for kind, (table, _) in PAGE.items()}
USUAL: tuple[Mapping[str, Any], ...] = tuple(
    {"kind": k} for k in ("published", "others", "numbers", "claims", "chosen")
)
"""Of a study that names no tables."""
