"""Study files: every one is parsed, every row is built and trained for two steps; what is wrong is
said in one sentence with the nearest known name."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from wyner.data import load
from wyner.data.dataset import Dataset
from wyner.errors import OptionError
from wyner.experiments import grammar
from wyner.training.fit import fit
from wyner.variables import Binary, Image

TABLES = ("add1", "celeba", "halves", "mnist-svhn", "mnist-svhn-add1", "mog", "w-vae", "w-vae-mog")
FILES = [(e, p) for e in TABLES for p in grammar.protocols(e)]
ROWS = [(e, p, r.slug) for e, p in FILES for r in grammar.read(e, p).rows]


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
    assert set(TABLES) <= set(grammar.names())
    assert {e for e, p in FILES if p == "paper"} == set(TABLES) - {"w-vae-mog"}
    assert [e for e, p in FILES if p == "short"] == list(TABLES)


@pytest.mark.parametrize("name", grammar.names())
def test_every_shipped_study_is_read_and_says_what_its_settings_were_chosen_on(name):
    for protocol in grammar.protocols(name):
        study = grammar.read(name, protocol)
        assert (study.name, study.protocol) == (name, protocol)
        assert all(len(r.chosen_on) > 4 for r in study.rows)


def test_the_add_1_headline_was_chosen_on_test_rows():
    rows = {r.slug: r.chosen_on for r in grammar.read("add1").rows}
    assert all(
        rows[s].startswith("test rows") for s in ("common", "common-private", "common-reread")
    )
    assert rows["wyner-0.1"].startswith("not recorded")


def test_a_protocol_that_an_experiment_lacks_is_refused():
    with pytest.raises(
        OptionError, match="unknown protocol of w-vae-mog 'paper': There are: short"
    ):
        grammar.read("w-vae-mog", "paper")


@pytest.mark.parametrize(("experiment", "protocol", "slug"), ROWS, ids=["-".join(r) for r in ROWS])
def test_every_row_starts(experiment, protocol, slug, data):
    (row,) = grammar.read(experiment, protocol).pick([slug])
    networks = {**row.networks, "hidden": [8]}
    kind = networks.get("kind", "")
    if kind == "Strided":
        networks = {**row.networks, "width": 2}
    networks |= {
        "Autoencoded": {"width": 2, "code": 4, "epochs": 1},
        "Convolutional": {"width": 1, "blocks": 1},
    }.get(kind, {})
    if "vectors" in networks:
        networks["vectors"] = [8, 8]
    row = dataclasses.replace(
        row, networks=networks, fit={**row.fit, "epochs": 1, "batch_size": 16}
    )
    made = row.experiment({"name": "mog"})
    model = made.build(data[experiment])
    history = fit(model, data[experiment].train, progress=False, **made.fit).history
    assert history[0]["step"] == 2
    assert all(np.isfinite(r["loss"]) for r in history)


def test_published_values_are_those_of_the_paper():
    mog = {r.slug: r.published for r in grammar.read("mog").rows}
    assert mog["wyner-0.05"]["nll_joint"] == (32.64, 0.18)
    assert mog["vib"]["nll_conditional"] == (503.91, 2.79)
    assert "nll_joint" not in mog["vib"]
    halves = {r.slug: r.published for r in grammar.read("halves").rows}
    assert halves["wyner-0"]["nll_joint"] == (87.74, 0.05)
    assert halves["cvae"]["nll_conditional"] == (44.73, None)


@pytest.mark.parametrize("protocol", ["short", "paper"])
def test_published_values_of_pictures_are_those_of_tables_5_and_6(protocol):
    add1 = {r.slug: r.published for r in grammar.read("add1", protocol).rows}
    assert add1["wyner-0.1"]["nll_conditional"] == (-0.51, 6.94)
    assert add1["wyner-0.1"]["accuracy"] == (0.9133, 0.0131)
    assert add1["wyner-0.1"]["variance"] == (0.0454, 0.0009)
    assert add1["wyner-0"]["I40"] == (41.35, 0.78)
    assert "I40" not in add1["vcca-private"]
    assert "nll_joint" not in add1["vib"]
    celeba = {r.slug: r.published for r in grammar.read("celeba", protocol).rows}
    assert [
        celeba[f"wyner-{lam}"]["attributes"] for lam in ("0", "0.05", "0.1", "0.15", "0.2")
    ] == [(v, None) for v in (0.8926, 0.8921, 0.8929, 0.8932, 0.8928)]
    assert (celeba["jvae"]["attributes"], celeba["jvae"]["variance"]) == (
        (0.8811, None),
        (0.0073, None),
    )


@pytest.mark.parametrize(
    ("experiment", "sizes"),
    [("add1", (32, 32, 32)), ("mnist-svhn", (128, 128, 128)), ("celeba", (128, 0, 128))],
)
def test_the_papers_networks_and_settings_of_pictures(experiment, sizes, data):
    from wyner.networks import TABLE_8, TABLE_10, Convolutional

    rows = grammar.read(experiment, "paper").rows
    first = rows[0]
    options = {
        k: tuple(v) if isinstance(v, list) else v for k, v in first.networks.items() if k != "kind"
    }
    assert Convolutional(**options) == (TABLE_10 if experiment == "celeba" else TABLE_8)
    assert (first.fit["epochs"], first.fit["batch_size"], first.fit["lr"]) == (100, 128, 1e-4)
    wyner = next(r.model for r in rows if r.slug == "wyner-0.1")
    assert (wyner["z"], wyner["u"], wyner["v"]) == sizes
    assert wyner["marginals"] == {"kind": "Alternating", "every": 1, "epochs": 1}
    assert "alpha" not in wyner
    jvae = next(r.model for r in rows if r.slug == "jvae")
    assert jvae["w"] == sum(sizes)


@pytest.mark.parametrize("protocol", ["short", "paper"])
def test_latent_sizes_are_those_of_the_paper(protocol, data):
    p = grammar.read("halves", protocol)
    sizes = {}
    for row in p.rows:
        made = row.experiment(p.data[""][-1]).build(data["halves"])
        sizes[row.slug] = {k: s.size for k, s in made.latent.items()}
    assert sizes["jvae"] == {"w": 50}
    assert sizes["wyner-0.15"] == {"z": 20, "u": 15, "v": 15}
    assert sizes["cvae"] == {"v": 15}
    assert isinstance(data["halves"].spaces["x"], Binary)


MINIMAL = """
title = "t"
seeds = 1
chosen_on = "nothing"
[[data]]
name = "mog"
[fit]
epochs = 1
[questions.likelihood]
[questions.information]
"""
ROW = '[[rows]]\nlabel = "A (b = 1)"\nmodel = { name = "JVAE" }\n'
CLAIM = """
[[claims]]
text = "c"
left = "a-b-1"
right = "a-b-1"
metric = "I41"
relation = "below"
"""


TABLE = MINIMAL + "[[tables]]\nkind = 'columns'\n"


def test_a_label_names_its_folder():
    assert grammar.parse(MINIMAL + ROW + CLAIM, "e").rows[0].slug == "a-b-1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[data\n", "e-short is not TOML"),
        (MINIMAL + "[[rows]]\nlabel = 1\nmodel = 3\n", "e-short: a value is of the wrong type"),
        (MINIMAL.replace("[[data]]", "[data]") + ROW, "e-short: a value is of the wrong type"),
        ("titel = 3\n" + MINIMAL + ROW, "unknown key 'titel': did you mean 'title'"),
        ('title = "t"\nseeds = 1\n' + ROW, "expected data"),
        (MINIMAL + "[[rows]]\nlabel = 'A'\n", "expected label and model in every row, got label"),
        (MINIMAL + ROW + ROW, "rows of different names, got a-b-1, a-b-1"),
        (MINIMAL + ROW + "labell = 1\n", "unknown key of a row 'labell': did you mean 'label'"),
        (MINIMAL + ROW + "trainer = 'fitt'\n", "a-b-1: unknown trainer 'fitt': did you mean 'fit'"),
        (MINIMAL + ROW + "data = 'mnist'\n", "e-short: a-b-1: unknown data 'mnist'"),
        (MINIMAL + ROW + "start = 'b'\n", "start to be the slug of a row before it, got 'b'"),
        (MINIMAL + ROW + "published = { nll_joint = [1, 2, 3] }\n", "published value is .mean."),
        (MINIMAL + ROW + "published = { nll_joit = [1] }\n", "did you mean 'nll_joint'"),
        (MINIMAL.replace("chosen_on", "#") + ROW, "a-b-1: expected chosen_on"),
        (MINIMAL + "[questions.likelihod]\n" + ROW, "question 'likelihod': did you mean 'likelih"),
        (MINIMAL + "[questions.labels]\nshifd = 1\n" + ROW, "'shifd': did you mean 'shift'"),
        (MINIMAL + "[questions.labels]\nshift = 1\n" + ROW, "missing .* 'classifier'"),
        (MINIMAL + "[probe]\nevry = 1\n" + ROW, "key of .probe. 'evry': did you mean 'every'"),
        (MINIMAL + "[figures.curvs]\n" + ROW, "figure 'curvs': did you mean 'curves'"),
        (MINIMAL + "[figures.curves]\nasid = []\n" + ROW, "'asid': did you mean 'aside'"),
        (MINIMAL + "[figures.curves]\nrows = ['a-b-2']\n" + ROW, "did you mean 'a-b-1'"),
        (MINIMAL + "[[tables]]\nkind = 'column'\n" + ROW, "table 'column': did you mean 'columns'"),
        (
            TABLE + "columns = ['nll_joit']\n" + ROW,
            "unknown column 'nll_joit': did you mean 'nll_jo",
        ),
        (TABLE + "cells = 'slesh'\n" + ROW, "unknown cells 'slesh': did you mean 'slash'"),
        (TABLE + "rows = ['a-b-2']\n" + ROW, "table columns: unknown row 'a-b-2'"),
        (MINIMAL + "[[tables]]\nkind = 'claims'\nnumber = 1\n" + ROW, "did you mean 'numbers'"),
        (MINIMAL + ROW.replace("JVAE", "JVAEE"), "did you mean 'JVAE'"),
        (MINIMAL + ROW + CLAIM.replace("a-b-1", "a"), "claim: unknown row 'a'"),
        (
            MINIMAL + ROW + CLAIM.replace("I41", "I42"),
            "claim: unknown metric 'I42': did you mean 'I41'",
        ),
        (MINIMAL + ROW + CLAIM.replace("below", "under"), "claim: unknown relation 'under'"),
        (MINIMAL + ROW + CLAIM.replace("left", "lefd"), "did you mean 'left'"),
        (MINIMAL + ROW + CLAIM.replace("metric", "#"), "claim: expected metric"),
    ],
)
def test_a_bad_study_is_refused_in_one_sentence(text, said):
    with pytest.raises(OptionError, match=said) as refused:
        grammar.parse(text, "e")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"seeds": 0}, "seeds: expected a positive whole number, got 0"),
        ({"test_rows": -1}, "test rows: expected a positive"),
        ({"data": "digits-halves"}, "expected data from mog, got 'digits-halves'"),
        (
            {"samples": 3},
            "e takes --rows, --seeds, --epochs, --test-rows and --data; leave out --sa",
        ),
    ],
)
def test_changes_that_a_study_does_not_take_are_refused(asked, said):
    study = grammar.parse(MINIMAL.replace("[questions.likelihood]\n", "") + ROW, "e")
    with pytest.raises(OptionError, match=said):
        study.changed(**asked)


def test_changes_reach_rows_questions_and_data():
    study = grammar.parse(MINIMAL + "[probe]\nevery = 9\n" + ROW + "fit = { steps = 7 }\n", "e")
    made = study.changed(seeds=3, epochs=2, samples=11, test_rows=13, data="mog")
    assert (made.seeds, made.probe.every) == (3, 2)
    assert made.rows[0].fit == {"epochs": 2}
    assert made.questions["likelihood"].how == {
        "samples": 11,
        "rows": 13,
        "offset": 0.0,
        "back": False,
    }
    assert made.questions["information"].how == {"rows": 13}
    assert study.questions["likelihood"].how["samples"] == 100


def test_networks_of_another_kind_are_given_whole():
    text = MINIMAL + "[networks]\nhidden = [8]\n" + ROW + "networks = { activation = 'elu' }\n"
    assert grammar.parse(text, "e").rows[0].networks == {"hidden": [8], "activation": "elu"}
    text = text.replace("activation = 'elu'", "kind = 'Strided'")
    assert grammar.parse(text, "e").rows[0].networks == {"kind": "Strided"}


def test_the_example_of_the_documentation_is_a_study(pytestconfig):
    page = (pytestconfig.rootpath / "docs" / "reproduce.md").read_text()
    study = grammar.parse(page.split("```toml\n")[1].split("```")[0], "mine")
    assert [r.slug for r in study.rows] == ["wyner", "jmvae"]
    assert study.claims[0].metric in study.columns


def test_a_study_of_your_own_is_a_file(tmp_path):
    (tmp_path / "mine.toml").write_text(MINIMAL + ROW)
    study = grammar.read(str(tmp_path / "mine.toml"))
    assert (study.name, study.title, study.labels) == ("mine", "t", {"a-b-1": "A (b = 1)"})


def test_families_of_a_protocol_hold_for_all_rows():
    text = (
        MINIMAL + "[model.families]\nx = 0.25\ny = { floor = { start = 1.0, end = 0.01 } }\n" + ROW
    )
    text += '[[rows]]\nlabel = "B"\nmodel = { name = "JVAE", families = { x = 0.5 } }\n'
    rows_ = grammar.parse(text, "e").rows
    rows = load("mog", train=8, validation=0, test=4)
    one, other = (r.experiment({"name": "mog"}).build(rows).factors for r in rows_)
    assert float(one["p(x|w)"].head.log_scale) == pytest.approx(0.5 * np.log(0.25), rel=1e-6)
    assert float(other["p(x|w)"].head.log_scale) == pytest.approx(0.5 * np.log(0.5), rel=1e-6)
    head = other["p(y|w)"].head
    head.anneal(1.0)
    assert float(head.log_floor) == pytest.approx(0.5 * np.log(0.01), rel=1e-6)


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
    assert grammar.read("halves").load()[1] == {"name": "mnist-halves", "binarisation": "static"}


def test_without_those_files_the_next_data_of_the_list_are_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("WYNER_DATA_DIR", str(tmp_path))
    p = dataclasses.replace(
        grammar.read("halves"),
        data={"": ({"name": "mnist-halves", "binarisation": "static"}, {"name": "digits-halves"})},
    )
    import pooch

    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache")
    assert p.load()[1] == {"name": "digits-halves"}
