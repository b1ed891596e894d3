"""Tables 4 and 5 beside the published ones, as Markdown and as JSON, and the paper's claims one by
one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wyner.data import Dataset
from wyner.experiments.legacy.stats import spread
from wyner.experiments.markdown import grid
from wyner.experiments.pixelcnn.plan import KINDS, NAME, SETS, Protocol, Row
from wyner.experiments.pixelcnn.run import Result
from wyner.files import write_bytes, write_json
from wyner.runs import command, device_name, versions

COLUMNS = {
    "nelbo": "-ELBO",
    "kl": "KL(z)",
    "recon": "Recon",
    "mCAS": "mCAS",
    "AoLR": "AoLR",
    "mCAS_SVM": "mCAS(SVM)",
    "AoSVM": "AoSVM",
    "information": "I(z;s)",
}
"""In the order of the paper."""
NATS = ("nelbo", "kl", "recon", "information")
CLAIMS = (
    ("AoLR", "above", "higher accuracy of labels read from z"),
    ("mCAS", "above", "higher accuracy of classifiers that learn from draws (mostly)"),
    ("information", "below", "less information that z and s share"),
)
"""Of CMI-VAE, against both others at the same gamma."""


def write(
    folder: Path, plan: Protocol, results: Sequence[Result], sets: Mapping[str, Dataset]
) -> None:
    """Writes `PROTOCOL.json` and `PROTOCOL.md`."""
    ordered = sorted(
        results,
        key=lambda r: (
            list(SETS).index(r.row.data),
            r.row.gamma,
            list(KINDS).index(r.row.kind),
            r.seed,
        ),
    )
    write_json(folder / f"{plan.name}.json", as_json(plan, ordered, sets))
    write_bytes(folder / f"{plan.name}.md", markdown(plan, ordered, sets).encode())


def as_json(
    plan: Protocol, results: Sequence[Result], sets: Mapping[str, Dataset]
) -> dict[str, Any]:
    """One entry a trained model."""
    rows = [
        {
            "model": "PixelCNNVAE",
            "settings": {
                "data": r.row.data,
                "objective": r.row.kind,
                "gamma": r.row.gamma,
                "row": r.row.slug,
            },
            "seed": r.seed,
            "metrics": r.metrics,
            "published": r.row.published,
            "seconds": round(r.seconds, 1),
        }
        for r in results
    ]
    return {
        "experiment": NAME,
        "protocol": plan.name,
        "command": command(),
        "versions": versions(),
        "device": device_name(),
        "wall_s": round(sum(r.seconds for r in results), 1),
        "data": {k: d.source for k, d in sets.items()},
        "settings": {
            "model": dict(plan.model),
            "networks": dict(plan.networks),
            "fit": dict(plan.fit),
            "measure": dict(plan.measure),
        },
        "rows": rows,
        "claims": [{"text": t, "verdict": v, "numbers": n} for t, v, n in claims(results)],
    }


def markdown(plan: Protocol, results: Sequence[Result], sets: Mapping[str, Dataset]) -> str:
    """The tables, the claims and how to read them."""
    parts = [f"# {plan.title}, {plan.name} protocol", _caption(plan, results)]
    for name, dataset in sets.items():
        some = [r for r in results if r.row.data == name]
        if some:
            parts += [
                f"## {SETS[name]} (`{dataset.name}`), ours / published",
                _table(some),
                _baseline(some),
            ]
    parts += ["## The paper's claims at equal gamma, one by one", _claims(results)]
    parts += ["## Notes", "\n".join(f"* {n}" for n in plan.notes)]
    made = ", ".join(f"{k} {v}" for k, v in versions().items())
    parts.append(
        f"`{command()}`; {device_name()}; {sum(r.seconds for r in results) / 60:.1f} minutes of"
        f" training (wall clock); {made}."
    )
    return "\n\n".join(parts) + "\n"


def _caption(plan: Protocol, results: Sequence[Result]) -> str:
    done = len({r.row.slug for r in results})
    rest = (
        f" {done} of {len(plan.rows)} rows so far; the same command without --rows trains the"
        " others."
        if done < len(plan.rows)
        else ""
    )
    return (
        'Tables 4 and 5 of "Information Theoretic Regularization for Learning Global Features by'
        ' Sequential VAE". -ELBO, KL(z), Recon and '
        f"I(z;s) in nats a picture, the rest shares of test pictures. Mean over {plan.seeds}"
        f" seed{'s' * (plan.seeds > 1)}.{rest}"
    )


def _mean(results: Sequence[Result], row: Row, metric: str) -> float | None:
    found = spread([r.metrics[metric] for r in results if r.row == row and metric in r.metrics])
    return None if found is None else found.mean


def _table(results: Sequence[Result]) -> str:
    body = []
    for row in dict.fromkeys(r.row for r in results):
        cells = []
        for metric in COLUMNS:
            digits = 2 if metric in NATS else 3
            both = (_mean(results, row, metric), row.published.get(metric))
            cells.append(" / ".join("-" if v is None else f"{v:.{digits}f}" for v in both))
        body.append([f"{row.gamma:g}", row.label, *cells])
    return grid(["gamma", "model", *COLUMNS.values()], body)


def _baseline(results: Sequence[Result]) -> str:
    m = results[0].metrics
    return (
        f"Baseline of mCAS, the same classifiers on the 100 real pictures: {m['baseline']:.3f}, SVM"
        f" {m['baseline_SVM']:.3f}. Accuracy of guessing: 0.1."
    )


def claims(results: Sequence[Result]) -> list[tuple[str, str, str]]:
    """Sentence, verdict and numbers of every claim at every gamma of every data set."""
    found = []
    for data, gamma in dict.fromkeys(
        (r.row.data, r.row.gamma) for r in results if r.row.kind == "cmi"
    ):
        for metric, relation, text in CLAIMS:
            ours = {k: _mean(results, Row(data, k, gamma), metric) for k in ("cmi", "beta", "mi")}
            theirs = {k: Row(data, k, gamma).published.get(metric) for k in ("cmi", "beta", "mi")}
            holds = _verdict(ours, relation)
            if holds is not None:
                shown = "; ".join(
                    f"{who} {_shown(v)}"
                    for who, v in (("ours", ours), ("published", theirs))
                    if v["cmi"] is not None
                )
                found.append((f"{SETS[data]}, gamma {gamma:g}: CMI-VAE has {text}", holds, shown))
    return found


def _verdict(values: Mapping[str, float | None], relation: str) -> str | None:
    own, others = values["cmi"], {k: v for k, v in values.items() if k != "cmi" and v is not None}
    if own is None or not others:
        return None
    better: Callable[[float], bool] = (
        (lambda v: own > v) if relation == "above" else (lambda v: own < v)
    )
    won = [k for k, v in others.items() if better(v)]
    if len(won) == len(others):
        return "holds"
    return f"against {KINDS[won[0]]} only" if won else "does not hold"


def _shown(values: Mapping[str, float | None]) -> str:
    return ", ".join(f"{KINDS[k]} {v:.3f}" for k, v in values.items() if v is not None)


def _claims(results: Sequence[Result]) -> str:
    found = claims(results)
    if not found:
        return "None yet: a claim needs a CMI-VAE and another model of the same gamma."
    seeds = {r.seed for r in results}
    note = "" if len(seeds) > 1 else " One seed: differences of a percent say little."
    return (
        grid(["claim", "verdict", "numbers"], [[t, f"**{v}**", n] for t, v, n in found])
        + f"\n\nMeans are compared as they are.{note}"
    )
