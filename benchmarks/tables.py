"""Small real tables: what the default `fit` predicts of one view from another, beside RidgeCV and
logistic regression, and what z says of labels, beside PCA, PLS and CCA of its size.

Run: python -m benchmarks.tables [--tables wine,diabetes] [--out results/tables]
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn import datasets
from sklearn.cross_decomposition import CCA, PLSCanonical
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.model_selection import KFold, StratifiedKFold

import wyner
from wyner.models import WynerVAE
from wyner.training.linear_start import start_at_linear_optimum
from wyner.training.recipe import completed
from wyner.training.rows import rows_of

FOLDS = 5
CITE_SEQ = "CITE-seq (RNA, proteins)"
ALPHAS = np.logspace(-3, 5, 17)
"""Of RidgeCV, far wider than scikit-learn's default."""


@dataclass(frozen=True)
class Table:
    """Views `(N, d)` by name, labels `(N,)` or None, and views that are classes."""

    views: dict[str, np.ndarray]
    label: np.ndarray | None = None
    classes: tuple[str, ...] = ()


def halves(n: int) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Columns before the n-th, and the others."""
    return lambda x: {"x": x[:, :n], "y": x[:, n:]}


def digits() -> Table:
    x, label = datasets.load_digits(return_X_y=True)
    return Table(halves(32)(x), label)


def wine() -> Table:
    x, label = datasets.load_wine(return_X_y=True)
    return Table(halves(7)(x), label)


def breast_cancer() -> Table:
    x, label = datasets.load_breast_cancer(return_X_y=True)
    return Table({"mean": x[:, :10], "error": x[:, 10:20], "worst": x[:, 20:]}, label)


def linnerud() -> Table:
    x, y = datasets.load_linnerud(return_X_y=True)
    return Table({"x": x, "y": y})


def diabetes() -> Table:
    return Table(halves(4)(datasets.load_diabetes(return_X_y=True)[0]))


def wine_classes() -> Table:
    x, label = datasets.load_wine(return_X_y=True)
    return Table({"x": x, "y": label}, classes=("y",))


def cancer_classes() -> Table:
    x, label = datasets.load_breast_cancer(return_X_y=True)
    return Table({"x": x, "y": label}, classes=("y",))


def cite_seq() -> Table:
    folder = Path(os.environ["WYNER_DATA_DIR"]) / "omics" / "citefuse_pbmc500.npz"
    with np.load(folder, allow_pickle=False) as z:
        rna, adt = z["rna"], z["adt"]
    scaled = np.log1p(1e4 * rna / rna.sum(1, keepdims=True))
    return Table({"rna": scaled, "adt": np.log1p(adt)})


TABLES: dict[str, Callable[[], Table]] = {
    "digits (two halves)": digits,
    "wine (7 + 6 columns)": wine,
    "breast cancer (mean, error, worst)": breast_cancer,
    "diabetes (4 + 6 columns)": diabetes,
    "linnerud (3 + 3 columns)": linnerud,
    "wine and its class": wine_classes,
    "breast cancer and its class": cancer_classes,
}


def prepared(table: Table, train: np.ndarray, test: np.ndarray) -> tuple[dict, dict, dict]:
    """Training rows, test rows and spaces; real columns standardised on the training rows."""
    a, b, spaces = {}, {}, {}
    for name, x in table.views.items():
        if name in table.classes:
            a[name], b[name] = x[train], x[test]
            spaces[name] = wyner.Categorical(1, int(x.max()) + 1)
            continue
        mean, deviation = x[train].mean(0), x[train].std(0)
        deviation = np.where(deviation > 0, deviation, 1)
        a[name], b[name] = ((x[i] - mean) / deviation for i in (train, test))
        a[name], b[name] = a[name].astype(np.float32), b[name].astype(np.float32)
        spaces[name] = wyner.Real(x.shape[1])
    return a, b, spaces


def score(table: Table, name: str, truth: np.ndarray, found: np.ndarray) -> float:
    """Accuracy of classes; R2 over all standardised columns of numbers."""
    if name in table.classes:
        return float(np.mean(np.asarray(found).reshape(len(truth), -1).argmax(1) == truth))
    return float(1 - np.square(truth - found).sum() / np.square(truth - truth.mean(0)).sum())


def one_hot(table: Table, name: str, x: np.ndarray) -> np.ndarray:
    """What linear methods read of a view."""
    return np.eye(int(table.views[name].max()) + 1)[x] if name in table.classes else x


def linear(table: Table, a: str, b: str, train: dict, test: dict) -> float:
    """RidgeCV, or cross-validated logistic regression."""
    x, tx = one_hot(table, a, train[a]), one_hot(table, a, test[a])
    if b in table.classes:
        found = LogisticRegressionCV(Cs=10, max_iter=5000).fit(x, train[b])
        return float(found.score(tx, test[b]))
    return score(table, b, test[b], RidgeCV(ALPHAS).fit(x, train[b]).predict(tx))


def model_for(spaces: Mapping[str, Any]) -> WynerVAE:
    """The Wyner VAE as the command line makes it: sizes by the widths of the views."""
    widths = [s.size for s in spaces.values()]
    sizes: dict[str, Any] = {"z": min(10, max(widths)), "local": min(10, min(widths))}
    return WynerVAE(dict(spaces), **sizes)


def directions(names: list[str]) -> list[tuple[str, str]]:
    return [(a, b) for a in names for b in names if a != b]


def fold(table: Table, train_rows: np.ndarray, test_rows: np.ndarray) -> dict[str, Any]:
    """Everything that is measured on one fold."""
    train, test, spaces = prepared(table, train_rows, test_rows)
    begin = time.monotonic()
    run = wyner.fit(model_for(spaces), train, seed=0, progress=False)
    seconds = time.monotonic() - begin
    plain = model_for(spaces)
    plain.initialise(0, **completed(plain))
    start_at_linear_optimum(plain, rows_of(plain, train, tuple(spaces)), 0)
    found: dict[str, Any] = {"seconds": seconds, "directions": {}, "labels": {}}
    for a, b in directions(list(spaces)):
        translated = [
            score(table, b, test[b], m.translate({a: test[a]}, to=b, means=True)[0])
            for m in (run.model, plain)
        ]
        ours = dict(zip(("fit", "step 0"), translated, strict=True))
        found["directions"][f"{a} -> {b}"] = {**ours, "linear": linear(table, a, b, train, test)}
    if table.label is not None:
        labels = table.label[train_rows], table.label[test_rows]
        for name, pair in codes(run.model, plain, train, test).items():
            probe = LogisticRegressionCV(Cs=10, max_iter=5000).fit(pair[0], labels[0])
            found["labels"][name] = float(probe.score(pair[1], labels[1]))
    return found


def codes(model: Any, plain: Any, train: dict, test: dict) -> dict[str, tuple[Any, Any]]:
    """Training and test rows as z of the model, and as components of PCA, PLS and CCA."""
    k = model.latent["z"].size
    first, *rest = train
    sides = [(d[first], np.concatenate([d[n] for n in rest], 1)) for d in (train, test)]
    both = [np.concatenate(s, 1) for s in sides]
    pca = PCA(k).fit(both[0])
    found = {
        "z": tuple(m.numpy() for m in (model.encode(d)["z"].mean for d in (train, test))),
        "z at step 0": tuple(m.numpy() for m in (plain.encode(d)["z"].mean for d in (train, test))),
        "PCA": tuple(pca.transform(b) for b in both),
    }
    for name, kind in (("PLS", PLSCanonical), ("CCA", CCA)):
        most = min(k, *(s.shape[1] for s in sides[0]))
        keep = [s[:, sides[0][i].std(0) > 0] for i, s in enumerate(sides[0])]
        there = [sides[0][i].std(0) > 0 for i in (0, 1)]
        made = kind(most, max_iter=1000).fit(*keep)
        found[name] = tuple(
            sum(made.transform(s[0][:, there[0]], s[1][:, there[1]])) / 2 for s in sides
        )
    return found


def measured(name: str) -> dict[str, Any]:
    """All folds of a table."""
    table = TABLES[name]()
    rows = len(next(iter(table.views.values())))
    strata = table.label if not table.classes else table.views[table.classes[0]]
    kind = KFold if strata is None else StratifiedKFold
    split = kind(FOLDS, shuffle=True, random_state=0).split(np.zeros(rows), strata)
    folds = [fold(table, *where) for where in split]
    return {"table": name, "rows": rows, "folds": folds}


def summary(result: Mapping[str, Any]) -> dict[str, Any]:
    """Means over the folds, and standard errors of differences that are paired by fold."""
    folds, found = result["folds"], dict[str, Any]()
    for direction in folds[0]["directions"]:
        of = {k: np.array([f["directions"][direction][k] for f in folds]) for k in LINES}
        found[direction] = {k: [float(v.mean()), float(v.std(ddof=1))] for k, v in of.items()}
    labels = {
        k: [float(np.mean(v)), float(np.std(v, ddof=1))]
        for k in folds[0]["labels"]
        for v in [[f["labels"][k] for f in folds]]
    }
    seconds = [f["seconds"] for f in folds]
    return {"directions": found, "labels": labels, "seconds": float(np.mean(seconds))}


LINES = ("linear", "fit", "step 0")


def markdown(results: list[dict[str, Any]]) -> str:
    """The page."""
    lines = [
        "# Small real tables",
        "",
        "Mean +- standard deviation over five folds. R2 over all standardised columns of the view"
        " that is predicted, accuracy of classes; `linear` is RidgeCV (17 penalties) or"
        " cross-validated logistic regression on the same training rows. `step 0` is the closed"
        " form by itself, `fit` is `wyner.fit(model, rows)` with nothing else chosen. Seconds are"
        " wall time, with whatever else the machine does.",
        "",
        "| table (rows, seconds a fit) | direction | linear | fit | step 0 | fit / linear |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    good = total = 0
    for r in results:
        s = summary(r)
        for direction, of in s["directions"].items():
            shown = [f"{of[k][0]:.3f} +- {of[k][1]:.3f}" for k in LINES]
            base, ours = of["linear"][0], of["fit"][0]
            good, total = good + (ours >= base), total + 1
            ratio = f"{ours / base:.3f}" if base > 0 else "-"
            title = f"{r['table']} ({r['rows']}, {s['seconds']:.0f} s)"
            lines.append(f"| {title} | {direction} | {' | '.join(shown)} | {ratio} |")
    lines += ["", f"`fit` is at least `linear` in {good} of {total} directions.", ""]
    lines += ["| labels from components of one size | " + " | ".join(CODES) + " |"]
    lines += ["| --- |" + " --- |" * len(CODES)]
    for r in results:
        if of := summary(r)["labels"]:
            shown = [f"{of[k][0]:.3f} +- {of[k][1]:.3f}" for k in CODES]
            lines.append(f"| {r['table']} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


CODES = ("z", "z at step 0", "PCA", "PLS", "CCA")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", help="beginnings of their names, separated by commas")
    parser.add_argument("--out", type=Path, default=Path("results/tables"))
    args = parser.parse_args()
    tables = dict(TABLES)
    if "WYNER_DATA_DIR" in os.environ:
        TABLES[CITE_SEQ] = tables[CITE_SEQ] = cite_seq
    asked = args.tables.split(",") if args.tables else [""]
    names = [n for n in tables if any(n.startswith(a) for a in asked)]
    warnings.filterwarnings("ignore", module="sklearn")
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "tables.json"
    found = {r["table"]: r for r in json.loads(path.read_text())} if path.exists() else {}
    for name in names:
        found[name] = measured(name)
        print(markdown([found[name]]), flush=True)
        results = [found[n] for n in [*tables, *found] if n in found]
        results = list({r["table"]: r for r in results}.values())
        path.write_text(json.dumps(results, indent=1) + "\n")
        (args.out / "tables.md").write_text(markdown(results))


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    main()
