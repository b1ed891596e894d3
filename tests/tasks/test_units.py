"""A model that was trained on standardised columns takes and gives the user's own units."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

import wyner
from wyner.data import from_arrays
from wyner.errors import DataError, OptionError
from wyner.evaluation import evaluate
from wyner.networks import MLPs
from wyner.sparse import SparseRows

G = np.random.default_rng(0)
Z = G.normal(size=(150, 1))
X = 1000 + 50 * (Z + G.normal(size=(150, 3))) / 2**0.5
Y = -3 + 0.01 * (Z + G.normal(size=(150, 2)))
SHORT = {"epochs": 4, "batch_size": 20, "lr": 1e-2, "progress": False}


def fresh(data):
    torch.manual_seed(0)
    options = {"families": data.families, "networks": MLPs((8,))}
    return wyner.models.WynerVAE(**data.spaces, z=1, u=1, v=1, alpha=1.0, **options)


@pytest.fixture(scope="module")
def data():
    return from_arrays({"x": X, "y": Y}, seed=1)


@pytest.fixture(scope="module")
def model(data):
    return wyner.fit(fresh(data), data, **SHORT).model


@pytest.fixture(scope="module")
def by_hand(data, model):
    """The same weights in a model that knows no scale, trained on rows scaled by hand."""
    plain = fresh(data)
    scaled = {k: scale(data, k, v) for k, v in data.train.items()}
    held = {k: scale(data, k, v) for k, v in data.validation.items()}
    run = wyner.fit(plain, scaled, validation=held, **SHORT)
    for k, v in run.model.state_dict().items():
        assert torch.equal(v, model.state_dict()[k])
    return run.model


def scale(data, name, value):
    train = data.train[name]
    return ((value - train.mean(0)) / train.std(0)).astype(np.float32)


def unscale(data, name, value):
    train = data.train[name]
    return value.astype(np.float64) * train.std(0) + train.mean(0)


def close(found, expected) -> None:
    assert np.abs(np.asarray(found) - expected).max() <= 1e-5 * np.abs(expected).max()


def test_what_goes_in(data, model, by_hand) -> None:
    x, y = data.test["x"], data.test["y"]
    sx, sy = scale(data, "x", x), scale(data, "y", y)
    close(model.encode(x=x, y=y)["z"].mean, by_hand.encode(x=sx, y=sy)["z"].mean.numpy())
    found, hand = (m.index(y=b).search(x=a, k=3) for m, a, b in ((model, x, y), (by_hand, sx, sy)))
    np.testing.assert_array_equal(found.index, hand.index)
    a, b = model.common_information(x=x, y=y), by_hand.common_information(x=sx, y=sy)
    assert a == pytest.approx(b, rel=1e-5)


def test_what_comes_out(data, model, by_hand) -> None:
    x, y = data.test["x"], data.test["y"]
    sx, sy = scale(data, "x", x), scale(data, "y", y)
    pairs = [
        ("y", model.translate(x=x, n=2, seed=0), by_hand.translate(x=sx, n=2, seed=0)),
        ("x", model.translate(y=y, seed=0), by_hand.translate(y=sy, seed=0)),
        ("x", model.generate(5, seed=0)["x"].numpy(), by_hand.generate(5, seed=0)["x"].numpy()),
        (
            "y",
            model.restyle(x=x, like={"y": y[:1]}, seed=0),
            by_hand.restyle(x=sx, like={"y": sy[:1]}, seed=0),
        ),
        (
            "x",
            model.reconstruct(x=x, y=y, seed=0)["x"],
            by_hand.reconstruct(x=sx, y=sy, seed=0)["x"],
        ),
        (
            "y",
            model.redraw(x=x, y=y, n=2, seed=0)["y"],
            by_hand.redraw(x=sx, y=sy, n=2, seed=0)["y"],
        ),
        (
            "x",
            model.decode({"z": np.zeros((2, 1))}, seed=0)["x"],
            by_hand.decode({"z": np.zeros((2, 1))}, seed=0)["x"],
        ),
    ]
    start, end = {"x": x[:1], "y": y[:1]}, {"x": x[1:2], "y": y[1:2]}
    hand = [{"x": sx[i : i + 1], "y": sy[i : i + 1]} for i in (0, 1)]
    pairs.append(("y", model.interpolate(start, end)["y"], by_hand.interpolate(*hand)["y"]))
    pairs.append(("x", model.traverse(start).outputs["x"], by_hand.traverse(hand[0]).outputs["x"]))
    for name, found, standard in pairs:
        close(found, unscale(data, name, standard))


def test_likelihoods_are_densities_in_the_units_of_the_data(data, model, by_hand) -> None:
    x, y = data.test["x"], data.test["y"]
    sx, sy = scale(data, "x", x), scale(data, "y", y)
    found = model.log_likelihood(x=x, y=y, samples=20, seed=0)
    hand = by_hand.log_likelihood(x=sx, y=sy, samples=20, seed=0)
    jacobian = -sum(np.log(data.train[k].std(0)).sum() for k in ("x", "y"))
    close(found.value, hand.value + jacobian)
    close(found.standardised, hand.value)
    found = model.log_likelihood(y=y, given={"x": x}, samples=20, seed=0)
    hand = by_hand.log_likelihood(y=sy, given={"x": sx}, samples=20, seed=0)
    close(found.value, hand.value - np.log(data.train["y"].std(0)).sum())
    assert np.array_equal(hand.standardised, hand.value)


def test_evaluation_says_both(data, model, by_hand) -> None:
    joint = next(n for n in evaluate(model, data, samples=20) if n.name == "joint nll")
    hand = by_hand.log_likelihood(
        {k: scale(data, k, v) for k, v in data.test.items()}, samples=20, seed=0
    )
    shift = sum(np.log(data.train[k].std(0)).sum() for k in ("x", "y"))
    assert joint.value == pytest.approx(hand.nll + shift, abs=1e-4)
    assert f"in the units of the data, {hand.nll:.3f} nats for standardised columns" in joint.how


def test_a_loaded_model_knows_its_scale(data, tmp_path) -> None:
    run = wyner.fit(fresh(data), data, out=tmp_path / "run", loggers=[], **SHORT)
    run.model.save(tmp_path / "alone")
    expected = run.model.translate(x=X[:4], seed=0)
    for folder in ("run", "alone"):
        loaded = wyner.load(tmp_path / folder)
        np.testing.assert_array_equal(loaded.translate(x=X[:4], seed=0), expected)
    assert wyner.load(tmp_path / "run", checkpoint=True).preprocessing == run.model.preprocessing


def test_arrays_are_standardised_if_one_says_so(data) -> None:
    arrays = {"x": X, "y": Y}
    model = wyner.fit(fresh(data), arrays, standardise={"x": True, "y": "none"}, **SHORT).model
    assert list(model.preprocessing.scalings) == ["x"]
    close(model.preprocessing.scalings["x"].mean, X.mean(0))
    plain = wyner.fit(fresh(data), {"x": X / 1000, "y": Y}, **SHORT).model
    assert not plain.preprocessing
    with pytest.raises(OptionError, match="a record of wyner.data says itself"):
        wyner.fit(fresh(data), data, standardise=True, **SHORT)


def test_a_grid_and_a_fit_that_goes_on_keep_the_scale(data, model) -> None:
    run = wyner.fit(fresh(data), data, grid={"seed": [0, 1]}, **SHORT)
    assert all(m.model.preprocessing == data.preprocessing for m in run.members)
    again = wyner.fit(run.model, {"x": X, "y": Y}, **{**SHORT, "epochs": 1}).model
    assert again.preprocessing == data.preprocessing  # arrays in the same units as before


def test_numbers_too_large_for_the_networks_are_named(data) -> None:
    big = np.where(np.arange(150)[:, None] == 3, 1e100, X)
    with pytest.raises(DataError, match=r"x: found 1e\+100 at row 3, column 0 .* too large"):
        wyner.fit(fresh(data), {"x": big, "y": Y}, **SHORT)


def test_sparse_rows_train_as_dense_ones() -> None:
    counts = G.poisson(0.4, (150, 6)).astype(float)
    found = []
    for rows in (counts, sparse.csr_matrix(counts), sparse.coo_array(counts)):
        data = from_arrays({"x": rows, "y": Y}, seed=1, standardise={"x": "log1p"})
        run = wyner.fit(fresh(data), data, **SHORT)
        assert (type(data.train["x"]) is SparseRows) == (rows is not counts)
        value = run.model.log_likelihood(x=rows, y=Y, samples=5, seed=0).value
        found.append((run.history[-1]["loss"], value))
        logs = np.log1p(np.asarray(data.train["x"]))
        close(run.model.preprocessing.scalings["x"].deviation, logs.std(0))
    for loss, value in found[1:]:
        assert loss == pytest.approx(found[0][0], rel=1e-4)
        np.testing.assert_allclose(value, found[0][1], rtol=1e-3)
    plain = {"x": sparse.csr_matrix(counts), "y": Y}
    one, two = (
        wyner.fit(fresh(data), {**plain, "x": x}, validation=0.2, **SHORT).model.state_dict()
        for x in (plain["x"], counts.astype(np.float32))
    )
    assert all(torch.equal(v, two[k]) for k, v in one.items())


pandas = pytest.importorskip("pandas")


def frames(order=slice(None)):
    index = pandas.Index([f"p{i:03d}" for i in range(150)], name="patient")
    x = pandas.DataFrame(X, index, ["a", "b", "c"])
    return {"x": x, "y": pandas.DataFrame(Y, index, ["g", "h"]).iloc[order]}


def test_a_frame_in_gives_a_frame_out(data) -> None:
    model = wyner.fit(fresh(data), frames(), **SHORT).model
    x = frames()["x"].iloc[:4]
    found = model.translate(x=x[["c", "a", "b"]], n=2, seed=0)
    assert list(found.columns) == ["g", "h"]
    assert found.index.names == ["draw", "patient"]
    np.testing.assert_array_equal(
        found.to_numpy(), model.translate(x=x.to_numpy(), n=2, seed=0).reshape(8, 2)
    )
    pair = model.reconstruct(x=x, y=frames()["y"].iloc[:4], seed=0)
    assert pair["x"].index.tolist() == ["p000", "p001", "p002", "p003"]
    np.testing.assert_array_equal(
        model.encode(x=x)["z"].mean, model.encode(x=x.to_numpy())["z"].mean
    )
    hits = model.index(y=frames()["y"]).search(x=x, k=2)
    assert hits.index.shape == (4, 2)
    with pytest.raises(DataError, match="x: unknown column 'c'"):
        model.encode(x=x[["a", "b"]])
    with pytest.raises(DataError, match="columns that the model does not know: d"):
        model.encode(x=x.assign(d=1.0))


def test_columns_of_several_kinds(tmp_path) -> None:
    """Categories come out as they went in; frames, arrays and a loaded run say the same."""
    z, g = Z[:, 0], np.random.default_rng(5)
    sex = np.where(z + g.normal(size=150) > 0, "m", "f")
    clinic = {"age": 50 + 10 * z, "sex": sex, "visits": g.poisson(np.exp(2 + z / 2))}
    frame = pandas.DataFrame({**clinic, "grade": g.choice([1, 3, 7], 150)})
    both = frame.assign(g=Y[:, 0], h=Y[:, 1])
    views = {"x": list(frame.columns), "y": ["g", "h"]}
    with pytest.raises(DataError, match="x: holds columns of strings.*kinds='auto'"):
        wyner.data.from_tables(both, views=views)
    data = wyner.data.from_tables(both, views=views, kinds="auto")
    assert repr(data.spaces["x"]) == (
        "Mixed(Real(1), Categorical(1, 2), Counts(1), Categorical(1, 3))"
    )
    assert "x: sex     categorical  2 different texts: f, m." in data.notes
    assert data.preprocessing.scalings["x"].mean[1:].tolist() == [0, 0, 0]
    model = wyner.fit(fresh(data), data, out=tmp_path / "run", loggers=[], **SHORT).model
    rows = frame.iloc[:5]
    codes = rows.assign(sex=(rows.sex == "m").astype(float)).to_numpy(float)
    loaded = wyner.load(tmp_path / "run")
    for m in (model, loaded):
        a, b = (m.log_likelihood(x=x, samples=20, seed=0) for x in (rows, codes))
        np.testing.assert_array_equal(a.value, b.value)
        jacobian = -np.log(data.train["x"][:, 0].std())
        np.testing.assert_allclose(a.value - a.standardised, jacobian, rtol=1e-4)
    made = loaded.translate(y=both[["g", "h"]].iloc[:50], n=1, seed=0)
    assert set(made.sex) <= {"f", "m"}
    assert set(made.grade) <= {1, 3, 7}
    found = loaded.translate(y=Y[:50], n=1, seed=0)[0]
    np.testing.assert_array_equal(found[:, 0], made.age)
    np.testing.assert_array_equal(np.array(["f", "m"])[found[:, 1].astype(int)], made.sex)
    with pytest.raises(DataError, match="sex: row 0 holds 'x', which is none of its categories"):
        loaded.encode(x=rows.assign(sex="x"))
    assert wyner.fit(fresh(data), data, **SHORT).model.preprocessing == loaded.preprocessing


def test_shuffled_frames_give_the_very_same_weights(data) -> None:
    order = np.random.default_rng(1).permutation(150)
    one = wyner.fit(fresh(data), frames(), **SHORT).model.state_dict()
    two = frames(order)
    two["x"] = two["x"].sample(frac=1, random_state=2)
    other = wyner.fit(fresh(data), two, **SHORT).model.state_dict()
    assert all(torch.equal(v, other[k]) for k, v in one.items())


def test_an_ensemble_speaks_the_units_of_its_members(data, tmp_path) -> None:
    made = wyner.data.from_tables(frames(), seed=1)
    short = {**SHORT, "epochs": 1}
    run = wyner.fit(
        fresh(made), made, members=2, out=tmp_path / "run", **{**short, "loggers": None}
    )
    loaded, y = wyner.load(tmp_path / "run"), frames()["y"].iloc[:3]
    found = loaded.translate(y=y, seed=0)
    assert list(found.columns) == ["a", "b", "c"]
    each = [m.model.translate(y=y, seed=0).to_numpy() for m in run.members]
    np.testing.assert_allclose(found.to_numpy(), (each[0] + each[1]) / 2, rtol=1e-6)
    p = loaded.log_likelihood(x=X[:3], y=Y[:3], samples=5, seed=0)
    shift = -sum(np.log(made.train[k].std(0)).sum() for k in ("x", "y"))
    np.testing.assert_allclose(p.value - p.standardised, shift, rtol=1e-5)
