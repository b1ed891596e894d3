"""Protocol files: every one is parsed, every row is built and trained for two steps; what is wrong
is said in one sentence."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from wyner.data import load
from wyner.data.dataset import Dataset
from wyner.errors import OptionError
from wyner.experiments import Experiment
from wyner.experiments.legacy import plan
from wyner.training.fit import fit
from wyner.variables import Binary, Image

FILES = [(e, p) for e in plan.names() for p in plan.protocols(e)]
ROWS = [(e, p, r.slug) for e, p in FILES for r in plan.read(e, p).rows]


def pictures(spaces) -> Dataset:
    """Made-up rows like those of a set that only users have."""
    rng = np.random.default_rng(0)
    one = lambda s: rng.integers(0, 2, (32, *s.shape)).astype(np.float32)
    other = lambda s: rng.integers(0, 256, (32, *s.shape), dtype=np.uint8)
    part = {k: (one if isinstance(s, Binary) else other)(s) for k, s in spaces.items()}
    return Dataset("made-up", part, {}, part, spaces)


@pytest.fixture(scope="module")
def data():
    mog = load("mog", train=32, validation=8, test=8)
    digits = load("digits-halves")
    cut = lambda part: {k: v[:32] for k, v in part.items()}
    return {
        "mog": mog,
        "halves": dataclasses.replace(
            digits, train=cut(digits.train), validation=cut(digits.validation)
        ),
        "w-vae": load("digits-add1", train=32, validation=0, test=8, pad=0),
        "w-vae-mog": mog,
        "add1": load("digits-add1", train=32, validation=0, test=8),
        "mnist-svhn": pictures({"x": Image(1, 32, 32), "y": Image(3, 32, 32)}),
        "mnist-svhn-add1": pictures({"x": Image(1, 32, 32), "y": Image(3, 32, 32)}),
        "celeba": pictures({"x": Binary(40), "y": Image(3, 64, 64)}),
    }


def test_there_is_a_short_and_a_paper_protocol_of_each_table():
    tables = {"add1", "celeba", "halves", "mnist-svhn", "mnist-svhn-add1", "mog", "w-vae"}
    assert {*tables, "w-vae-mog"} <= set(plan.names())
    assert tables <= {e for e, p in FILES if p == "paper"}
    assert [e for e, p in FILES if p == "short"] == plan.names()


def test_a_protocol_that_an_experiment_lacks_is_refused():
    with pytest.raises(
        OptionError, match="unknown protocol of w-vae-mog 'paper': There are: short"
    ):
        plan.read("w-vae-mog", "paper")


@pytest.mark.parametrize(("experiment", "protocol", "slug"), ROWS, ids=["-".join(r) for r in ROWS])
def test_every_row_starts(experiment, protocol, slug, data):
    p = plan.read(experiment, protocol)
    smaller = {
        "Autoencoded": {"width": 2, "code": 4, "epochs": 1},
        "Convolutional": {"width": 1, "blocks": 1},
    }
    tiny = smaller.get(p.networks.get("kind", ""), {})
    if "vectors" in p.networks:
        tiny["vectors"] = [8, 8]
    networks = (
        {**p.networks, "width": 2}
        if p.networks.get("kind") == "Strided"
        else {**p.networks, "hidden": [8], **tiny}
    )
    p = dataclasses.replace(p, networks=networks, fit={**p.fit, "epochs": 1, "batch_size": 16})
    (row,) = p.pick([slug])
    row = dataclasses.replace(
        row, fit={k: v for k, v in row.fit.items() if k not in ("epochs", "batch_size")}
    )
    made = p.experiment_of(row, p.data[-1])
    model = made.build(data[experiment])
    history = fit(model, data[experiment].train, progress=False, **made.fit).history
    assert history[0]["step"] == 2
    assert all(np.isfinite(r["loss"]) for r in history)


def test_published_values_are_those_of_the_paper():
    mog = {r.slug: r.published for r in plan.read("mog").rows}
    assert mog["wyner-0.05"].joint == (32.64, 0.18)
    assert mog["vib"].conditional == (503.91, 2.79)
    assert mog["vib"].joint is None
    halves = {r.slug: r.published for r in plan.read("halves").rows}
    assert halves["wyner-0"].of("nll_joint") == (87.74, 0.05)
    assert halves["cvae"].of("nll_conditional") == (44.73, None)


@pytest.mark.parametrize("protocol", plan.PROTOCOLS)
def test_published_values_of_pictures_are_those_of_tables_5_and_6(protocol):
    add1 = {r.slug: r.published for r in plan.read("add1", protocol).rows}
    assert add1["wyner-0.1"].of("nll_conditional") == (-0.51, 6.94)
    assert add1["wyner-0.1"].of("accuracy") == (0.9133, 0.0131)
    assert add1["wyner-0.1"].of("variance") == (0.0454, 0.0009)
    assert add1["wyner-0"].of("I40") == (41.35, 0.78)
    assert add1["vcca-private"].of("I40") is None
    assert add1["vib"].joint is None
    celeba = {r.slug: r.published for r in plan.read("celeba", protocol).rows}
    assert [
        celeba[f"wyner-{lam}"].of("attributes") for lam in ("0", "0.05", "0.1", "0.15", "0.2")
    ] == [(v, None) for v in (0.8926, 0.8921, 0.8929, 0.8932, 0.8928)]
    assert (celeba["jvae"].of("attributes"), celeba["jvae"].of("variance")) == (
        (0.8811, None),
        (0.0073, None),
    )


@pytest.mark.parametrize(
    ("experiment", "sizes"),
    [("add1", (32, 32, 32)), ("mnist-svhn", (128, 128, 128)), ("celeba", (128, 0, 128))],
)
def test_the_papers_networks_and_settings_of_pictures(experiment, sizes, data):
    from wyner.networks import TABLE_8, TABLE_10, Convolutional

    p = plan.read(experiment, "paper")
    options = {
        k: tuple(v) if isinstance(v, list) else v for k, v in p.networks.items() if k != "kind"
    }
    assert Convolutional(**options) == (TABLE_10 if experiment == "celeba" else TABLE_8)
    assert (p.fit["epochs"], p.fit["batch_size"], p.fit["lr"]) == (100, 128, 1e-4)
    wyner = next(r.model for r in p.rows if r.slug == "wyner-0.1")
    assert (wyner["z"], wyner["u"], wyner["v"]) == sizes
    assert wyner["marginals"] == {"kind": "Alternating", "every": 1, "epochs": 1}
    assert "alpha" not in wyner
    jvae = next(r.model for r in p.rows if r.slug == "jvae")
    assert jvae["w"] == sum(sizes)


@pytest.mark.parametrize("protocol", plan.PROTOCOLS)
def test_latent_sizes_are_those_of_the_paper(protocol, data):
    p = plan.read("halves", protocol)
    sizes = {}
    for row in p.rows:
        made = p.experiment_of(row, p.data[-1]).build(data["halves"])
        sizes[row.slug] = {k: s.size for k, s in made.latent.items()}
    assert sizes["jvae"] == {"w": 50}
    assert sizes["wyner-0.15"] == {"z": 20, "u": 15, "v": 15}
    assert sizes["cvae"] == {"v": 15}
    assert isinstance(data["halves"].spaces["x"], Binary)


MINIMAL = 'title = "t"\nseeds = 1\n[[data]]\nname = "mog"\n[fit]\nepochs = 1\n'
ROW = '[[rows]]\nlabel = "A (b = 1)"\nmodel = { name = "JVAE" }\n'


def test_a_label_names_its_folder():
    assert plan.parse(MINIMAL + ROW, "e", "short").rows[0].slug == "a-b-1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[data\n", "is not TOML"),
        ("titel = 3\n" + MINIMAL + ROW, "did you mean 'title'"),
        ('title = "t"\nseeds = 1\n' + ROW, "expected data, fit"),
        (MINIMAL + ROW + ROW, "different names"),
        (MINIMAL + ROW + "joint = [1, 2, 3]\n", "published value"),
        (MINIMAL + ROW + "jiont = [1]\n", "did you mean 'joint'"),
        (MINIMAL + ROW + "published = { accuraci = [1] }\n", "did you mean 'accuracy'"),
        (MINIMAL + "[judge]\nclasifier = 'digits'\n" + ROW, "did you mean 'classifier'"),
        (MINIMAL + ROW.replace("JVAE", "JVAEE"), "did you mean 'JVAE'"),
        (
            MINIMAL
            + ROW
            + '[[claims]]\ntext = "c"\nleft = "a"\nright = "a-b-1"\nmetric = "I41"\nrelation ='
            ' "below"\n',
            "unknown row 'a'",
        ),
        (
            MINIMAL
            + ROW
            + '[[claims]]\ntext = "c"\nleft = "a-b-1"\nright = "a-b-1"\nmetric = "I42"\nrelation ='
            ' "below"\n',
            "did you mean 'I41'",
        ),
        (
            MINIMAL
            + ROW
            + '[[claims]]\ntext = "c"\nleft = "a-b-1"\nright = "a-b-1"\nmetric = "I41"\nrelation ='
            ' "under"\n',
            "unknown relation",
        ),
    ],
    ids=[
        "not-toml",
        "key",
        "missing",
        "twice",
        "published",
        "row-key",
        "published-metric",
        "judge-key",
        "model",
        "claim-row",
        "claim-metric",
        "claim-relation",
    ],
)
def test_a_bad_protocol_is_refused(text, said):
    with pytest.raises(OptionError, match=said):
        plan.parse(text, "e", "short")


def small(**model) -> Experiment:
    return Experiment(
        {"name": "mog", "train": 20, "validation": 4, "test": 4}, model, {"hidden": [4]}
    )


def test_plain_values_become_objects():
    from wyner.objectives.phases import Alternating
    from wyner.schedules import Linear, Path

    e = small(
        lam={"knots": [[0.0, -0.9], [1.0, 0.1]]},
        z={"categorical": [1, 10]},
        alpha={"x2y": {"start": 0, "end": 1}},
    )
    model = e.build(e.load())
    weights = {t.law: t.weight for t in model.phases[0].objective.terms}
    assert weights["rate"] == Path(((0.0, -0.9), (1.0, 0.1)))
    assert weights["x2y"] == Linear(0, 1)
    assert model.latent["z"].shape == (1, 10)
    e = small(name="JVAE", marginals={"kind": "Alternating", "every": 2, "epochs": 3})
    assert e.build(e.load()).phases[1].when == Alternating(2, 3)


def test_families_of_a_protocol_hold_for_all_rows():
    text = MINIMAL + "[families]\nx = 0.25\ny = { floor = { start = 1.0, end = 0.01 } }\n" + ROW
    text += '[[rows]]\nlabel = "B"\nmodel = { name = "JVAE", families = { x = 0.5 } }\n'
    p = plan.parse(text, "e", "short")
    rows = load("mog", train=8, validation=0, test=4)
    one, other = (p.experiment_of(r, p.data[0]).build(rows).factors for r in p.rows)
    assert float(one["p(x|w)"].head.log_scale) == pytest.approx(0.5 * np.log(0.25), rel=1e-6)
    assert float(other["p(x|w)"].head.log_scale) == pytest.approx(0.5 * np.log(0.5), rel=1e-6)
    head = other["p(y|w)"].head
    head.anneal(1.0)
    assert float(head.log_floor) == pytest.approx(0.5 * np.log(0.01), rel=1e-6)


def test_a_categorical_latent_can_have_a_temperature():
    e = small(
        z={"categorical": [1, 3]}, families={"z": {"temperature": {"start": 1.0, "end": 0.1}}}
    )
    model = e.build(e.load())
    head = model.factors["q(z|x,y)"].head
    head.anneal(1.0)
    assert float(head.temperature) == pytest.approx(0.1)
    assert model.factors["p(z)"].head.logits.requires_grad


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"temperature": 0.1, "floor": 0.1}, "has no variance"),
        ({"flor": 0.1}, "did you mean 'floor'"),
        ({"floor": 2.0}, "variance >= floor"),
        ("trianed", "did you mean 'trained'"),
    ],
)
def test_bad_families_are_refused(choice, said):
    with pytest.raises(OptionError, match=said):
        small(families={"x": choice}).build(small().load())


def test_a_number_in_place_of_a_path_is_where_it_ends():
    e = small(lam={"knots": [[0.0, -0.9], [1.0, 0.1]]}).changed(model={"lam": 0.3})
    assert e.model["lam"] == {"knots": [[0.0, -0.9], [1.0, 0.3]]}
    e = small(lam={"start": -0.9, "end": 0.1}).changed(model={"lam": 0.3})
    assert e.model["lam"] == {"start": -0.9, "end": 0.3}


def test_sizes_where_none_are_given():
    e = small(name="JVAE")
    assert e.build(e.load()).latent["w"].size == 30
    e = small(name="WVAE")
    assert e.build(e.load()).latent["u"].shape == (2, 10)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"marginals": {"kind": "Afterwards"}}, "did you mean 'After'"),
        ({"lam": {"end": 1.0, "untill": 0.5}}, "cannot read"),
        ({"lam": {"knots": [[0.5, 1.0], [0.5, 2.0]]}}, "rising shares"),
        ({"name": "CVAE", "lam": 0.5}, "unknown argument 'lam'"),
    ],
    ids=["phase", "linear", "path", "argument"],
)
def test_bad_values_of_a_model_are_refused(model, said):
    with pytest.raises(OptionError, match=said):
        small(**model).build(small().load())


def test_a_model_of_a_pair_refuses_three_modalities(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "three.npz", **{k: rng.standard_normal((40, 2)) for k in "abc"})
    e = Experiment({"name": str(tmp_path / "three.npz")}, {"name": "CVAE"}, {"hidden": [4]})
    with pytest.raises(OptionError, match="CVAE takes x and y; .* a, b, c"):
        e.build(e.load())
    assert Experiment(e.data, {"name": "WynerVAE"}, e.networks).build(e.load()).common == ("z",)


def write_static(folder, rows):
    rng = np.random.default_rng(0)
    for part, n in rows.items():
        bits = rng.integers(0, 2, (n, 784))
        text = "\n".join(" ".join(map(str, r)) for r in bits) + "\n"
        (folder / f"binarized_mnist_{part}.amat").write_text(text)
    return bits


def test_the_static_binarisation_is_read_from_the_users_files(tmp_path, monkeypatch):
    from wyner.data import mnist

    (tmp_path / "mnist").mkdir()
    rows = {"train": 6, "valid": 4, "test": 3}
    last = write_static(tmp_path / "mnist", rows)
    monkeypatch.setenv("WYNER_DATA_DIR", str(tmp_path))
    names = {"train": "train", "validation": "valid", "test": "test"}
    monkeypatch.setattr(
        mnist, "STATIC", {k: (rows[n], f"binarized_mnist_{n}.amat") for k, n in names.items()}
    )
    found = load("mnist-halves", binarisation="static")
    assert [len(p["x"]) for p in (found.train, found.validation, found.test)] == [6, 4, 3]
    whole = np.concatenate([found.test["x"], found.test["y"]], 2).reshape(3, 784)
    assert (whole == last).all()
    assert found.source == {"name": "mnist-halves", "binarisation": "static"}
    assert plan.read("halves").load()[1] == {"name": "mnist-halves", "binarisation": "static"}


def test_without_those_files_the_next_data_of_the_list_are_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("WYNER_DATA_DIR", str(tmp_path))
    p = dataclasses.replace(
        plan.read("halves"),
        data=({"name": "mnist-halves", "binarisation": "static"}, {"name": "digits-halves"}),
    )
    import pooch

    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache")
    assert p.load()[1] == {"name": "digits-halves"}
