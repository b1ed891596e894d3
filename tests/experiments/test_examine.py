"""Questions asked of trained models besides likelihoods, by counting; and the sheets and curves of
a table of pictures."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from wyner.experiments.legacy.lambdas import lambda_curves, lambda_of
from wyner.experiments.legacy.rows import Member
from wyner.experiments.legacy.table import Found, as_json, markdown

from wyner.data.dataset import Dataset
from wyner.errors import OptionError, TaskError
from wyner.experiments.legacy import examine, plan, reproduce, sheets
from wyner.experiments.legacy import judge as judges
from wyner.experiments.legacy.measure import Ruler
from wyner.metrics import Classifier
from wyner.runs import save_model
from wyner.variables import Binary, Image


def faces(rows: int = 40) -> Dataset:
    rng = np.random.default_rng(0)
    bits = (rng.random((rows, 6)) < 0.7).astype(np.float32)
    part = {"x": bits, "y": rng.integers(0, 256, (rows, 3, 16, 16), dtype=np.uint8)}
    spaces = {"x": Binary(6), "y": Image(3, 16, 16)}
    names = {"x": ("Male", "Smiling", "Young", "Bangs", "Hat", "Pale")}
    return Dataset("faces", part, {}, part, spaces, names=names)


class Answers:
    """Translates to known answers: attributes with one of six wrong in every second draw, pictures
    that differ in one pixel."""

    def __init__(self, bits):
        self.bits = bits

    def translate(self, *, to, n, seed, **given):
        if to == "x":
            made = self.bits.expand(n, -1, -1).clone()
            made[::2, :, 0] = 1 - made[::2, :, 0]
            return made * 0.8 + 0.1
        made = torch.zeros(n, len(given["x"]), 3, 16, 16)
        made[0, :, 0, 0, 0] = 1.0
        return made


def test_attributes_and_variance_are_counted():
    data = faces()
    asked = examine.Attributes.of(data, "test", images=10, draws=4)
    found = asked.measure(Answers(asked.bits))
    assert found["attributes"] == pytest.approx(1 - 0.5 / 6)
    assert found["attributes_se"] == pytest.approx(0.0, abs=1e-12)  # every face has as many wrong
    assert found["variance"] == pytest.approx(3 / 16 / (3 * 16 * 16))
    guess = data.train["x"].mean(0) > 0.5
    assert found["attributes_majority"] == pytest.approx(
        float((guess == data.test["x"][:10]).mean())
    )


def test_a_model_of_one_direction_is_asked_the_other_question_only():
    class Forward(Answers):
        def translate(self, *, to, **rest):
            if to == "x":
                raise TaskError("no")
            return super().translate(to=to, **rest)

    asked = examine.Attributes.of(faces(), "test", images=10, draws=4)
    assert set(asked.measure(Forward(asked.bits))) == {"variance", "attributes_majority"}


def test_attributes_need_attributes():
    from wyner.data import load

    with pytest.raises(OptionError, match="no pair of attributes and a picture"):
        examine.examiners(
            load("digits-add1", train=8, validation=0, test=4), "test", {"attributes": True}
        )


@pytest.fixture
def labelled(monkeypatch) -> Dataset:
    """Pictures whose brightest of ten places is the label; in y it is one further."""

    class Brightest(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.unused = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return x.flatten(1)[:, :10]

    monkeypatch.setitem(judges.CLASSIFIERS, "digits", lambda: Classifier(Brightest(), 1.0))
    rng = np.random.default_rng(1)
    label = rng.integers(0, 10, 300)

    def shown(labels):
        made = 0.2 * rng.random((300, 1, 16, 16)).astype(np.float32)
        made.reshape(300, -1)[np.arange(300), labels] = 1.0
        return made

    part = {"x": shown(label), "y": shown((label + 1) % 10), "label": label}
    space = Image(1, 16, 16)
    return Dataset(
        "places",
        part,
        {},
        part,
        {"x": space, "y": space},
        {"common_information": np.log(10)},
        kind="image",
    )


class Both:
    """Draws the right picture for any label, in both directions; encodes the label into z and
    nothing into u."""

    observed, latent = ("x", "y"), ("z", "u")

    def translate(self, *, to, n, seed, **given):
        ((_, pictures),) = given.items()
        label = torch.as_tensor(pictures).flatten(1)[:, :10].argmax(1)
        target = (label + (1 if to == "y" else -1)) % 10
        made = torch.zeros(n, len(label), 256)
        made[:, torch.arange(len(label)), target] = 1.0
        return made.reshape(n, -1, 1, 16, 16)

    def encode(self, *, x, y):
        label = torch.as_tensor(x).flatten(1)[:, :10].argmax(1)
        wrap = lambda value: type("D", (), {"mean": value})()
        return {
            "z": wrap(torch.nn.functional.one_hot(label, 10).double()),
            "u": wrap(torch.zeros(len(x), 2)),
        }


def test_both_directions_and_probes(labelled):
    options = {
        "classifier": "digits",
        "shift": 1,
        "back": "digits",
        "images": 50,
        "draws": 3,
        "probes": 300,
    }
    asked = examine.examiners(labelled, "test", options)
    found = {k: v for e in asked for k, v in e.measure(Both()).items()}
    assert (found["accuracy"], found["accuracy_back"]) == (1.0, 1.0)
    assert {"accuracy_se", "accuracy_back_se", "variance_back", "judge_accuracy_back"} <= set(found)
    assert found["probe_z"] == 1.0
    assert found["probe_u"] == pytest.approx(found["probe_majority"])
    how = {k: v for e in asked for k, v in e.how.items()}
    assert how == {
        "classifier": "digits",
        "images": 50,
        "draws": 3,
        "classifier_back": "digits",
        "images_back": 50,
        "draws_back": 3,
        "probes": 300,
    }
    ruler = Ruler.of(labelled, "test", 2, 4, judge=options)
    assert set(ruler.questions(Both())) == {"nll_joint", "nll_conditional", "nll_back"}


def test_frechet_distances_of_draws_like_the_data_are_those_of_two_halves(labelled, monkeypatch):
    monkeypatch.setattr(
        examine,
        "features_of",
        lambda pictures, epochs: lambda images: images.flatten(1)[:, :10].double(),
    )

    class Copies:
        def generate(self, n, seed):
            return {k: torch.as_tensor(labelled.train[k][:n]) for k in ("x", "y")}

    found = examine.Frechet(labelled, 200).measure(Copies())
    assert set(found) == {"frechet_joint", "frechet_x", "frechet_y"}
    assert all(abs(v) < 1e-8 for v in found.values())


PROTOCOL = """
title = "Faces"
source = "a table"
seeds = 1
[[data]]
name = "mog"
[networks]
kind = "Convolutional"
hidden = [4]
width = 1
blocks = 1
[fit]
epochs = 1
[figures]
lambda = ["wyner-0", "wyner-0.1"]
flat = ["jvae"]
samples = ["jvae", "wyner-0", "cvae"]
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
model = { name = "WynerVAE", z = 2, u = 0, v = 2, alpha = 1.0, lam = { knots = [[0.0, 1.0], [1.0, 0.1]] } }
[[rows]]
label = "CVAE"
slug = "cvae"
model = { name = "CVAE", v = 2 }
"""


@pytest.fixture
def trained(tmp_path):
    p, data = plan.parse(PROTOCOL, "faces", "short"), faces()
    numbers = {"jvae": 0.5, "wyner-0": 0.6, "wyner-0.1": 0.7}
    members = {}
    for row in p.rows:
        save_model(p.experiment_of(row, p.data[0]).build(data), tmp_path / row.slug)
        metrics = {"variance": 0.01} | (
            {"attributes": numbers[row.slug]} if row.slug in numbers else {}
        )
        members[row.slug] = [Member(row, 0, tmp_path / row.slug, metrics)]
    return p, data, members


def test_sheets_of_attributes_and_faces(trained, tmp_path):
    p, data, members = trained
    made = dict(sheets.sheets(p.pick(p.figures["samples"]), members, data, p.figures["turned"]))
    assert set(made) == {
        "x-to-y",
        "y-to-x",
        "style-of-y",
        "reconstructions",
        "joint-style",
        "turned",
    }
    heads = {name: [h for *_, h in grid.heads] for name, grid in made.items()}
    assert heads["x-to-y"] == ["given", "true", "JVAE", "Wyner VAE (lambda = 0)", "CVAE"]
    assert heads["y-to-x"] == [
        "given",
        "true",
        "JVAE",
        "Wyner VAE (lambda = 0)",
    ]  # a CVAE has one direction
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
    files = sheets.save(made["turned"], tmp_path / "out" / "short-turned")
    assert [f.suffix for f in files] == [".png", ".pdf", ".svg"]
    assert files[1].read_bytes().startswith(b"%PDF")
    assert b"attribute addition" in files[2].read_bytes() or b"<svg" in files[2].read_bytes()[:600]
    with Pillow.open(files[0]) as picture:
        pixels = np.asarray(picture.convert("L"))
    ink = np.argwhere(pixels < 128)
    assert ink.min() > 2  # nothing touches the edges: no text is cut off
    assert (np.array(pixels.shape) - 1 - ink.max(0)).min() > 2
    assert sheets.save(made["turned"], tmp_path / "again")[0].read_bytes() == files[0].read_bytes()


def test_an_unknown_attribute_is_refused(trained):
    p, data, members = trained
    with pytest.raises(OptionError, match="did you mean 'Male'"):
        dict(sheets.sheets(p.pick(["wyner-0"]), members, data, ["Mael"]))


def test_curves_over_lambda(trained):
    p, data, members = trained
    assert [lambda_of(r) for r in p.pick(["wyner-0", "wyner-0.1"])] == [0.0, 0.1]
    made = lambda_curves(p.pick(["wyner-0", "wyner-0.1"]), p.pick(["jvae"]), members, data.truth)
    drawn = [ax for ax in made.axes if ax.get_visible()]
    assert [ax.get_title(loc="left") for ax in drawn] == [
        "variance of y given x",
        "attribute accuracy",
    ]
    line = drawn[1].lines[0]
    assert list(line.get_xdata()) == [0.0, 0.1]
    assert list(line.get_ydata()) == [0.6, 0.7]
    assert lambda_curves(p.pick(["wyner-0"]), [], members, data.truth) is None


def test_other_published_numbers_stand_beside_ours(trained):
    p, data, members = trained
    p = dataclasses.replace(p, judge={"attributes": True, "images": 10})
    found = Found(p, data, members, "wyner reproduce faces", "a device", {}, {})
    text = markdown(found)
    part = text.split("## Other published numbers")[1].split("##")[0]
    assert "| JVAE | 0.0100 | 0.0070 ± 0.0010 | 0.5000 | 0.8800 |" in part
    assert "| Wyner VAE (lambda = 0) | 0.0100 | - | 0.6000 | 0.8900 |" in part
    assert "Beside the published values" not in text
    assert "10 samples for each of 10 test rows" in text
    assert as_json(found)["rows"][0]["metrics"]["attributes"] == 0.5


def test_a_table_of_pictures_from_start_to_end(tmp_path, monkeypatch):
    class Constant(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.unused = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return torch.nn.functional.one_hot(torch.full((len(x),), 3), 10).float()

    monkeypatch.setitem(judges.CLASSIFIERS, "mnist", lambda: Classifier(Constant(), 0.5))
    monkeypatch.setattr(sheets, "SIZE", 32)
    p = plan.read("add1", "short")
    p = dataclasses.replace(
        p,
        data=({"name": "digits-add1", "train": 64, "validation": 16, "test": 40},),
        networks={"kind": "Convolutional", "hidden": [8], "width": 1, "blocks": 1},
        fit={**p.fit, "epochs": 1, "batch_size": 32},
        evaluate={"samples": 2, "rows": 4},
        judge={"classifier": "mnist", "shift": 1, "images": 20, "draws": 2, "probes": 40},
    )
    rows = ["wyner-0", "wyner-0.1", "cvae"]
    folder = reproduce(
        p, rows=rows, out=tmp_path / "results", runs=tmp_path / "runs", progress=False
    )
    sheets_ = {
        f"short-{n}.{k}"
        for n in ("x-to-y", "y-to-x", "style-of-x", "style-of-y", "reconstructions", "joint-style")
        for k in ("png", "pdf", "svg")
    }
    assert {f.name for f in folder.iterdir()} == {
        "short.json",
        "short.md",
        "short-lambda.png",
        "short-lambda.pdf",
    } | sheets_
    text = (folder / "short.md").read_text()
    assert "| Wyner VAE (lambda = 0.1) | " in text.split("## Other published numbers")[1]
    assert "0.9133 ± 0.0131" in text
    assert "label read from u" in text
    metrics = {
        r["settings"]["row"]: r["metrics"]
        for r in json.loads((folder / "short.json").read_text())["rows"]
    }
    labels = p.load()[0].test["label"][:20]
    assert metrics["cvae"]["accuracy"] == pytest.approx(float(np.mean((labels + 1) % 10 == 3)))
    assert {"probe_z", "probe_u", "probe_v", "I40", "variance"} <= set(metrics["wyner-0"])
    assert {"probe_v"} == {
        k for k in metrics["cvae"] if k.startswith("probe") and k != "probe_majority"
    }
