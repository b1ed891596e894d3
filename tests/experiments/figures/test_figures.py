"""Figures of a table of pictures: sheets, curves over lambda; completions of halves; curves."""

from __future__ import annotations

import dataclasses
import io
import json

import numpy as np
import pytest
from PIL import Image as Pillow

from oracle.samples import faces
from wyner.data import Dataset, load
from wyner.errors import OptionError
from wyner.experiments import grammar
from wyner.experiments.figures import draw_all, lambdas
from wyner.experiments.figures.lambdas import lambda_of
from wyner.experiments.results import Results, as_json
from wyner.experiments.store import Cell
from wyner.experiments.table import markdown
from wyner.report.facts import Facts
from wyner.report.samples import sample_sheets
from wyner.training.probe import curve

STUDY = """
title = "Faces"
source = "a table"
seeds = 1
chosen_on = "nothing"
[[data]]
name = "mog"
[networks]
kind = "Convolutional"
hidden = [4]
width = 1
blocks = 1
[fit]
epochs = 1
[questions.attributes]
images = 10
[figures.lambda]
rows = ["wyner-0", "wyner-0.1"]
flat = ["jvae"]
[figures.sheets]
rows = ["jvae", "wyner-0", "cvae"]
turned = ["Male", "Pale"]
[[rows]]
label = "JVAE"
slug = "jvae"
model = { name = "JVAE", w = 2 }
published = { attributes = [0.88], variance = [0.007, 0.001] }
[[rows]]
label = "Wyner VAE (lambda = 0)"
slug = "wyner-0"
model = { name = "WynerVAE", z = 2, u = 0, v = 2, alpha = 1.0, lam = 0.0 }
published = { attributes = [0.89] }
[[rows]]
label = "Wyner VAE (lambda = 0.1)"
slug = "wyner-0.1"
[rows.model]
name = "WynerVAE"
z = 2
u = 0
v = 2
alpha = 1.0
lam = { knots = [[0.0, 1.0], [1.0, 0.1]] }
[[rows]]
label = "CVAE"
slug = "cvae"
model = { name = "CVAE", v = 2 }
"""


@pytest.fixture
def trained(tmp_path) -> tuple[Results, Dataset]:
    study, data = grammar.parse(STUDY, "faces"), faces()
    numbers = {"jvae": 0.5, "wyner-0": 0.6, "wyner-0.1": 0.7}
    cells = {}
    for row in study.rows:
        row.experiment({"name": "faces"}).build(data).save(tmp_path / row.slug)
        metrics = {"variance": 0.01}
        metrics |= {"attributes": numbers[row.slug]} if row.slug in numbers else {}
        cells[row.slug] = [Cell(row, 0, tmp_path / row.slug, metrics)]
    return Results(study, cells, {"": Facts.of(data)}), data


def some(found: Results, **figures) -> Results:
    return dataclasses.replace(found, study=dataclasses.replace(found.study, figures=figures))


def test_sheets_of_attributes_and_faces(trained):
    found, data = trained
    shown = [r for r in found.rows if r.slug in ("jvae", "wyner-0", "cvae")]
    models = {r.label: found.cells[r.slug][0].model() for r in shown}
    made = sample_sheets(models, data, ["Male", "Pale"])
    names = {"x-to-y", "y-to-x", "style-of-y", "reconstructions", "joint-style", "turned"}
    assert set(made) == names
    heads = {name: [h for *_, h in grid.heads] for name, grid in made.items()}
    assert heads["x-to-y"] == ["given", "true", "JVAE", "Wyner VAE (lambda = 0)", "CVAE"]
    # a CVAE has one direction
    assert heads["y-to-x"] == ["given", "true", "JVAE", "Wyner VAE (lambda = 0)"]
    assert heads["turned"][1:4] == ["as it is", "male", "pale"]
    assert [g for *_, g in made["turned"].groups] == ["JVAE", "Wyner VAE (lambda = 0)", "CVAE"]
    has = [
        " ".join(n for n, bit in zip(("male", "pale"), row[[0, 5]], strict=True) if bit)
        for row in data.test["x"][:6]
    ]
    assert [side.replace("\n", " ") for side in made["x-to-y"].sides] == [h or "-" for h in has]
    for grid in made.values():
        assert len({len(row) for row in grid.rows}) == 1
        assert "faces" in grid.title

    only = some(found, sheets=found.study.figures["sheets"])
    files = dict(draw_all(only, lambda _: data))
    assert set(files) == {f"-{n}.{k}" for n in names for k in ("png", "pdf", "svg")}
    assert files["-turned.pdf"].startswith(b"%PDF")
    assert b"<svg" in files["-turned.svg"][:600]
    with Pillow.open(io.BytesIO(files["-turned.png"])) as picture:
        pixels = np.asarray(picture.convert("L"))
    ink = np.argwhere(pixels < 128)
    assert ink.min() > 2  # nothing touches the edges: no text is cut off
    assert (np.array(pixels.shape) - 1 - ink.max(0)).min() > 2
    assert dict(draw_all(only, lambda _: data)) == files


