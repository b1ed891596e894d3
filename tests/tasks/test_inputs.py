"""Arrays at the edge: what comes out is what went in, bad ones are refused, and random states stay
the caller's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wyner import Binary, Categorical, Image, Real
from wyner.errors import DataError, ShapeError, TaskError
from wyner.models import WynerVAE
from wyner.networks import Convolutional, MLPs

X = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
Y = torch.randn(5, 2, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def model() -> WynerVAE:
    torch.manual_seed(0)
    return WynerVAE(x=Real(3), y=Real(2), z=2, u=1, v=1, networks=MLPs(hidden=(8,)))


def asks(model):
    """Every task, as a function of how the arrays are given."""
    return {
        "generate": lambda a: model.generate(5, like={"x": a(X), "y": a(Y)}, seed=3),
        "translate": lambda a: model.translate(x=a(X), n=4, seed=3),
        "restyle": lambda a: model.restyle(x=a(X), like={"y": a(Y)}, means=False, seed=3),
        "reconstruct": lambda a: model.reconstruct(x=a(X), y=a(Y), seed=3),
        "log_likelihood": lambda a: model.log_likelihood(x=a(X), y=a(Y), samples=6, seed=3),
        "conditional": lambda a: model.log_likelihood(y=a(Y), given={"x": a(X)}, samples=6, seed=3),
    }


def parts(answer):
    if isinstance(answer, dict):
        return list(answer.values())
    return [answer.value, answer.ess] if hasattr(answer, "ess") else [answer]


TASKS = ["generate", "translate", "restyle", "reconstruct", "log_likelihood", "conditional"]


@pytest.mark.parametrize("task", TASKS)
def test_numpy_in_numpy_out_with_the_same_numbers(model, task):
    ask = asks(model)[task]
    for t, n in zip(parts(ask(lambda a: a)), parts(ask(lambda a: a.numpy())), strict=True):
        assert isinstance(t, torch.Tensor)
        assert isinstance(n, np.ndarray)
        np.testing.assert_array_equal(t.numpy(), n)


@pytest.mark.parametrize("task", TASKS)
def test_other_types_of_numbers_are_converted(model, task):
    ask = asks(model)[task]
    whole = {id(X): X.round(), id(Y): Y.round()}
    for kind in (np.float64, np.int32, np.float16):
        for a, b in zip(
            parts(ask(lambda a: whole[id(a)])),
            parts(ask(lambda a, k=kind: whole[id(a)].numpy().astype(k))),
            strict=True,
        ):
            np.testing.assert_array_equal(a.numpy(), b)


@pytest.mark.parametrize("task", TASKS)
def test_a_seed_repeats_the_answer_and_leaves_the_callers_stream_alone(model, task):
    ask = asks(model)[task]
    first = parts(ask(lambda a: a))
    before = torch.random.get_rng_state()
    second = parts(ask(lambda a: a))
    assert torch.equal(before, torch.random.get_rng_state())
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a, b)


def test_without_a_seed_answers_follow_the_global_state(model):
    torch.manual_seed(1)
    a, b = model.translate(x=X), model.translate(x=X)
    assert not torch.equal(a, b)
    torch.manual_seed(1)
    assert torch.equal(a, model.translate(x=X))


def test_another_seed_gives_another_answer(model):
    assert not torch.equal(model.translate(x=X, seed=0), model.translate(x=X, seed=1))


@pytest.mark.parametrize("training", [True, False])
def test_tasks_leave_the_models_mode_and_gradients_alone(training):
    sizes, networks = dict(z=2, u=1, v=1), Convolutional(hidden=(8,), width=2, blocks=0)
    model = WynerVAE(x=Image(1, 8, 8), y=Real(2), **sizes, networks=networks)
    model.train(training)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    out = model.translate(x=torch.rand(4, 1, 8, 8), n=2)
    assert not out.requires_grad
    assert model.training is training
    assert all(m.training is training for m in model.modules())
    for k, v in model.state_dict().items():
        assert torch.equal(v, before[k]), f"{k} changed: running statistics belong to training"


def test_arrays_are_not_changed(model):
    x = X.clone()
    model.translate(x=x, n=2)
    model.log_likelihood(x=x, samples=2)
    assert torch.equal(x, X)


def test_codes_and_bits_are_prepared_like_data():
    model = WynerVAE(x=Categorical(1, 3), y=Binary(4), z=2, u=1, v=1, networks=MLPs(hidden=()))
    codes, bits = np.array([2, 0, 1]), np.array([[0, 1, 1, 0]] * 3, dtype=bool)
    one_hot = np.eye(3, dtype=np.float32)[codes][:, None]
    a, b = (model.log_likelihood(x=x, y=bits, seed=0) for x in (codes, one_hot))
    np.testing.assert_array_equal(a.value, b.value)


def test_likelihoods_do_not_depend_on_how_rows_are_cut_into_blocks(model):
    """5000 rows need several blocks of rows at 100 samples; each row's estimate is as good as
    alone."""
    x = torch.randn(5000, 3)
    found = model.log_likelihood(x=x, samples=100, seed=0)
    alone = model.log_likelihood(x=x[-3:], samples=20_000, seed=1)
    spread = (found.ess / 100).clamp(1e-3, 0.999)
    error = ((1 / spread - 1) / 100).sqrt()[-3:] + ((1 / spread - 1) / 20_000).sqrt()[-3:]
    assert bool(((found.value[-3:] - alone.value).abs() < 5 * error).all())
    assert found.value.shape == found.ess.shape == (5000,)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda m: m.translate(), TaskError, "translate: expected at least one of x, y"),
        (lambda m: m.translate(z=X), TaskError, "translate: unknown modality 'z'"),
        (
            lambda m: m.translate(xx=X),
            TaskError,
            "translate: unknown modality 'xx': did you mean 'x'?",
        ),
        (
            lambda m: m.translate(x=X[:, :2]),
            ShapeError,
            r"x: expected shape \(..., 3\) for Real\(3\), got \(5, 2\)",
        ),
        (
            lambda m: m.translate(x=X[0]),
            ShapeError,
            r"translate: x needs shape \(rows, 3\), got \(3,\); add a batch axis",
        ),
        (
            lambda m: m.translate(x=X[None]),
            ShapeError,
            r"x needs shape \(rows, 3\), got \(1, 5, 3\)",
        ),
        (lambda m: m.translate(x=X[:0]), DataError, "translate: the arrays have no rows"),
        (lambda m: m.translate(x=X.where(X < 0, torch.nan)), DataError, "x: found nan at row"),
        (
            lambda m: m.translate(x=np.array(["a", "b"])),
            DataError,
            "x: expected an array of numbers, got strings",
        ),
        (
            lambda m: m.translate(x=np.array([object()])),
            DataError,
            "x: expected an array of numbers, got objects",
        ),
        (
            lambda m: m.translate(x=X, n=0),
            TaskError,
            "translate: expected a positive number of draws, got 0",
        ),
        (lambda m: m.translate(x=X, y=Y), TaskError, "which modality is wanted"),
        (lambda m: m.translate(x=X, to="w"), TaskError, "expected to= one of x, y, got 'w'"),
        (
            lambda m: m.generate(0),
            TaskError,
            "generate: expected a positive number of examples, got 0",
        ),
        (
            lambda m: m.generate(4, like={"x": X[:3], "y": Y[:3]}),
            TaskError,
            "like: expected 1 row or 4, got 3",
        ),
        (
            lambda m: m.restyle(x=X, like={"y": Y[:2]}),
            TaskError,
            "like: expected 1 row or 5, got 2",
        ),
        (
            lambda m: m.reconstruct(x=X, y=Y[:2]),
            ShapeError,
            "expected the same number of rows, got 5 of x, 2 of y",
        ),
        (
            lambda m: m.log_likelihood(x=X, given={"x": X}),
            TaskError,
            "x cannot be both scored and given",
        ),
        (
            lambda m: m.log_likelihood(x=X, samples=0),
            TaskError,
            "expected samples of at least 1, got 0",
        ),
        (
            lambda m: m.log_likelihood(given={"x": X, "y": Y}),
            TaskError,
            "log_likelihood: expected at least one of x, y",
        ),
        (lambda m: m.log_likelihood(), TaskError, "log_likelihood: expected at least one of x, y"),
        (lambda m: m.common_information(x=X), TaskError, "all modalities given"),
    ],
)
def test_refusals(model, call, error, words):
    with pytest.raises(error, match=words):
        call(model)
