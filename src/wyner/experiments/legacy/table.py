"""The table beside the published one, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wyner.data import Dataset
from wyner.experiments.legacy.claims import Claim
from wyner.experiments.legacy.columns import COLUMNS, METRICS, NLL
from wyner.experiments.legacy.examine import asked
from wyner.experiments.legacy.plan import Protocol, Row
from wyner.experiments.legacy.rows import Member
from wyner.experiments.legacy.stats import RULE, Spread, Verdict, decide, spread, trimmed
from wyner.experiments.markdown import filled
from wyner.files import write_bytes, write_json
from wyner.runs import versions


@dataclass(frozen=True)
class Found:
    """What was measured.

    Attributes:
        protocol, dataset: of what, on what.
        members: by row; empty where there are none.
        command, device: how it was done.
        seconds: of the training, by row.
        lost: seeds that diverged, by row.
    """

    protocol: Protocol
    dataset: Dataset
    members: Mapping[str, Sequence[Member]]
    command: str
    device: str
    seconds: Mapping[str, float]
    lost: Mapping[str, int]

    def values(self, slug: str, name: str) -> list[float]:
        """A metric of every seed of a row."""
        return [m.metrics[name] for m in self.members.get(slug, ()) if name in m.metrics]

    def spread(self, slug: str, name: str) -> Spread | None:
        """Mean and deviation over the seeds of a row."""
        return spread(self.values(slug, name), self.values(slug, f"{name}_se"))

    @property
    def rows(self) -> list[Row]:
        """Rows with at least one model."""
        return [r for r in self.protocol.rows if self.members.get(r.slug)]

    def verdicts(self) -> list[Verdict]:
        """What became of every claim."""
        spreads = {
            r.slug: {m: s for m in METRICS if (s := self.spread(r.slug, m))} for r in self.rows
        }
        labels = {r.slug: r.label for r in self.protocol.rows}
        return [decide(c, spreads, labels) for c in self.protocol.claims]


def write_results(folder: Path, found: Found) -> None:
    """Writes `PROTOCOL.json` and `PROTOCOL.md`."""
    write_json(folder / f"{found.protocol.name}.json", as_json(found))
    write_bytes(folder / f"{found.protocol.name}.md", markdown(found).encode())


def as_json(found: Found) -> dict[str, Any]:
    """The results as the design of the library has them: one entry a trained model."""
    p = found.protocol
    rows = []
    for row in found.rows:
        settings = {
            "label": row.label,
            "row": row.slug,
            "model": row.model,
            "fit": {**p.fit, **row.fit},
            "networks": {**p.networks, **row.networks},
        }
        for m in found.members[row.slug]:
            rows.append(
                {
                    "model": row.model["name"],
                    "settings": settings,
                    "seed": m.seed,
                    "metrics": m.metrics,
                }
            )
    return {
        "experiment": p.experiment,
        "protocol": p.name,
        "command": found.command,
        "versions": versions(),
        "device": found.device,
        "wall_s": round(sum(found.seconds.values()), 1),
        "wall_s_by_row": {k: round(v, 1) for k, v in found.seconds.items()},
        "data": found.dataset.source,
        "evaluate": p.evaluate,
        "published_offset_per_coordinate": p.offset,
        "truth": {k: v for k, v in found.dataset.truth.items() if isinstance(v, (int, float))},
        "rows": rows,
        "diverged": dict(found.lost),
        "claims": [
            {"text": v.claim.text, "verdict": v.word, "numbers": list(v.numbers)}
            for v in found.verdicts()
        ],
    }


def markdown(found: Found) -> str:
    """The table, the claims and how to read them."""
    p = found.protocol
    parts = [f"# {p.title}, {p.name} protocol", _caption(found)]
    if any(r.published.joint or r.published.conditional for r in p.rows):
        parts += ["## Beside the published values", *_published(found)]
    if others := _others(found):
        parts += ["## Other published numbers", others]
    parts += [
        f"## {'Proper densities' if p.evaluate['samples'] else 'Numbers'}, all seeds",
        _proper(found),
    ]
    if found.protocol.claims:
        parts += ["## The paper's claims, one by one", _claims(found), RULE]
    if p.notes:
        parts += ["## Notes", "\n".join(f"* {n}" for n in p.notes)]
    parts += [_made(found)]
    return "\n\n".join(parts) + "\n"


def _caption(found: Found) -> str:
    p, d = found.protocol, found.dataset
    sizes = ", ".join(
        f"{len(next(iter(part.values())))} {name}"
        for name, part in (("training", d.train), ("validation", d.validation), ("test", d.test))
        if part
    )
    rows = min(p.evaluate.get("rows", 10**9), len(next(iter(d.test.values()))))
    options = ", ".join(f"{k} = {v}" for k, v in d.source.items() if k in ("binarisation",))
    text = (
        f"{p.source}. Data: `{d.name}`{f' ({options})' if options else ''}, {sizes} rows."
        f" {' '.join(d.notes)} {_scored(p, rows)}Mean ± standard deviation over seeds, in nats per"
        " row."
    )
    if "best_log_density" in d.truth:
        text += (
            " An nll is the floor plus the mean excess over the best possible density on the same"
            " rows, which takes out the luck of the rows; the plain means are in the JSON file"
            " (`nll_joint_plain`)."
        )
    return text.replace("  ", " ")


def _scored(p: Protocol, rows: int) -> str:
    text = ""
    if p.evaluate["samples"]:
        text += (
            f"Likelihoods: importance sampling, S = {p.evaluate['samples']}, the first {rows} test"
            " rows, the same for all models. "
        )
    return text + asked(p.judge)


def _floor(found: Found, metric: str) -> float | None:
    value = found.dataset.truth.get(metric)
    return float(value) if isinstance(value, (int, float)) else None


def _shift(found: Found, metric: str) -> float:
    """From the proper density to the published scale, in nats a row."""
    sizes = [s.size for s in found.dataset.spaces.values()]
    return found.protocol.offset * (sum(sizes) if metric == "nll_joint" else sizes[-1])


def _published(found: Found) -> list[str]:
    shifted = found.protocol.offset != 0
    head = ["model", "seeds"]
    for title in NLL.values():
        head += [f"{title}, ours", "kept seeds", "best of the run", "published"]
    body = []
    for row in found.rows:
        line = [row.label + (" (extra)" if row.extra else ""), str(len(found.members[row.slug]))]
        for metric in NLL:
            shift = _shift(found, metric)
            every = found.values(row.slug, metric)
            kept, best = spread(trimmed(every)), spread(found.values(row.slug, f"{metric}_best"))
            line += [
                _cell(spread(every), shift),
                _cell(kept, shift) if len(every) >= 5 else "",
                _cell(best, shift),
            ]
            line.append(_known(row.published.of(metric)))
        body.append(line)
    floors = [_floor(found, m) for m in NLL]
    if all(f is not None for f in floors):
        line = ["*floor*", ""]
        for metric, floor in zip(NLL, floors, strict=True):
            line += [f"*{(floor or 0.0) + _shift(found, metric):.3f}*", "", "", ""]
        body.append(line)
    text = (
        "“kept seeds”: the paper's rule, of ten runs the two best and two worst are dropped (of"
        " other numbers the same share). “best of the run”: the lowest value of the curve, as the"
        f" paper chooses; on {found.protocol.probe['rows']} test rows with S ="
        f" {found.protocol.probe['samples']}, so not on quite the same scale as the rest."
    )
    if shifted:
        text = (
            f"Published scale: the proper nll plus {found.protocol.offset:.4f} nats a coordinate,"
            " the constant of variance 1 with the exponent of variance 1/2, which the published"
            f" numbers most likely use (an inference, docs/reproduce.md). {text}"
        )
    return [text, filled(head, body)]


def _others(found: Found) -> str:
    """What was published besides likelihoods, in our units, beside ours; empty if nothing was."""
    names = [
        m for m in METRICS if m not in NLL and any(r.published.of(m) for r in found.protocol.rows)
    ]
    head = ["model", *(f"{COLUMNS[m]}, {whose}" for m in names for whose in ("ours", "published"))]
    body = []
    for row in found.rows:
        cells = [
            (_cell(found.spread(row.slug, m), digits=4), _known(row.published.of(m), 4))
            for m in names
        ]
        body.append(
            [row.label + (" (extra)" if row.extra else ""), *(c for pair in cells for c in pair)]
        )
    return filled(head, body) if names and body else ""


def _proper(found: Found) -> str:
    used = [k for k in COLUMNS if k not in NLL and any(found.values(r.slug, k) for r in found.rows)]
    head = [
        "model",
        *NLL.values(),
        *(COLUMNS[k] for k in used),
        "effective samples (joint / conditional)",
        "minutes",
    ]
    body = []
    for row in found.rows:
        cells = [
            _cell(found.spread(row.slug, k), digits=4 if "variance" in k else 3)
            for k in (*NLL, *used)
        ]
        ess = [spread(found.values(row.slug, f"{k}_ess")) for k in NLL]
        lost = f", {found.lost[row.slug]} diverged" if row.slug in found.lost else ""
        body.append(
            [
                row.label + lost,
                *cells,
                " / ".join(f"{s.mean:.0f}" if s else "-" for s in ess) if any(ess) else "-",
                f"{found.seconds.get(row.slug, 0.0) / 60:.1f}",
            ]
        )
    floors = [_floor(found, k) for k in NLL]
    true = _floor(found, "common_information")
    if any(f is not None for f in floors) or true is not None:
        last = [f"*{true:.6f} (J)*" if true is not None and k == "I41" else "" for k in used]
        name = "*floor, true value*" if any(f is not None for f in floors) else "*true value*"
        body.append([name, *(f"*{f:.3f}*" if f is not None else "" for f in floors), *last, "", ""])
    errors = {
        k: max((v for r in found.rows for v in found.values(r.slug, f"{k}_se")), default=None)
        for k in NLL
    }
    note = ", ".join(f"{NLL[k]} {v:.3f}" for k, v in errors.items() if v is not None)
    if not note:
        return filled(head, body)
    return (
        filled(head, body)
        + f"\n\nLargest standard errors over the test rows: {note}. They are shared by all models,"
        " which see the same rows."
    )


def _claims(found: Found) -> str:
    body = []
    for v in found.verdicts():
        body.append([v.claim.text, f"**{v.word}**", "; ".join(v.numbers), _claimed(found, v.claim)])
    return filled(["claim", "ours", "numbers (proper scale)", "published numbers"], body)


def _claimed(found: Found, claim: Claim) -> str:
    rows = {r.slug: r.published.of(claim.metric) for r in found.protocol.rows}
    left = rows[claim.left]
    digits = 2 if claim.metric in NLL else 4
    shown = [
        f"{left[0]:.{digits}f} against {right[0]:.{digits}f}"
        for s in claim.right
        if left and (right := rows[s])
    ]
    return "; ".join(shown)


def _made(found: Found) -> str:
    v = ", ".join(f"{k} {x}" for k, x in versions().items())
    return (
        f"`{found.command}`; {found.device}; {sum(found.seconds.values()) / 60:.1f} minutes of"
        f" training; {v}."
    )


def _cell(value: Spread | None, shift: float = 0.0, digits: int = 3) -> str:
    if value is None:
        return "-"
    return f"{value.mean + shift:.{digits}f}" + (
        f" ± {value.std:.{digits}f}" if value.std is not None else ""
    )


def _known(value: tuple[float, float | None] | None, digits: int = 2) -> str:
    if value is None:
        return "-"
    return f"{value[0]:.{digits}f}" + (f" ± {value[1]:.{digits}f}" if value[1] is not None else "")
