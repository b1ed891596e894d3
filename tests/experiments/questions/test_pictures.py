"""Questions about pictures, by counting."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from oracle.samples import faces
from wyner.data import Dataset, load
from wyner.errors import OptionError, TaskError
from wyner.experiments.questions import Likelihood, pictures
from wyner.experiments.questions.pictures import Attributes, Frechet, Labels, Probes
from wyner.metrics import Classifier, drawn
from wyner.variables import Image


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
    bits = torch.from_numpy(data.test["x"][:10])
    found = Attributes(images=10, draws=4).answer(Answers(bits), data, "test")
    assert found["attributes"] == pytest.approx(1 - 0.5 / 6)
    assert found["attributes_se"] == pytest.approx(0.0, abs=1e-7)  # every face has as many wrong
    assert found["attributes_rows"] == pytest.approx(np.full(10, 1 - 0.5 / 6), rel=1e-6)
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

    data = faces()
    found = Attributes(images=10, draws=4).answer(Forward(data.test["x"][:10]), data, "test")
    assert set(found) == {"variance", "attributes_majority"}


def test_attributes_need_attributes():
    digits = load("digits-add1", train=8, validation=0, test=4)
    with pytest.raises(OptionError, match="no pair of attributes and a picture"):
        Attributes().check(digits, "test")
    Attributes().check(faces(), "test")


@pytest.fixture
def labelled(monkeypatch) -> Dataset:
    """Pictures whose brightest of ten places is the label; in y it is one further."""

    class Brightest(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.unused = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return x.flatten(1)[:, :10]

    monkeypatch.setitem(pictures.CLASSIFIERS, "digits", lambda: Classifier(Brightest(), 1.0))
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

    observed, latent, common = ("x", "y"), ("z", "u"), ("z",)

    def translate(self, *, to, n, seed, **given):
        ((_, pictures),) = given.items()
        label = torch.as_tensor(pictures).flatten(1)[:, :10].argmax(1)
        target = (label + (1 if to == "y" else -1)) % 10
        made = torch.zeros(n, len(label), 256)
        made[:, torch.arange(len(label)), target] = 1.0
        return made.reshape(n, -1, 1, 16, 16)

    def encode(self, *, x=None, y=None):
        label = torch.as_tensor(y if x is None else x).flatten(1)[:, :10].argmax(1)
        wrap = lambda value: type("D", (), {"mean": value})()
        return {
            "z": wrap(torch.nn.functional.one_hot(label, 10).double()),
            "u": wrap(torch.zeros(len(label), 2)),
        }


def test_both_directions_and_probes(labelled):
    both = Labels("digits", back="digits", shift=1, images=50, draws=3)
    found = both.answer(Both(), labelled, "test")
    assert (found["accuracy"], found["accuracy_back"]) == (1.0, 1.0)
    assert {"accuracy_se", "accuracy_back_se", "judge_accuracy_back"} <= set(found)
    assert found["variance_back"] == 0.0
    assert set(both.columns) == {"accuracy", "variance", "accuracy_back", "variance_back"}
    assert "of x given y: `digits`" in both.caption("test", 300)
    found = Probes(300).answer(Both(), labelled, "test")
    assert found["probe_z"] == 1.0
    assert found["probe_u"] == pytest.approx(found["probe_majority"])
    aside = Probes(300, sides=True)
    told = aside.answer(Both(), labelled, "test")
    assert (told.pop("probe_z_x"), told.pop("probe_z_y")) == (1.0, 1.0)
    assert told == found
    assert {"probe_z_x", "probe_z_y"} == set(aside.columns) - set(Probes(300).columns)

    class OneWay(Both):
        def encode(self, *, x=None, y=None):
            if x is None:
                raise TaskError("no encoder of y alone")
            return super().encode(x=x, y=y)

    told = aside.answer(OneWay(), labelled, "test")
    assert told["probe_z_x"] == 1.0
    assert "probe_z_y" not in told
    asked = Likelihood(back=True).asked({"x": torch.zeros(1), "y": torch.ones(1)})
    assert set(asked) == {"nll_joint", "nll_conditional", "nll_back"}
    targets, given = asked["nll_back"]
    assert (list(targets), list(given)) == (["x"], ["y"])


def test_frechet_distances_of_draws_like_the_data_are_those_of_two_halves(labelled, monkeypatch):
    made = lambda pictures, epochs: lambda images: images.flatten(1)[:, :10].double()
    monkeypatch.setattr(drawn, "features_of", made)

    class Copies:
        def generate(self, n, seed):
            return {k: torch.as_tensor(labelled.train[k][:n]) for k in ("x", "y")}

    found = Frechet(200).answer(Copies(), labelled, "test")
    assert set(found) == {"frechet_joint", "frechet_x", "frechet_y"}
    assert all(abs(v) < 1e-8 for v in found.values())
