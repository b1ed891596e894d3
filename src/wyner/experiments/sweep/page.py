"""A sweep's results as files: JSON, Markdown, a figure; and the page from its JSON again."""

from __future__ import annotations

from pathlib import Path

from wyner.experiments.figures.files import files
from wyner.files import read_json, write_bytes, write_json
from wyner.report.sweep import CRITERION, ArmResult, Outcome, figure_of, markdown

SWEEP = "sweep.json"


def write(found: Outcome, figures: bool) -> None:
    """Writes `sweep.json`, `sweep.md`, `sweep.png` and `sweep.pdf` into the folder of the sweep."""
    rows, values, name = [], [], found.about["model"].get("name", "WynerVAE")
    for a in found.arms:
        for m in a.members:
            about = {"model": name, "settings": a.values, "state": a.state}
            rows.append(about | {"seed": m["seed"], "metrics": m["metrics"]})
        spreads = {k: {"mean": v.mean, "std": v.std, "n": v.n} for k, v in a.spreads.items()}
        values.append({"values": a.values, "state": a.state, "why": a.why, "metrics": spreads})
    picked = {"best": found.best.values, "chosen": found.chosen.values}
    every = {**found.about, "criterion": CRITERION, **picked, "values": values, "rows": rows}
    write_json(found.folder / SWEEP, every)
    write_bytes(found.folder / "sweep.md", markdown(found).encode())
    if figures:
        for name, content in files("", figure_of(found)):
            write_bytes(found.folder / f"sweep{name}", content)


def redraw(out: Path) -> list[Path]:
    """The page of a sweep that was kept as results, from its JSON."""
    path = out / "sweep" / SWEEP
    if not path.exists():
        return []
    kept = read_json(path)
    of_value = lambda v: [r for r in kept["rows"] if r["settings"] == v["values"]]
    arms = [ArmResult(v["values"], v["state"], v["why"], of_value(v)) for v in kept["values"]]
    of = {str(a.values): a for a in arms}
    best, chosen = of[str(kept["best"])], of[str(kept["chosen"])]
    page = path.with_suffix(".md")
    write_bytes(page, markdown(Outcome(arms, best, chosen, path.parent, kept)).encode())
    return [page]
