"""What a user would take instead: others' estimators of I on the same samples. Nats.

scikit-learn   `mutual_info_regression`, `mutual_info_classif`, `mutual_info_score`: nearest
               neighbours (Kraskov et al. 2004; Ross 2014) or the plug-in value; one column a side
KSG            of `infomeasure` (optional), for sides of numbers with any columns
MINE-like      a critic trained on all rows and evaluated on them (Belghazi et al. 2018)

None of them prints an interval. What a user would write down is taken: value -+ 2 standard errors,
from ten samples that leave out a tenth each, from the local values, from the terms of the bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from wyner.estimation.critic import bounds, inputs, train
from wyner.estimation.rows import Estimate, row_as_json
from wyner.estimation.samples import Sample, read

KEPT = ("estimator", "quantity", "value", "interval", "kind")
"""What is kept of an estimate where only answers are."""
PARTS, ROWS, LEARN = 10, 2000, (200, 1000)
"""Parts that are left out in turn; rows of KSG at most; rows that a critic is trained on."""


def others(x: Any, y: Any) -> list[dict[str, Any]]:
    """Their estimates of I, as rows."""
    sample, found = read(x, y), []
    for name, run in PEERS.items():
        if (number := run(sample)) is not None:
            value, error = number
            interval = value - 2 * error, value + 2 * error
            row = row_as_json(Estimate(name, "I", value, interval, "estimate"))
            found.append(
                {k: row[k] for k in ("estimator", "quantity", "value", "interval", "kind")}
            )
    return found


def by_sklearn(sample: Sample) -> tuple[float, float] | None:
    """The function that fits the kinds of one column a side."""
    from sklearn.feature_selection import mutual_info_classif, mutual_info_regression
    from sklearn.metrics import mutual_info_score

    x, y = sample.x, sample.y
    if any(
        s.columns is not None or s.values.reshape(len(s.values), -1).shape[1] > 1 for s in (x, y)
    ):
        return None
    a, b = x.values.reshape(-1), y.values.reshape(-1)

    def value(rows: np.ndarray) -> float:
        if sample.kind == "discrete":
            return float(mutual_info_score(a[rows], b[rows]))
        if y.discrete:
            return float(mutual_info_classif(a[rows, None], b[rows], random_state=0)[0])
        if x.discrete:
            return float(mutual_info_classif(b[rows, None], a[rows], random_state=0)[0])
        return float(mutual_info_regression(a[rows, None], b[rows], random_state=0)[0])

    every = np.arange(len(a))
    parts = [value(every[every % PARTS != k]) for k in range(PARTS)]
    return value(every), math.sqrt((PARTS - 1) * float(np.var(parts)))


def by_ksg(sample: Sample) -> tuple[float, float] | None:
    """KSG with 4 neighbours, where `infomeasure` is installed."""
    try:
        import infomeasure
    except ImportError:
        return None
    if sample.kind != "continuous" or len(sample) > ROWS:
        return None
    made = infomeasure.estimator(
        sample.x.values, sample.y.values, measure="mi", approach="metric", k=4
    )
    error = float(np.std(made.local_vals())) / math.sqrt(len(sample))
    return float(made.global_val()), error


def by_mine(sample: Sample) -> tuple[float, float] | None:
    """A critic's bound on the rows that it was trained on."""
    if sample.kind == "discrete" or len(sample) not in LEARN:
        return None
    x, y = inputs(sample)
    found = bounds(train(x, y, sample.seed).scores(x, y))["DV"]
    return found.value, found.error


PEERS: dict[str, Callable[[Sample], tuple[float, float] | None]] = {
    "scikit-learn": by_sklearn,
    "KSG": by_ksg,
    "MINE-like": by_mine,
}
"""By name; None where an estimator does not fit."""
