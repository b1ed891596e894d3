"""Settings as JSON and back: everything that a user can pass to a model by name."""

from __future__ import annotations

import dataclasses
import inspect
import re
from dataclasses import dataclass

import pytest
import torch
from torch import nn

import wyner
from wyner import Categorical, Image, Real, codec, families, models, networks, objectives, schedules
from wyner.errors import OptionError, RunError, WynerError
from wyner.families import Bernoulli, Combination, Deterministic, Family, Fixed, Gaussian, Trainable
from wyner.models import VariationalWyner, WynerVAE
from wyner.networks import Builder, Critics, MLPs, Strided
from wyner.objectives.phases import After, Alternating, Jointly
from wyner.schedules import Linear, Path, Schedule

BASES = (Builder, Critics, Family, Combination, Schedule)
PARTS = [
    k
    for package in (networks, families, schedules, objectives.phases)
    for k in vars(package).values()
    if inspect.isclass(k) and dataclasses.is_dataclass(k) and not inspect.isabstract(k)
]
NONE = dataclasses.MISSING
PLAIN = [
    k
    for k in PARTS
    if all((f.default, f.default_factory) != (NONE, NONE) for f in dataclasses.fields(k))
]


def test_there_are_parts_with_defaults_of_each_package():
    some = {Strided, MLPs, networks.Trunks, networks.ImageCritics, Gaussian, After, Path}
    assert some <= set(PARTS)
    assert {*some} - {Path} <= set(PLAIN)


@pytest.mark.parametrize("kind", PLAIN, ids=lambda k: k.__name__)
def test_what_a_package_exports_comes_back_as_it_was(kind):
    assert {codec.decode(codec.encode(kind()))} == {kind()}  # and may be a key


@pytest.mark.parametrize("kind", PARTS, ids=lambda k: k.__name__)
def test_parts_are_values_that_nobody_changes(kind):
    """Members of a grid and the phases of a model share them."""
    assert kind.__dataclass_params__.frozen


def test_no_two_kinds_have_one_name():
    kinds = codec.known()
    assert len(set(kinds.values())) == len(kinds)
    assert {*PARTS} <= set(kinds.values())


def test_names_are_in_kebab_case_and_every_model_has_one():
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in codec.KINDS)
    assert {codec.name_of(m) for m in models.TABLE.values()} < set(codec.KINDS)
    assert set(codec.known(wyner.Model).values()) == set(models.TABLE.values())


def test_every_old_name_leads_to_a_class_of_the_same_name():
    for old, name in codec.OLD.items():
        assert codec.KINDS[name].__name__ == old.rsplit(".")[-1]
        base = nn.Module if issubclass(codec.KINDS[name], nn.Module) else None
        assert codec.named(old, base) is codec.named(name, base) is codec.KINDS[name]


def test_two_classes_cannot_share_a_name():
    with pytest.raises(TypeError, match="'gaussian' is the stored name of Gaussian already"):
        codec.stored("gaussian")(type("Other", (), {}))


def test_a_model_with_networks_of_the_package_can_be_loaded(tmp_path):
    critics = Critics(conv=2, width=8)
    model = VariationalWyner(
        x=Image(1, 32, 32), y=Image(1, 32, 32), z=2, u=1, v=1, networks=Strided(2), critics=critics
    )
    again = wyner.load(model.save(tmp_path / "m"))
    assert again.networks == Strided(2)
    assert model.config["name"] == "variational-wyner"
    assert model.config["arguments"]["networks"] == {
        "kind": "strided",
        "width": 2,
        "spectral": False,
    }


@dataclass(frozen=True)
class Mine(MLPs):
    """A user's own builder."""


def test_a_users_own_class_is_stored_as_one():
    assert codec.encode(Mine()) == {"kind": codec.MODULE, "text": "Mine"}
    assert codec.encode(nn.Linear(1, 1)) == {"kind": codec.MODULE, "text": "Linear"}
    with pytest.raises(RunError, match=r"of your own \(Mine\)"):
        codec.decode(codec.encode({"networks": Mine()}))