def test_an_unknown_attribute_is_refused(trained):
    found, data = trained
    with pytest.raises(OptionError, match="did you mean 'Male'"):
        sample_sheets({"m": found.cells["wyner-0"][0].model()}, data, ["Mael"])


def test_curves_over_lambda(trained, monkeypatch):
    found, data = trained
    drawn = []
    monkeypatch.setattr(lambdas, "files", lambda name, made: drawn.append(made) or iter(()))
    rows = {r.slug: r for r in found.rows}
    assert [lambda_of(rows[s]) for s in ("wyner-0", "wyner-0.1")] == [0.0, 0.1]
    list(draw_all(some(found, **{"lambda": found.study.figures["lambda"]}), lambda _: data))
    (made,) = drawn
    panels = [ax for ax in made.axes if ax.get_visible()]
    assert [ax.get_title(loc="left") for ax in panels] == [
        "variance of y given x",
        "attribute accuracy",
    ]
    line = panels[1].lines[0]
    assert list(line.get_xdata()) == [0.0, 0.1]
    assert list(line.get_ydata()) == [0.6, 0.7]
    crosses = [list(x.get_ydata()) for x in panels[1].lines if x.get_marker() == "x"]
    assert crosses == [[0.89]]
    texts = [t.get_text() for t in made.legends[0].get_texts()]
    assert set(texts) == {"Wyner VAE, y given x", "published", "JVAE"}
    assert not list(draw_all(some(found, **{"lambda": {"rows": ["wyner-0"]}}), lambda _: data))
    assert len(drawn) == 1


def test_other_published_numbers_stand_beside_ours(trained):
    text = markdown(trained[0])
    part = text.split("## Other published numbers")[1].split("##")[0]
    assert "| JVAE | 0.0100 | 0.0070 ± 0.0010 | 0.5000 | 0.8800 |" in part
    assert "| Wyner VAE (lambda = 0) | 0.0100 | - | 0.6000 | 0.8900 |" in part
    assert "Beside the published values" not in text
    assert "10 samples for each of 10 test rows" in text
    assert as_json(trained[0])["rows"][0]["metrics"]["attributes"] == 0.5


def test_a_curve_is_the_mean_and_deviation_over_seeds(tmp_path):
    look = lambda epoch, value: {"split": "probe", "epoch": epoch, "terms": {"I41": value}}
    cells = []
    for seed, values in enumerate(([1.0, 2.0], [3.0, 6.0])):
        folder = tmp_path / str(seed)
        folder.mkdir()
        log = [look(k, v) for k, v in enumerate(values)] + [look(2, 9.0)] * (seed == 0)
        (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, log)))
        cells.append(Cell(grammar.parse(STUDY, "faces").rows[0], seed, folder))
    logs = [c.history for c in cells]
    at, mean, std = curve(logs, "I41")  # the third look of one seed alone is left out
    assert (list(at), list(mean)) == ([0.0, 1.0], [2.0, 4.0])
    assert std == pytest.approx([2**0.5, 8**0.5], rel=1e-12)
    assert len(curve(logs, "I40")[0]) == 0


def test_the_sheet_of_completions(tmp_path):
    study, data = grammar.read("halves"), load("digits-halves")
    (row,) = study.pick(["cvae"])
    row = dataclasses.replace(row, networks={"hidden": [4]})
    row.experiment(data.source).build(data).save(tmp_path / "model")
    found = Results(study, {"cvae": [Cell(row, 0, tmp_path / "model")]}, {"": Facts.of(data)})
    made = dict(draw_all(found, lambda _: data))
    assert list(made) == ["-completions.png", "-completions.pdf"]
    assert made["-completions.pdf"].startswith(b"%PDF")
