"""What a search found: test queries of different classes with their nearest items."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import shorten

import numpy as np
import torch

from wyner.experiments.figures.files import Data, Files
from wyner.experiments.questions.retrieval import codes
from wyner.experiments.results import Results
from wyner.experiments.study import Row
from wyner.files import write_bytes
from wyner.report.hits import sheet
from wyner.tasks.retrieval import nearest
from wyner.tasks.retrieval.search import unit_rows

QUERIES, HITS = 10, 10
"""Rows and columns of the sheet."""


def hits(found: Results, data: Data, rows: Sequence[Row], distance: str = "cosine") -> Files:
    """The sheet of the first row, right and wrong items marked (Figure 3 of the variational Wyner
    paper); beside the runs where the pictures may not be shown to others.
    """
    cell, dataset = found.cells[rows[0].slug][0], data(rows[0].data)
    test, shown = dataset.sides["test"], dataset.sides["shown"]
    a, b = (torch.from_numpy(c) for c in codes(cell.model(), test))
    if distance == "cosine":
        a, b = unit_rows(a), unit_rows(b)
    rng = np.random.default_rng(0)
    kinds = rng.permutation(np.unique(test.x_labels))[:QUERIES]
    at = np.array([rng.choice(np.flatnonzero(test.x_labels == c)) for c in kinds])
    near = nearest(a[at], b, min(HITS, len(b)), distance, engine="torch").index
    right = test.y_labels[near] == test.x_labels[at][:, None]
    names = [shorten(test.classes[c].replace("_", " "), 20, placeholder="...") for c in kinds]
    made = sheet(shown.x[at], [shown.y[row] for row in near], right, names, 96)
    if dataset.about.get("free"):
        yield "-hits.png", made
    elif cell.folder is not None:
        where = cell.folder.parents[2] / "hits.png"
        write_bytes(where, made)
        print(f"hits: {where} (pictures for research only: not with the results)", flush=True)
