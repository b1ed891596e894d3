"""What callers pass: numbers of NumPy, arrays that change, rows to validate on, wrong types."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import wyner
from wyner import Binary, Categorical, Real
from wyner.errors import OptionError, RunError, WynerError
from wyner.models import JMVAE, JVAE, WynerVAE
from wyner.networks import MLPs
from wyner.tasks import Index

G = np.random.default_rng(0)
X = G.normal(size=(40, 2)).astype(np.float32)
SHORT = {"batch_size": 10, "progress": False, "loggers": []}


def model() -> WynerVAE:
    torch.manual_seed(0)
    return WynerVAE(x=Real(2), y=Real(2), z=1, u=1, v=1, networks=MLPs((4,)))


def test_arrays_of_the_caller_may_change_while_a_model_learns() -> None:
    """A probe that zeroes them changes nothing."""
    losses = []
    for spoil in (False, True):
        for given in (X.copy(), torch.from_numpy(X.copy())):
            arrays = {"x": given, "y": given}

            def probe(m, given=given, spoil=spoil) -> dict[str, float]:
                given[:] = 0 if spoil else given
                return {"n": 0.0}

            run = wyner.fit(model(), arrays, epochs=4, probe=probe, probe_every=1, **SHORT)
            losses.append([r["loss"] for r in run.history if r["split"] == "train"])
    assert losses[0] == losses[1] == losses[2] == losses[3]


def test_numbers_of_numpy_are_numbers(tmp_path) -> None:
    i, f = np.int64, np.float32
    m = WynerVAE(x=Real(i(2)), y=Real(i(2)), z=i(1), u=i(1), v=i(1), lam=f(0.125))
    run = wyner.fit(
        m,
        {"x": X, "y": X},
        epochs=i(2),
        lr=f(1e-3),
        batch_size=i(10),
        seed=i(3),
        progress=False,
        loggers=[],
        out=tmp_path / "run",
    )
    assert wyner.load(tmp_path / "run").config == run.model.config
    assert Categorical(i(1), i(3)) == Categorical(1, 3)
    assert Binary(i(4)) == Binary(4)
    index = m.index(y=X, names=np.arange(40), out=tmp_path / "index")
    assert Index.load(tmp_path / "index", m).names == list(range(40))
    assert index.search(x=X[:2], k=i(2)).index.shape == (2, 2)


def test_an_index_with_wrong_names_leaves_nothing(tmp_path) -> None:
    with pytest.raises(WynerError, match="cannot store"):
        model().index(y=X, names=[object()] * 40, out=tmp_path / "index")
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: JMVAE({k: Real(2) for k in "abc"}), "JMVAE takes x= and y=.*for 3 modalities"),
        (
            lambda: JVAE(x=Real(2), y=Real(2), networks=MLPs(hidden=64)),
            r"hidden: expected a list .*\(64,\)",
        ),
        (lambda: WynerVAE(x=200, y=142), r"x needs a space, for example Real\(200\), got 200"),
        (
            lambda: WynerVAE({"a": 3, "b": Real(2)}),
            r"a needs a space, for example Real\(3\), got 3",
        ),
        (
            lambda: WynerVAE(x=Real(2), y=Real(2), lam="auto"),
            "expected a number or a schedule, got 'auto'",
        ),
    ],
)
def test_wrong_types_are_named(call, message: str) -> None:
    with pytest.raises(WynerError, match=message):
        call()


@pytest.mark.parametrize(
    "name",
    [
        "seed",
        "samples",
        "given",
        "self",
        "k",
        "engine",
        "names",
        "out",
        "source",
        "block",
        "distance",
    ],
)
def test_modalities_that_tasks_could_not_take_are_refused_before_training(name: str) -> None:
    with pytest.raises(OptionError, match=f"'{name}' cannot name a modality, because tasks have"):
        WynerVAE({name: Real(2), "y": Real(2)}, z=1)


@pytest.mark.parametrize(
    ("a", "b", "fits"), [("y", "z", False), ("x", "z", False), ("u", "v", True)]
)
def test_modalities_called_as_latents(a: str, b: str, fits: bool) -> None:
    data = wyner.data.from_arrays({a: X, b: X}, views=[a, b])
    from wyner.experiments import Experiment

    experiment = Experiment({"name": "pairs.npz"}, {"z": 1})
    if fits:
        assert list(experiment.build(data).observed) == [a, b]
    else:
        with pytest.raises(OptionError, match="'z' cannot name a modality"):
            experiment.build(data)


def test_one_row_may_be_validated_on() -> None:
    run = wyner.fit(model(), {"x": X[:12], "y": X[:12]}, validation=0.1, epochs=1, **SHORT)
    assert any(r["split"] == "validation" for r in run.history)


def test_one_hot_rows_and_codes() -> None:
    m = JVAE(x=Categorical(1, 4), y=Categorical(2, 2), w=1, networks=MLPs((4,)))
    codes, bits = np.array([0, 3]), np.array([[0, 1], [1, 1]])
    hot = np.eye(4, dtype=np.float32)[codes]
    pairs = np.eye(2, dtype=np.float32)[bits]
    found = [
        m.encode(x=x, y=y)["w"].mean for x in (codes, hot, hot[:, None]) for y in (bits, pairs)
    ]
    assert all(torch.equal(v, found[0]) for v in found)


def resumable(tmp_path, **options):
    rows = {"x": X[:30], "y": X[:30]}
    held = {"x": X[30:], "y": X[30:]}
    return wyner.fit(
        model(), rows, out=tmp_path / "run", epochs=2, **{"validation": held, **SHORT, **options}
    )


def test_a_run_goes_on_with_the_same_rows_to_validate_on_only(tmp_path) -> None:
    resumable(tmp_path)
    (tmp_path / "run" / "model.safetensors").unlink()
    with pytest.raises(RunError, match="trained on other data"):
        resumable(tmp_path, validation={"x": X[30:] + 1, "y": X[30:]}, resume=True)
    with pytest.raises(RunError, match="seed was 0 and is now 1"):
        resumable(tmp_path, seed=1, resume=True)
    resumable(tmp_path, checkpoint_seconds=5.0, resume=True)  # changes nothing that is computed
