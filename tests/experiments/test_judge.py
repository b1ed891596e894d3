"""The judge of conditional samples: right labels and the variance of samples, by counting."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wyner.data import load
from wyner.errors import OptionError, TaskError
from wyner.experiments.legacy import judge as judges
from wyner.experiments.legacy.measure import Ruler
from wyner.metrics import Classifier


class Brightest(torch.nn.Module):
    """Calls a picture by the number of its brightest pixel."""

    def forward(self, x):
        return x.flatten(1)


class Copies:
    """Draws the same known pictures for any input: labels shifted by one, and one of them wrong."""

    def __init__(self, labels, wrong=0):
        self.labels, self.wrong = labels, wrong

    def translate(self, *, x, to, n, seed):
        assert to == "y"
        assert len(x) == len(self.labels)
        made = torch.zeros(n, len(x), 1, 28, 28)
        for s in range(n):
            for i, label in enumerate(self.labels):
                shown = (int(label) + 1 + (s == 0 and i < self.wrong)) % 10
                made[s, i].view(-1)[shown] = 1.0
        return made


@pytest.fixture
def digits(monkeypatch):
    network = Brightest()
    network.unused = torch.nn.Parameter(torch.zeros(1))
    monkeypatch.setitem(judges.CLASSIFIERS, "digits", lambda: Classifier(network, 1.0))
    return load("digits-add1", train=40, validation=0, test=20, pad=0)


def test_labels_and_variance_are_counted(digits):
    judge = judges.Judge.of(digits, "test", "digits", shift=1, images=8, draws=4)
    labels = digits.test["label"][:8]
    assert judge.measure(Copies(labels))["accuracy"] == 1.0
    assert judge.measure(Copies(labels))["variance"] == 0.0
    found = judge.measure(Copies(labels, wrong=2))
    assert found["accuracy"] == pytest.approx(1 - 2 / 32)
    # each of two inputs has, in two of 784 pixels, one differing value of four: variance 3/16
    assert found["variance"] == pytest.approx(2 * 2 * 3 / 16 / (8 * 784))


def test_labels_of_the_wrong_side_are_not_right(digits):
    judge = judges.Judge.of(digits, "test", "digits", shift=0, images=8, draws=2)
    assert judge.measure(Copies(digits.test["label"][:8]))["accuracy"] == 0.0


def test_a_model_that_cannot_translate_is_not_judged(digits):
    class Mute:
        def translate(self, **_):
            raise TaskError("no")

    assert judges.Judge.of(digits, "test", "digits").measure(Mute()) == {}


def test_a_ruler_without_samples_asks_only_the_judge(digits):
    ruler = Ruler.of(
        digits, "test", 0, 8, judge={"classifier": "digits", "shift": 1, "images": 8, "draws": 2}
    )

    class Model(Copies):
        observed = ("x", "y")

        def common_information(self, **_):
            return {"I41": 2.0}

    found = ruler.measure(Model(digits.test["label"][:8]))
    assert found["accuracy"] == 1.0
    assert found["I41"] == 2.0
    assert "nll_joint" not in found


@pytest.mark.parametrize(
    ("name", "said"), [("digit", "did you mean 'digits'"), ("digits", "has no labels")]
)
def test_what_cannot_be_judged_is_refused(digits, name, said):
    data = load("mog", train=4, validation=0, test=4)
    data.test.pop("label", None)
    with pytest.raises(OptionError, match=said):
        judges.Judge.of(data, "test", name)
    assert np.isfinite(digits.test["x"]).all()
