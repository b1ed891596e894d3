"""Labels and variance of conditional samples, and labels of joint samples, by counting."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from wyner import Real
from wyner.data import load
from wyner.errors import OptionError, TaskError
from wyner.experiments import grammar
from wyner.experiments.questions import QUESTIONS, answer_of, pictures
from wyner.experiments.questions.pictures import Labels, Pairs
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
    monkeypatch.setitem(pictures.CLASSIFIERS, "digits", lambda: Classifier(network, 1.0))
    return load("digits-add1", train=40, validation=0, test=20, pad=0)


def test_labels_and_variance_are_counted(digits):
    question = Labels("digits", shift=1, images=8, draws=4)
    labels = digits.test["label"][:8]
    found = question.answer(Copies(labels), digits, "test")
    assert (found["accuracy"], found["variance"]) == (1.0, 0.0)
    found = question.answer(Copies(labels, wrong=2), digits, "test")
    assert found["accuracy"] == pytest.approx(1 - 2 / 32)
    assert found["accuracy_se"] == pytest.approx((30 / 32 * 2 / 32 / 8) ** 0.5)
    # each of two inputs has, in two of 784 pixels, one differing value of four: variance 3/16
    assert found["variance"] == pytest.approx(2 * 2 * 3 / 16 / (8 * 784))
    assert set(question.columns) == {"accuracy", "variance"}


def test_the_border_does_not_count(digits):
    labels = digits.test["label"][:8]
    question = Labels("digits", shift=1, images=8, draws=4, border=1)
    assert question.answer(Copies(labels, wrong=2), digits, "test")["variance"] == 0.0


def test_labels_of_the_wrong_side_are_not_right(digits):
    question = Labels("digits", shift=0, images=8, draws=2)
    found = question.answer(Copies(digits.test["label"][:8]), digits, "test")
    assert found["accuracy"] == 0.0


def test_a_model_that_cannot_translate_is_not_asked(digits):
    class Mute:
        def translate(self, **_):
            raise TaskError("no")

    assert Labels("digits", back="digits").answer(Mute(), digits, "test") == {}


@pytest.mark.parametrize(
    ("name", "said"), [("digit", "did you mean 'digits'"), ("digits", "has no labels")]
)
def test_what_cannot_be_judged_is_refused(digits, name, said):
    data = load("mog", train=4, validation=0, test=4)
    data.test.pop("label", None)
    with pytest.raises(OptionError, match=said):
        Labels(name).check(data, "test")
    with pytest.raises(OptionError, match=said):
        Labels("digits", back=name).check(data, "test")
    assert np.isfinite(digits.test["x"]).all()


def spaces(labels: bool = True) -> SimpleNamespace:
    train = {"x": np.zeros((10, 1)), "y": np.zeros((10, 1))} | (
        {"label": np.arange(10)} if labels else {}
    )
    known = {"x": Real(1), "y": Real(1)}
    return SimpleNamespace(name="ten", train=train, modalities=["x", "y"], spaces=known)


class Drawn:
    """A model whose joint samples are labels themselves."""

    def __init__(self, x: list[int], y: list[int]) -> None:
        self.pairs = {"x": torch.tensor(x), "y": torch.tensor(y)}

    def generate(self, n: int, seed: int = 0) -> dict[str, torch.Tensor]:
        return {k: v[:n] for k, v in self.pairs.items()}


@pytest.fixture
def plain(monkeypatch):
    monkeypatch.setattr(pictures, "CLASSIFIERS", {"digits": lambda: lambda found: found})


def test_the_error_counts_pairs_whose_labels_do_not_follow_each_other(plain):
    question = Pairs(("digits", "digits"), 1, 4)
    found = question.answer(Drawn([0, 9, 3, 5], [1, 0, 3, 7]), spaces(), "test")
    assert found["joint_error"] == 0.5
    assert found["joint_error_se"] == pytest.approx(0.25)


def test_a_model_without_a_joint_law_has_no_error(plain):
    class Conditional(Drawn):
        def generate(self, n: int, seed: int = 0) -> dict[str, torch.Tensor]:
            raise TaskError("no joint law")

    question = Pairs(("digits", "digits"), 1, 4)
    assert answer_of(question, Conditional([0], [1]), spaces(), "test") == {}


def test_labels_are_needed(plain):
    with pytest.raises(OptionError, match="pairs: expected rows with labels, got ten"):
        Pairs(("digits", "digits")).check(spaces(labels=False), "test")


@pytest.mark.parametrize("protocol", ["short", "paper"])
def test_studies_of_add_one_have_the_five_rows_of_figure_2(protocol):
    study = grammar.read("mnist-svhn-add1", protocol)
    assert [r.slug for r in study.rows] == ["baseline", "ci-0", "ci-0.1", "ci-0.5", "ci-1"]
    assert study.rows[0].model["inform"] == {}
    assert [r.model.get("lam") for r in study.rows[1:]] == [0.0, 0.1, 0.5, 1.0]
    assert study.questions["pairs"].how["classifiers"] == ("mnist", "svhn")


@pytest.mark.parametrize("name", QUESTIONS)
def test_what_a_question_depends_on_are_its_fields(name):
    kind = QUESTIONS[name]
    needed = {"labels": {"classifier": "digits"}, "pairs": {"classifiers": ("digits", "mnist")}}
    made = kind(**needed.get(name, {}))
    assert kind(**made.how) == made
    assert made.columns
    assert set(made.flags.values()) <= set(made.how)
