"""What the measurements become: rows with ratios and verdicts, the printed text, the table beside
the JSON file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.peers.turns import Windows, ratio

PEER, HAND = "MultiVae", "by hand"
TARGETS = {
    256: {
        "JMVAE": {"eager": 1.5, "compiled": 1.65},
        "ten seeds": {"eager": 1.7, "compiled": 1.7},
        "DMVAE": {"eager": 1.75},
        "joint nll": {"eager": 2.7},
    },
    64: {"ten seeds": {"eager": 6.0, "compiled": 6.0}, "joint nll": {"eager": 7.0}},
}
"""Smallest ratios MultiVae / ours, by hidden width, part and mode."""


def compare(part: str, windows: Mapping[str, Windows], width: int) -> list[dict[str, Any]]:
    """One row for each contender, with MultiVae / contender."""
    rows = []
    for name, w in windows.items():
        many = name.startswith("ten seeds")
        label, mode = ("ten seeds", name.split(", ")[1]) if many else (part, name)
        target = TARGETS.get(width, {}).get(label, {}).get(mode)
        found = ratio(windows[PEER].cpu, w.cpu)
        rows.append(
            {
                "part": label,
                "who": mode,
                **w.summary(),
                "ratio": found,
                "wall_ratio": ratio(windows[PEER].wall, w.wall),
                "target": target,
                "met": None if target is None else found["median"] >= target,
            }
        )
    return rows


def who(row: Mapping[str, Any]) -> str:
    return row["who"] if row["who"].startswith((PEER, HAND)) else f"wyner, {row['who']}"


def verdict(row: Mapping[str, Any]) -> str:
    return "" if row["met"] is None else "met" if row["met"] else "missed"


def text(report: Mapping[str, Any]) -> Iterator[str]:
    """Lines for the terminal."""
    yield "training loss, equal parameters and draws"
    for name, v in report["losses"].items():
        yield (
            f"  {name}: ours {v['ours']:.4f}, {PEER} {v[PEER]:.4f}, relative difference"
            f" {v['relative difference']:.1e}"
        )
    yield "\nlinear-Gaussian models, -log p in nats per pair, 200 pairs, 1000 samples"
    for name, values in report["known"].items():
        yield from (f"  {name}, {what:<36} {value:12.4f}" for what, value in values.items())
    for width, part in report["widths"].items():
        yield f"\nthree hidden layers of {width}: CPU ms of a step and model, or of an evaluation"
        yield (
            f"{'':<34} {'median':>9} {'min':>9} {'max':>9} {'wall':>9} {PEER + ' / it':>14}"
            f" {'quartiles':>15} {'wall':>6}  target"
        )
        for r in part["rows"]:
            cpu, found = r["cpu_ms"], r["ratio"]
            aim = (
                ""
                if r["target"] is None
                else f"{r['target']:6.2f} {verdict(r).upper() if not r['met'] else verdict(r)}"
            )
            yield (
                f"{r['part'] + ': ' + who(r):<34} {cpu['median']:9.3f} {cpu['min']:9.3f}"
                f" {cpu['max']:9.3f} {r['wall_ms']['median']:9.3f} {found['median']:14.3f}"
                f" {found['low']:7.3f} - {found['high']:<5.3f} {r['wall_ratio']['median']:6.2f}"
                f" {aim}"
            )


def markdown(report: Mapping[str, Any]) -> str:
    """The tables of the results page."""
    lines = [
        "# wyner and MultiVae, one thread",
        "",
        f"`{report['command']}`, seed {report['seed']}, {report['date']}; {report['cpu']},"
        f" {report['cores']} cores, one thread; {report['seconds']:.0f} s; a (100 x 256)(256 x 256)"
        f" product runs at {report['yardstick_gflops']} GFLOP/s. "
        + ", ".join(f"{k} {v}" for k, v in report["versions"].items())
        + ".",
        "",
        (
            f"Ratio: {PEER} / it, median over windows in turn, with quartiles; CPU time of the"
            " process, wall time beside it. Ten seeds: time per model."
        ),
        "",
    ]
    for width, part in report["widths"].items():
        lines += [
            f"## Three hidden layers of {width}",
            "",
            "| | CPU ms | ratio | quartiles | wall ratio | epochs a minute | target | |",
            "|---|---:|---:|---:|---:|---:|---:|---|",
        ]
        for r in part["rows"]:
            found, aim = r["ratio"], "" if r["target"] is None else f"{r['target']:.2f}"
            lines.append(
                f"| {r['part']}: {who(r)} | {r['cpu_ms']['median']:.2f} | {found['median']:.2f} |"
                f" {found['low']:.2f} - {found['high']:.2f} | {r['wall_ratio']['median']:.2f} |"
                f" {r.get('epochs_per_minute', '')} | {aim} | {verdict(r)} |"
            )
        lines.append("")
    lines += [
        "## Values",
        "",
        "| training loss, equal parameters and draws | wyner | MultiVae |",
        "|---|---:|---:|",
    ]
    lines += [
        f"| {name} | {v['ours']:.5f} | {v[PEER]:.5f} |" for name, v in report["losses"].items()
    ]
    lines += ["", "| linear-Gaussian model, -log p, nats per pair | |", "|---|---:|"]
    for name, values in report["known"].items():
        lines += [f"| {name}, {what} | {value:.4f} |" for what, value in values.items()]
    return "\n".join(lines) + "\n"
