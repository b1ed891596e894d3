"""Figures: error rates and shared information along the rate of z; spectra of voices that were
exchanged.

We do not have the paper's figures; ours show what its text draws from them: how EER(z), EER(s)
(Figure 3) and I(z;s) (Figure 4) move with KL(z) for both objectives.
"""

from __future__ import annotations

from pathlib import Path

from wyner.canvas import DATA, LINES, dress, figure, legend, png, vector
from wyner.experiments.dsae.table import Results
from wyner.files import write_bytes

SHOWN = {
    "beta": ("beta-VAE", LINES[0], "o"),
    "cmi": ("CMI-VAE", LINES[1], "s"),
    "elbo": ("ELBO", DATA, "D"),
}
AXES = {
    "eer_z": "EER of z, percent (low is better)",
    "eer_s": "EER of s, percent (high is better)",
    "information": "I(z;s), nats",
}


def draw_all(folder: Path, results: Results) -> list[Path]:
    """Writes `PROTOCOL-rates.png` and `.pdf`."""
    made = figure(9.6, 3.2)
    for ax, (metric, label) in zip(made.subplots(1, 3), AXES.items(), strict=True):
        dress(ax, "KL(z), nats", label)
        for kind, (name, colour, marker) in SHOWN.items():
            rows = [r for r in results.rows if r.objective == kind]
            x = [results.values(r.slug, "kl_z") for r in rows]
            y = [results.values(r.slug, metric) for r in rows]
            if not rows:
                continue
            for a, b in zip(x, y, strict=True):
                ax.plot(a, b, marker, color=colour, ms=3, alpha=0.45, mec="none")
            ax.plot(
                [a.mean() for a in x],
                [b.mean() for b in y],
                marker=marker,
                ms=6,
                color=colour,
                lw=1.2,
                label=name,
            )
            for r, a, b in zip(rows, x, y, strict=True):
                if r.gamma:
                    ax.annotate(
                        f"{r.gamma:g}",
                        (a.mean(), b.mean()),
                        xytext=(5, 4),
                        textcoords="offset points",
                        fontsize=7,
                        color=colour,
                    )
    legend(made.axes[0])
    paths = [folder / f"{results.protocol.name}-rates.{kind}" for kind in ("png", "pdf")]
    write_bytes(paths[0], png(made))
    write_bytes(paths[1], vector(made, "pdf"))
    return paths
