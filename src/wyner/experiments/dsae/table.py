"""Tables 1 to 3 of [CMI] beside ours, the claims with the numbers that decide them, and everything
as JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wyner.data.corpus import Corpus
from wyner.experiments.dsae.plan import Protocol, Row
from wyner.experiments.dsae.runs import Member
from wyner.experiments.markdown import filled
from wyner.files import write_bytes, write_json
from wyner.runs import versions

COLUMNS = {
    "elbo": "ELBO",
    "kl_z": "KL(z)",
    "kl_s": "KL(s)",
    "recon": "Recon",
    "eer_z": "EER(z) %",
    "eer_s": "EER(s) %",
    "information": "I(z;s)",
}
SEEDS = 3
"""Fewer of a row decide nothing (our choice)."""
MATCHED = 0.1
"""Relative difference of KL(z) up to which two rows count as matched (our choice)."""


@dataclass(frozen=True)
class Results:
    """What was measured, and how."""

    protocol: Protocol
    corpus: Corpus
    members: Sequence[tuple[Member, dict[str, float]]]
    command: str
    device: str

    @property
    def rows(self) -> list[Row]:
        """Rows with at least one model."""
        there = {m.row.slug for m, _ in self.members}
        return [r for r in self.protocol.rows if r.slug in there]

    def values(self, slug: str, metric: str) -> np.ndarray:
        """A metric of every seed of a row."""
        return np.array([v[metric] for m, v in self.members if m.row.slug == slug and metric in v])

    @property
    def comparable(self) -> bool:
        """Whether the corpus is the published one."""
        return self.corpus.name == "timit"


def write(folder: Path, results: Results) -> None:
    """Writes `PROTOCOL.json` and `PROTOCOL.md`."""
    write_json(folder / f"{results.protocol.name}.json", as_json(results))
    write_bytes(folder / f"{results.protocol.name}.md", markdown(results).encode())


def as_json(results: Results) -> dict[str, Any]:
    """One entry a trained model."""
    p = results.protocol
    rows = [
        {
            "model": "DSAE",
            "settings": {"row": m.row.slug, **p.settings(m.row)},
            "seed": m.seed,
            "seconds": round(m.seconds, 1),
            "metrics": {k: round(float(v), 5) for k, v in found.items()},
        }
        for m, found in results.members
    ]
    return {
        "experiment": "dsae",
        "protocol": p.name,
        "command": results.command,
        "versions": versions(),
        "device": results.device,
        "wall_s": round(sum(m.seconds for m, _ in results.members), 1),
        "data": results.corpus.source,
        "trials": _trials(results),
        "rows": rows,
        "claims": [
            {"text": c.text, "verdict": c.word, "numbers": c.numbers} for c in claims(results)
        ],
    }


def markdown(results: Results) -> str:
    """The page of the tables."""
    p = results.protocol
    other = (
        ""
        if results.comparable
        else (
            f" **Published values are of TIMIT, ours of {results.corpus.name}: the columns are not"
            " comparable**, only which row is above which."
        )
    )
    parts = [
        f"# {p.title}, {p.name} protocol",
        (
            f"{p.source}. Data: {results.corpus}. {' '.join(results.corpus.notes)} Stretches of"
            f" {p.steps} frames. Nats a stretch; mean ± standard deviation over seeds."
            f" {_trials(results)}{other}"
        ),
        "## Tables 1 and 3",
        _ours(results),
        "Published:",
        _published(results),
        "## Table 2: VC-mCAS in percent",
        _conversion(results),
        "## Claims",
        _claims(results),
    ]
    if p.notes:
        parts += ["## Notes", "\n".join(f"* {n}" for n in p.notes)]
    seconds = sum(m.seconds for m, _ in results.members)
    v = ", ".join(f"{k} {x}" for k, x in versions().items())
    parts.append(
        f"`{results.command}`; {results.device}; {seconds / 60:.1f} minutes of training; {v}."
    )
    return "\n\n".join(parts) + "\n"


def _trials(results: Results) -> str:
    _, found = results.members[0]
    return (
        f"Verification: all pairs of the test recordings, {int(found['trials']):,} trials,"
        f" {int(found['trials_same']):,} of them with one speaker; cosine of the mean of q(z|x)"
        " over the stretches of a recording (z), of the mean of q(s|x,z) over its frames (s)."
    )


def _ours(results: Results) -> str:
    body = []
    for row in results.rows:
        n = len(results.values(row.slug, "elbo"))
        body.append(
            [
                row.label,
                f"{row.gamma:g}",
                *(_cell(results.values(row.slug, k)) for k in COLUMNS),
                str(n),
            ]
        )
    return filled(["model", "gamma", *COLUMNS.values(), "seeds"], body)


def _published(results: Results) -> str:
    shown = lambda v: f"{v[0]:.2f}" + (f" ({v[1]:.2f})" if v[1] is not None else "") if v else "-"
    body = [
        [r.label, f"{r.gamma:g}", *(shown(r.published.get(k)) for k in COLUMNS)]
        for r in results.protocol.rows
    ]
    return filled(["model", "gamma", *COLUMNS.values()], body) + "\n\nStandard errors in brackets."


def _conversion(results: Results) -> str:
    body = []
    for row in results.rows:
        v, real = (
            results.values(row.slug, "conversion"),
            results.values(row.slug, "conversion_real"),
        )
        known = row.published.get("conversion")
        best = f"{v.max():.1f}" if len(v) else "-"
        body.append(
            [
                row.label,
                f"{row.gamma:g}",
                _cell(v),
                best,
                _cell(real),
                f"{known[0]:.2f}" if known else "-",
            ]
        )
    if all(line[2] == "-" for line in body):
        return "This corpus has one gender."
    return filled(
        ["model", "gamma", "mean", "best", "learned on real speech", "published mean (TIMIT)"], body
    )


def _cell(values: np.ndarray) -> str:
    if not len(values):
        return "-"
    return f"{values.mean():.2f}" + (f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else "")


@dataclass(frozen=True)
class Claim:
    """A sentence of [CMI] about CMI-VAE beside beta-VAE at one gamma, and what our numbers say."""

    text: str
    word: str
    numbers: str


WORDS = {
    "eer_z": ("EER(z) at most", -1),
    "eer_s": ("EER(s) at least", 1),
    "information": ("I(z;s) lower than", -1),
}


def claims(results: Results) -> list[Claim]:
    """Each claim at each gamma for which both rows are there: holds, fails, or a tie within the
    spread of the seeds.
    """
    made = []
    slugs = {r.slug for r in results.rows}
    for gamma in dict.fromkeys(r.gamma for r in results.rows if r.objective == "cmi"):
        cmi, beta = (
            next(
                (r.slug for r in results.protocol.rows if (r.objective, r.gamma) == (k, gamma)), ""
            )
            for k in ("cmi", "beta")
        )
        if not {cmi, beta} <= slugs:
            continue
        rates = [results.values(s, "kl_z").mean() for s in (cmi, beta)]
        off = abs(rates[0] - rates[1]) / rates[1]
        matched = (
            f"KL(z) {rates[0]:.1f} against {rates[1]:.1f},"
            f" {'matched' if off <= MATCHED else 'not matched'}"
        )
        for metric, (text, sign) in WORDS.items():
            a, b = results.values(cmi, metric), results.values(beta, metric)
            gain = sign * (a.mean() - b.mean())
            enough = min(len(a), len(b)) >= SEEDS
            error = np.sqrt(sum(v.var(ddof=1) / len(v) for v in (a, b))) if enough else np.inf
            word = (
                "holds"
                if gain > 2 * error
                else (
                    "fails"
                    if gain < -2 * error
                    else "tie, towards it"
                    if gain > 0
                    else "tie, against it"
                )
            )
            made.append(
                Claim(
                    f"gamma {gamma:g}: {text} beta-VAE's",
                    word,
                    f"{_cell(a)} against {_cell(b)}; {matched}",
                )
            )
    return made


def _claims(results: Results) -> str:
    body = [[c.text, f"**{c.word}**", c.numbers] for c in claims(results)]
    if not body:
        return "No gamma has both rows yet."
    return (
        filled(["claim for CMI-VAE", "ours", "numbers"], body)
        + "\n\nA difference of means counts if it is more than two of its standard errors over at"
        " least three seeds; all else is a tie."
    )
