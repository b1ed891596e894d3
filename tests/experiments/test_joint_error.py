"""Whether the two labels of joint samples belong together."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from wyner.experiments.legacy.examine import Pairs, examiners

from wyner import Real
from wyner.errors import OptionError, TaskError
from wyner.experiments.legacy import examine
from wyner.experiments.legacy.plan import read


def dataset(labels: bool = True) -> SimpleNamespace:
    train = {"x": np.zeros((10, 1)), "y": np.zeros((10, 1))} | (
        {"label": np.arange(10)} if labels else {}
    )
    return SimpleNamespace(train=train, modalities=["x", "y"], spaces={"x": Real(1), "y": Real(1)})


class Drawn:
    """A model whose joint samples are labels themselves."""

    def __init__(self, x: list[int], y: list[int]) -> None:
        self.pairs = {"x": torch.tensor(x), "y": torch.tensor(y)}

    def generate(self, n: int, seed: int = 0) -> dict[str, torch.Tensor]:
        return {k: v[:n] for k, v in self.pairs.items()}


@pytest.fixture(autouse=True)
def plain_labels(monkeypatch):
    monkeypatch.setattr(examine, "CLASSIFIERS", {"digits": lambda: lambda found: found})


def test_the_error_counts_pairs_whose_labels_do_not_follow_each_other():
    found = Pairs(("x", "y"), ("digits", "digits"), 1, 10, 4).measure(
        Drawn([0, 9, 3, 5], [1, 0, 3, 7])
    )
    assert found["joint_error"] == 0.5
    assert found["joint_error_se"] == pytest.approx(0.25)


def test_a_model_without_a_joint_law_has_no_error():
    class Conditional(Drawn):
        def generate(self, n: int, seed: int = 0) -> dict[str, torch.Tensor]:
            raise TaskError("no joint law")

    assert Pairs(("x", "y"), ("digits", "digits"), 1, 10, 4).measure(Conditional([0], [1])) == {}


def test_labels_and_a_classifier_are_needed():
    with pytest.raises(OptionError, match="joint: expected rows with labels"):
        examiners(dataset(labels=False), "train", {"joint": 4})


def test_protocols_of_add_one_have_the_five_rows_of_figure_2():
    for name in ("short", "paper"):
        protocol = read("mnist-svhn-add1", name)
        assert [r.slug for r in protocol.rows] == ["baseline", "ci-0", "ci-0.1", "ci-0.5", "ci-1"]
        assert protocol.rows[0].model["inform"] == {}
        assert [r.model.get("lam") for r in protocol.rows[1:]] == [0.0, 0.1, 0.5, 1.0]
