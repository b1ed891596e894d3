"""Models of mixed columns and counts: they train, beat the marginals, translate and sample."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import optimize, stats

import wyner
from oracle.statistics import assert_mean
from wyner import Binary, Categorical, Counts, Mixed, Positive, Real
from wyner.errors import LawError, ShapeError, TaskError
from wyner.families import NegativeBinomial
from wyner.models import MVAE, VariationalWyner, WynerVAE
from wyner.networks import MLPs
from wyner.training.start import adopt

X = Mixed(Counts(1), Binary(1), Categorical(1, 3), Positive(1), Real(1))
Y = Counts(4)
SMALL = MLPs(hidden=(32,))
N, TEST = 900, 300


def table(seed: int = 0) -> dict[str, np.ndarray]:
    """Rows of three classes that x and y share."""
    g = np.random.default_rng(seed)
    c = g.integers(0, 3, N + TEST)
    x = [
        g.negative_binomial(3, 1 / (1 + np.array([2, 20, 200])[c] / 3)),
        g.random(N + TEST) < np.array([0.1, 0.5, 0.9])[c],
        (c + (g.random(N + TEST) < 0.2)) % 3,
        np.exp(g.normal(np.array([5.0, 7.0, 9.0])[c], 0.5)),
        g.normal(np.array([-1.0, 0.0, 1.0])[c], 0.5),
    ]
    y = g.poisson(np.array([[1, 9, 3, 0.1], [5, 1, 30, 2], [1, 1, 3, 20]])[c])
    return {"x": np.stack(x, 1).astype(np.float32), "y": y.astype(np.float32)}


def negative_binomial_nll(train: np.ndarray, test: np.ndarray) -> float:
    """Of the maximum-likelihood fit to one column, in nats a row."""
    law = lambda a: stats.nbinom(np.exp(a[1]), 1 / (1 + np.exp(a[0] - a[1])))
    start = np.array([np.log(train.mean() + 1e-2), 0.0])
    best = optimize.minimize(lambda a: -law(a).logpmf(train).mean(), start, method="Nelder-Mead")
    return -law(best.x).logpmf(test).mean()


def marginal_nll(train: np.ndarray, test: np.ndarray) -> float:
    """Of x by columns that are independent, each by maximum likelihood."""
    a, b = train.T, test.T
    p = np.bincount(a[2].astype(int), minlength=3) / len(train)
    normal = lambda u, v: -stats.norm.logpdf(v, u.mean(), u.std()).mean()
    return (
        negative_binomial_nll(a[0], b[0])
        - stats.bernoulli.logpmf(b[1], a[1].mean()).mean()
        - np.log(p[b[2].astype(int)]).mean()
        + normal(np.log(a[3]), np.log(b[3]))
        + np.log(b[3]).mean()
        + normal(a[4], b[4])
    )


@pytest.fixture(scope="module")
def trained() -> dict[str, wyner.Model]:
    data = {k: v[:N] for k, v in table().items()}
    found: dict[str, wyner.Model] = {}
    for name, kind in (("wyner", WynerVAE), ("mvae", MVAE)):
        torch.manual_seed(0)
        options = {"u": 0, "v": 0, "alpha": 1.0} if name == "wyner" else {}
        found[name] = kind(x=X, y=Y, z=2, networks=SMALL, **options)
        wyner.fit(found[name], data, epochs=12, lr=1e-2, batch_size=50, progress=False, seed=0)
    return found


@pytest.mark.parametrize("name", ["wyner", "mvae"])
def test_held_out_rows_are_likelier_than_by_their_marginals(trained, name):
    data, model = table(), trained[name]
    train, test = ({k: v[s] for k, v in data.items()} for s in (slice(N), slice(N, None)))
    columns = [negative_binomial_nll(train["y"][:, j], test["y"][:, j]) for j in range(4)]
    marginal = marginal_nll(train["x"], test["x"]) + sum(columns)
    found = model.log_likelihood(**test, samples=50, seed=0)
    assert found.nll + 1.0 < marginal - 3 * found.standard_error


@pytest.mark.parametrize("name", ["wyner", "mvae"])
def test_translations_and_samples_are_values_of_the_spaces(trained, name):
    data, model = {k: v[N:] for k, v in table().items()}, trained[name]
    for drawn in (
        model.translate(y=data["y"], n=2, sample=True, seed=0),
        model.generate(50, sample=True, seed=0)["x"],
    ):
        X.prepare(torch.as_tensor(drawn))
    mean = model.translate(y=data["y"], n=20, seed=0).mean(0)
    assert np.corrcoef(mean[:, 4], data["x"][:, 4])[0, 1] > 0.6
    codes = model.translate(y=data["y"], seed=0, means=True)[0, :, 2]
    assert (codes == data["x"][:, 2]).mean() > 0.6
    counts = model.translate(x=data["x"], n=20, seed=0).mean(0)
    assert np.corrcoef(counts[:, 2], data["y"][:, 2])[0, 1] > 0.6


def test_a_model_is_stored_with_its_spaces_and_what_was_fitted(trained, tmp_path):
    model = trained["wyner"]
    again = wyner.load(model.save(tmp_path))
    assert again.observed == {"x": X, "y": Y}
    for name, found in model.generate(5, sample=True, seed=1).items():
        assert torch.equal(again.generate(5, sample=True, seed=1)[name], found)


def test_what_is_fitted_is_copied_with_the_weights_and_fitted_once(trained):
    model, other = trained["wyner"], WynerVAE(x=X, y=Y, z=2, u=0, v=0, networks=SMALL, alpha=1.0)
    adopt(other, model)
    data = {k: torch.tensor(v[:5]) for k, v in table().items()}
    other.prepare(data, None, 0, False)
    for a, b in zip(model.buffers(), other.buffers(), strict=True):
        assert torch.equal(a, b)


LIBRARY = {"y": NegativeBinomial(library=True)}


def test_totals_are_given_taken_from_the_row_or_drawn():
    model = WynerVAE(x=X, y=Y, z=2, u=0, v=0, networks=SMALL, alpha=1.0, families=LIBRARY)
    data = {k: torch.tensor(v[:200]) for k, v in table().items()}
    model.prepare(data, None, 0, False)
    made = model.translate(x=data["x"][:3], n=2, library=np.array([10.0, 20.0, 30.0]))
    torch.testing.assert_close(made.sum(-1), torch.tensor([[10.0, 20.0, 30.0]] * 2))
    torch.testing.assert_close(model.generate(3, library=9)["y"].sum(-1), torch.full((3,), 9.0))
    own = model.reconstruct(**data)["y"]
    torch.testing.assert_close(own.sum(-1), data["y"].sum(-1).clamp_min(1))
    drawn = model.generate(2000, sample=True, seed=0)["y"].sum(-1)
    log_total = data["y"].sum(-1).log()
    assert_mean(drawn, (log_total.mean() + 0.5 * log_total.var()).exp())


@pytest.mark.parametrize(
    ("library", "error", "words"),
    [
        ({"x": 3.0}, TaskError, "library: x has no counts that are drawn given their total"),
        ({"w": 3.0}, TaskError, "library: w has no counts"),
        ([1.0, 2.0], ShapeError, "for each of the 3, got 2 of y"),
        (0.0, ShapeError, "positive total"),
    ],
)
def test_totals_of_another_kind_are_refused(library, error, words):
    model = MVAE(x=X, y=Y, z=2, networks=SMALL, families=LIBRARY)
    with pytest.raises(error, match=words):
        model.generate(3, library=library)
    with pytest.raises(TaskError, match="needs library=True"):
        MVAE(x=X, y=Y, z=2, networks=SMALL).generate(3, library=5.0)


def test_rows_that_lack_a_modality_may_hold_anything():
    data = {k: v[:100] for k, v in table().items()}
    mask = np.arange(100) % 2
    data["x"][mask == 0] = -7.5
    model = MVAE(x=X, y=Y, z=2, networks=SMALL)
    wyner.fit(model, {**data, "x_mask": mask}, epochs=1, progress=False)
    assert all(bool(torch.isfinite(p).all()) for p in model.parameters())
    there = torch.tensor(data["x"][mask == 1])
    torch.testing.assert_close(model.features["x"].mean[-2], there[:, 3].log().mean())


def test_seeds_train_as_one_program():
    data = {k: v[:200] for k, v in table().items()}

    model = WynerVAE(x=X, y=Y, z=2, u=0, v=0, networks=SMALL, families=LIBRARY)
    options = {"grid": {"seed": [0, 1]}, "epochs": 2, "batch_size": 50, "progress": False}
    batched, alone = (
        wyner.fit(model, data, launcher=launcher, **options).members[1].model.state_dict()
        for launcher in ("batched", "sequential")
    )
    for k, v in batched.items():
        torch.testing.assert_close(v, alone[k], rtol=1e-3, atol=1e-4)


def test_counts_are_no_latents_and_no_deterministic_outputs():
    for space, words in ((Counts(2), "draws counts"), (X, "draws mixed columns")):
        with pytest.raises(LawError, match=f"{words}, which no gradient passes"):
            WynerVAE(x=Real(2), y=Real(2), z=space, u=0, v=0, networks=SMALL)
    with pytest.raises(LawError, match="draws counts, which no gradient"):
        VariationalWyner(x=Counts(2), y=Real(2), z=2, u=1, v=1, networks=SMALL)
