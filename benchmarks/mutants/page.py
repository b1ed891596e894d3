"""The score by package and the list of survivors, as JSON and as a page."""

from __future__ import annotations

import json
import platform
import subprocess
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

ARGUED = Path(__file__).with_name("equivalent.json")
"""Survivors that no test can tell from the original, by what was and what is, with the reason."""


def write(out: Path, results: list[dict[str, Any]], command: str) -> None:
    """Writes mutants.json and mutants.md."""
    argued = json.loads(ARGUED.read_text()) if ARGUED.exists() else {}
    for r in results:
        if r["outcome"] == "survived" and (why := argued.get(f"{r['was']} -> {r['is']}")):
            r.update(outcome="equivalent", why=why)
    areas: dict[str, list[str]] = defaultdict(list)
    for r in results:
        areas[r["name"].split("/")[1]].append(r["outcome"])
    areas["all"] = [r["outcome"] for r in results]
    lines = [
        "# Mutants: does a test fail when one token of the mathematics is changed?",
        "",
        f"`{command}`; sampled uniformly from all mutants that cosmic-ray makes of these packages,"
        " without operators that change annotations and names of errors.",
        "",
        "| package | mutants | killed | equivalent | survived | killed of those that differ |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for area, outcomes in areas.items():
        killed, same = outcomes.count("killed"), outcomes.count("equivalent")
        share = killed / max(1, len(outcomes) - same)
        counts = f"{len(outcomes)} | {killed} | {same} | {outcomes.count('survived')}"
        lines.append(f"| {area} | {counts} | {share:.3f} |")
    for title, outcome in (("Survivors", "survived"), ("Equivalent", "equivalent")):
        lines += ["", f"## {title}", ""]
        for r in (r for r in results if r["outcome"] == outcome):
            why = f": {r['why']}" if "why" in r else ""
            lines.append(f"* `{r['name']}`: `{r['was']}` → `{r['is']}`{why}")
    out.mkdir(parents=True, exist_ok=True)
    about = {
        "command": command,
        "commit": subprocess.check_output(["git", "rev-parse", "HEAD"], text=True).strip(),
        "versions": {"python": platform.python_version(), "cosmic_ray": version("cosmic_ray")},
    }
    about["seconds"] = round(sum(r["seconds"] for r in results))
    text = json.dumps({**about, "mutants": results}, indent=1, ensure_ascii=False)
    (out / "mutants.json").write_text(text + "\n")
    (out / "mutants.md").write_text("\n".join(lines) + "\n")
