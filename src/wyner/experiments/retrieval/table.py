"""The results of a retrieval experiment: JSON with every number, Markdown beside the published
values, claims one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wyner.experiments.legacy.stats import RULE, Spread, Verdict, decide, spread
from wyner.experiments.markdown import filled
from wyner.experiments.retrieval.plan import Protocol, metrics
from wyner.experiments.retrieval.rows import Member
from wyner.experiments.retrieval.scenes import Scene
from wyner.files import write_bytes, write_json
from wyner.metrics import chance_scores
from wyner.runs import versions


@dataclass(frozen=True)
class Found:
    """What was measured: members by row, and how."""

    protocol: Protocol
    scene: Scene
    members: Mapping[str, Sequence[Member]]
    command: str

    def spread(self, slug: str, metric: str) -> Spread | None:
        """Mean and deviation over the seeds of a row."""
        members = [m for m in self.members.get(slug, ()) if metric in m.metrics]
        within = [m.metrics[f"{metric}_se"] for m in members if f"{metric}_se" in m.metrics]
        return spread([m.metrics[metric] for m in members], within)

    @property
    def columns(self) -> dict[str, str]:
        """Metrics of the table and their headings."""
        return metrics(self.protocol.k)

    def chance(self) -> dict[str, float]:
        """Exact expectations of a random order."""
        s = self.scene.test
        out: dict[str, float] = {}
        for k in (1, *self.protocol.k):
            found = chance_scores(s.x_labels, s.y_labels, k=min(k, len(s.y)))
            out |= {f"precision_{k}": found["precision"], "map": found["map"]}
        back = chance_scores(s.y_labels, s.x_labels, k=1)
        return out | {"map_back": back["map"], "precision_1_back": back["precision_1"]}

    def verdicts(self) -> list[Verdict]:
        """What became of every claim."""
        known = {c.metric for c in self.protocol.claims}
        spreads = {
            r.slug: {m: s for m in known if (s := self.spread(r.slug, m))}
            for r in self.protocol.rows
        }
        return [
            decide(c, spreads, {r.slug: r.label for r in self.protocol.rows})
            for c in self.protocol.claims
        ]


def write_results(folder: Path, found: Found) -> None:
    """Writes `PROTOCOL.json` and `PROTOCOL.md`."""
    write_json(folder / f"{found.protocol.name}.json", as_json(found))
    write_bytes(folder / f"{found.protocol.name}.md", markdown(found).encode())


def as_json(found: Found) -> dict[str, Any]:
    """The results as the design of the library has them: one entry a trained model."""
    p = found.protocol
    rows = [
        {
            "model": m.row.model["name"],
            "settings": {
                "label": m.row.label,
                "row": m.row.slug,
                "model": m.row.model,
                "fit": {**p.fit, **m.row.fit},
            },
            "seed": m.seed,
            "metrics": m.metrics,
            "selection": {k: v for k, v in m.about.items() if k != "device"},
        }
        for r in p.rows
        for m in found.members.get(r.slug, ())
    ]
    devices = {m.about["device"] for ms in found.members.values() for m in ms}
    return {
        "experiment": p.experiment,
        "protocol": p.name,
        "command": found.command,
        "versions": versions(),
        "device": ", ".join(sorted(devices)),
        "wall_s": round(sum(m.about["seconds"] for ms in found.members.values() for m in ms), 1),
        "data": found.scene.dataset.source,
        "notes": list(found.scene.notes),
        "chance": found.chance(),
        "rows": rows,
        "claims": [
            {"text": v.claim.text, "verdict": v.word, "numbers": list(v.numbers)}
            for v in found.verdicts()
        ],
    }


def markdown(found: Found) -> str:
    """The table, the published values, the claims and how to read them."""
    p = found.protocol
    parts = [
        f"# {p.title}, {p.name} protocol",
        " ".join(t for t in (p.source + "." if p.source else "", *found.scene.notes) if t),
    ]
    parts += ["## Measured", _measured(found)]
    if p.others or any(r.published.others for r in p.rows):
        parts += ["## Published", *_published(found)]
    if p.claims:
        body = [[v.claim.text, f"**{v.word}**", "; ".join(v.numbers)] for v in found.verdicts()]
        parts += ["## Claims, one by one", filled(["claim", "ours", "numbers"], body), RULE]
    if p.notes:
        parts += ["## Notes", "\n".join(f"* {n}" for n in p.notes)]
    seconds = sum(m.about["seconds"] for ms in found.members.values() for m in ms)
    parts += [
        f"`{found.command}`; {seconds / 60:.1f} minutes in all; "
        + ", ".join(f"{k} {v}" for k, v in versions().items())
        + "."
    ]
    return "\n\n".join(parts) + "\n"


def _measured(found: Found) -> str:
    columns = found.columns
    head = ["model", "seeds", *columns.values(), "validation mAP", "epochs", "minutes"]
    body = []
    for row in found.protocol.rows:
        members = found.members.get(row.slug, ())
        if not members:
            continue
        epochs = sorted(
            {str(m.about["best_epoch"]) for m in members if "best_epoch" in m.about}, key=float
        )
        body.append(
            [
                row.label + (" (extra)" if row.extra else ""),
                str(len(members)),
                *(_cell(found.spread(row.slug, c)) for c in columns),
                _cell(spread([m.about["validation"] for m in members])),
                ", ".join(epochs),
                f"{sum(m.about['seconds'] for m in members) / 60:.1f}",
            ]
        )
    chance = found.chance()
    body.append(
        [
            "*chance*",
            "",
            *(f"*{chance[c]:.4f}*" if c in chance else "" for c in columns),
            "",
            "",
            "",
        ]
    )
    text = (
        f"Queries are x, the gallery is y, by {found.protocol.distance} of the codes of the common"
        " latents. Mean ± standard deviation over seeds. Weights are those of the epoch with the"
        " best mAP on the validation classes; every model is measured on the test classes once."
        " Minutes are wall time."
    )
    return f"{text}\n\n{filled(head, body)}"


def _published(found: Found) -> list[str]:
    p = found.protocol
    rows = [
        (r.label, {k: v[0] for k, v in r.published.others.items()})
        for r in p.rows
        if r.published.others
    ]
    keys = list(dict.fromkeys(k for _, values in [*p.others, *rows] for k in values))
    head = ["published model", *(k.replace("precision_", "P@").replace("map", "mAP") for k in keys)]
    body = [
        [label, *(f"{v[k]:.3f}" if k in v else "-" for k in keys)]
        for label, v in [*p.others, *rows]
    ]
    return [filled(head, body)]


def _cell(value: Spread | None) -> str:
    if value is None:
        return "-"
    return f"{value.mean:.3f}" + (f" ± {value.std:.3f}" if value.std is not None else "")
