"""The results as Markdown."""

from __future__ import annotations

from typing import Any


def markdown(report: dict[str, Any]) -> str:
    both = [r for r in report["rows"] if "dit" in r["metrics"]]
    rest = [r for r in report["rows"] if "dit" not in r["metrics"]]
    lines = ["# Wyner common information of tables, bits", ""]
    if both:
        lines += [
            "| distribution | truth | wyner | error | CPU s | dit | error | CPU s | as accurate |",
            "|" + " --- |" * 9,
        ]
        for r in both:
            m = r["metrics"]
            mine, theirs = abs(m["wyner"] - m["truth"]), abs(m["dit"] - m["truth"])
            fine = "yes" if mine <= max(theirs, 1e-12) else "NO"
            lines.append(
                f"| {r['settings']['distribution']} | {m['truth']:.6f} | {m['wyner']:.7f} |"
                f" {mine:.1e} | {m['wyner cpu s']:.3f} | {m['dit']:.7f} | {theirs:.1e} |"
                f" {m['dit cpu s']:.2f} | {fine} |"
            )
        total = [sum(r["metrics"][k] for r in both) for k in ("wyner cpu s", "dit cpu s")]
        lines += [
            "",
            (
                f"In total {total[0]:.2f} s against {total[1]:.1f} s of CPU time:"
                f" {total[1] / total[0]:.0f} times faster."
            ),
            "",
        ]
    lines += [
        (
            "| table | truth | J | proven lower bound | lower bound by search | largest misfit |"
            " values of Z | CPU s |"
        ),
        "|" + " --- |" * 8,
    ]
    for r in rest:
        m = r["metrics"]
        truth = "-" if m["truth"] is None else f"{m['truth']:.6f}"
        lines.append(
            f"| {r['settings']['distribution']} | {truth} | {m['wyner']:.6f} |"
            f" {m['wyner lower bound']:.6f} | {m['wyner dual estimate']:.6f} |"
            f" {m['wyner violation']:.1e} | {m['values of z']} | {m['wyner cpu s']:.1f} |"
        )
    lines += [
        "",
        (
            "J is the rate of a decomposition that fits the table to rounding, hence an upper"
            " bound; errors below 1e-12 count as equal."
        ),
        "",
        f"`{report['command']}`, seed 0; {report['device']}; wall {report['wall_s']:.0f} s; "
        + ", ".join(f"{k} {v}" for k, v in report["versions"].items())
        + ".",
        "",
    ]
    return "\n".join(lines)