def test_current_forms_are_equal_where_meanings_are():
    old = {"kind": "heads.Gaussian", "variance": {"kind": "heads.Fixed", "variance": 0.5}}
    assert codec.current(old) == codec.encode(Gaussian(Fixed(0.5)))
    assert codec.current({"kind": "phases.After"}) == codec.encode(After(0.1))
    own = {"kind": codec.MODULE, "text": "Mine"}
    assert codec.current({"networks": own, "x": old}) == {
        "networks": own,
        "x": codec.encode(Gaussian(Fixed(0.5))),
    }
    assert codec.current([{"kind": "nothing of ours", "a": 1}]) == [
        {"kind": "nothing of ours", "a": 1}
    ]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"kind": "gausian"}, "unknown kind 'gausian': did you mean 'gaussian'"),
        ({"kind": "After", "shere": 1}, "after: unknown argument 'shere': did you mean 'share'"),
        ({"kind": "after", "share": "x"}, "cannot read"),
        ({"kind": "after", "share": -1}, "expected a positive share"),
        ({"kind": ["after"]}, "unknown kind"),
        ({"kind": "real", "shape": [0]}, "positive whole numbers"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(value, sentence):
    for read in (codec.decode, lambda v: codec.read(v, "here")):
        with pytest.raises(WynerError, match=re.escape(sentence)) as e:
            read({"a": value})
        assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("value", "made"),
    [
        ({"kind": "after", "share": 0.5}, After(0.5)),
        ({"kind": "Alternating", "every": 2}, Alternating(2)),
        ({"kind": "phases.Jointly"}, Jointly()),
        ({"start": 0.0, "end": 1.0, "until": 0.5}, Linear(0.0, 1.0, 0.5)),
        ({"knots": [[0.0, 1.0], [1.0, 0.0]]}, Path(((0.0, 1.0), (1.0, 0.0)))),
        ({"categorical": [1, 8]}, Categorical(1, 8)),
        ({"real": 3}, Real(3)),
        ({"x2y": 1.0, "y2x": {"end": 1.0, "start": 0.0}}, {"x2y": 1.0, "y2x": Linear(0.0, 1.0)}),
        ({"x": 1.0}, {"x": 1.0}),
        ([1, 2], [1, 2]),
        (0.5, 0.5),
    ],
)
def test_short_forms_of_experiment_files(value, made):
    assert codec.read(value, "here") == made


@pytest.mark.parametrize(
    ("value", "made"),
    [
        (0.5, Gaussian(Fixed(0.5))),
        ("trained", Gaussian(Trainable(per="coordinate"))),
        ("summed", families.Categorical(summed=True, trained=True)),
        ("predicted", Gaussian()),
        ("deterministic", Deterministic()),
        ({"floor": 0.01, "variance": 0.1}, Gaussian(Trainable(0.1, floor=0.01))),
        ({"temperature": 0.05}, families.Categorical(0.05, trained=True)),
        ({"kind": "bernoulli"}, Bernoulli()),
        ({"end": 0.1, "start": 1.0}, Gaussian(Fixed(Linear(1.0, 0.1)))),
    ],
)
def test_families_of_experiment_files(value, made):
    assert codec.read_family(value, "families.x") == made


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("treined", "families.x: unknown choice 'treined': did you mean 'trained'"),
        ({"flor": 0.1}, "families.x: unknown setting 'flor': did you mean 'floor'"),
        ({"temperature": 1.0, "floor": 0.1}, "families.x: a temperature belongs to a categorical"),
        ({"kind": "gausian"}, "families.x: unknown kind 'gausian'"),
    ],
)
def test_families_that_do_not_exist_are_refused(value, sentence):
    with pytest.raises(OptionError, match=re.escape(sentence)):
        codec.read_family(value, "families.x")


def test_old_arguments_are_taken_with_a_warning_and_mean_the_same():
    make = lambda **o: WynerVAE(x=Real(2), y=Real(2), z=1, u=1, v=1, networks=MLPs(()), **o)
    old = {"private": 0.5, "aggregate": 2.0, "reread": 0.0}
    new = {"local_rate": 0.5, "match_prior": 2.0, "cycle": 0.0}
    with pytest.warns(FutureWarning) as caught:
        found = make(**old)
    said = [str(w.message) for w in caught if w.category is FutureWarning]
    assert [f"{a} is now called {b}" in s for s, a, b in zip(said, old, new)] == [True] * 3
    assert all(w.filename == __file__ for w in caught if w.category is FutureWarning)
    assert found.config == make(**new).config
    assert str(found.objective) == str(make(**new).objective)
    with pytest.raises(OptionError, match="reread is the old name of cycle"):
        make(reread=1.0, cycle=1.0)


def test_an_unknown_argument_of_a_model_is_refused_by_name():
    with pytest.raises(OptionError, match="WynerVAE: unknown argument 'lamb': did you mean 'lam'"):
        WynerVAE(x=Real(2), y=Real(2), lamb=0.1)


def test_the_signature_of_a_model_shows_every_option():
    names = inspect.signature(WynerVAE).parameters
    assert {"lam", "cycle", "networks", "families", "modules", "critics"} <= set(names)
    assert "options" not in names
    assert torch.is_tensor(WynerVAE(x=Real(1), y=Real(1), z=1).generate(1, seed=0)["x"])
