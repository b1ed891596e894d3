"""Starting from another model's weights, and keeping some of them."""

from __future__ import annotations

import pytest
import torch

import wyner
from wyner import Categorical, Real
from wyner.errors import OptionError
from wyner.families import Categorical as Values
from wyner.models import WynerVAE
from wyner.networks import MLPs
from wyner.training.start import adopt

ENCODERS = ("q(z|x,y)", "q(z|x)", "q(z|y)")
small = MLPs(hidden=(8,))


def pair(seed: int = 0) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    common = torch.randn(300, 1, generator=g)
    return {k: common + torch.randn(300, 3, generator=g) for k in "xy"}


def model(u: int = 2, hidden: tuple[int, ...] = (8,), **options) -> WynerVAE:
    z = Categorical(1, 4)
    return WynerVAE(
        x=Real(3),
        y=Real(3),
        z=z,
        u=u,
        v=u,
        alpha={"x2y": 1.0, "y2x": 1.0},
        families={"z": Values(summed=True, trained=True)},
        networks=MLPs(hidden=hidden),
        **options,
    )


def weights(m: WynerVAE, name: str) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in m.factors[name].state_dict().items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(a[k], b[k]) for k in a)


def test_common_first_then_private():
    common = wyner.fit(model(u=0), pair(), epochs=2, progress=False)
    whole = model()
    fresh = weights(whole, "p(x|z,u)")
    wyner.fit(whole, pair(), epochs=2, progress=False, start=common, freeze=ENCODERS)
    for name in ENCODERS:
        assert same(weights(whole, name), weights(common.model, name))
    assert not same(weights(whole, "p(z)"), weights(common.model, "p(z)"))
    assert not same(weights(whole, "p(x|z,u)"), fresh)


def test_only_equal_networks_are_copied():
    common, whole = model(u=0), model(hidden=(8, 8))
    with pytest.raises(OptionError, match=r"q\(z\|x\) has other networks"):
        adopt(whole, common, ["q(z|x)"])
    assert adopt(whole, common) == ["p(z)"]
    with pytest.raises(OptionError, match="start: .*q\\(w\\|x\\)"):
        adopt(whole, common, ["q(w|x)"])
    with pytest.raises(OptionError, match="no factor in common"):
        adopt(wyner.models.CVAE(x=Real(3), y=Real(3), v=2, networks=small), common)


def test_a_summed_latent_can_go_on_as_a_drawn_one():
    common = wyner.fit(model(u=0), pair(), epochs=1, progress=False)
    drawn = WynerVAE(
        x=Real(3),
        y=Real(3),
        z=Categorical(1, 4),
        u=2,
        v=2,
        alpha={"x2y": 1.0, "y2x": 1.0},
        families={"z": Values(trained=True)},
        networks=small,
    )
    wyner.fit(drawn, pair(), epochs=1, progress=False, start=common, freeze=ENCODERS)
    x = pair()["x"]
    assert torch.equal(drawn.encode(x=x)["z"].mean, common.model.encode(x=x)["z"].mean)


def test_what_is_kept_must_have_been_copied():
    common, whole = wyner.fit(model(u=0), pair(), epochs=1, progress=False), model(hidden=(8, 8))
    with pytest.raises(OptionError, match=r"freeze: q\(z\|x,y\), .* would stay as it was made"):
        wyner.fit(whole, pair(), epochs=1, progress=False, start=common, freeze=ENCODERS)


def test_a_folder_and_a_grid_can_be_started_from(tmp_path):
    grid = {"seed": [0, 1]}
    common = wyner.fit(
        model(u=0), pair(), grid=grid, epochs=1, progress=False, out=tmp_path / "common"
    )
    folders = {m.point["seed"]: m.folder for m in common.members}
    run = wyner.fit(
        model(),
        pair(),
        grid=grid,
        epochs=1,
        progress=False,
        start=lambda p: folders[p["seed"]],
        freeze=ENCODERS,
    )
    for member in run.members:
        assert same(
            weights(member.model, "q(z|x)"),
            weights(wyner.load(folders[member.point["seed"]]), "q(z|x)"),
        )


def test_frozen_factors_are_remembered_and_resumed(tmp_path):
    data, whole = pair(), model()
    before = weights(whole, "q(z|x)")
    wyner.fit(whole, data, epochs=1, progress=False, out=tmp_path / "run", freeze=ENCODERS)
    assert same(weights(wyner.load(tmp_path / "run"), "q(z|x)"), before)
    with pytest.raises(wyner.errors.RunError, match="freeze was"):
        wyner.fit(model(), data, epochs=1, progress=False, out=tmp_path / "run", resume=True)


@pytest.mark.parametrize("wrong", [("q(z|w)",), "q(w)"])
def test_unknown_names_are_refused(wrong):
    with pytest.raises(OptionError, match="freeze: .*factor"):
        wyner.fit(model(), pair(), epochs=1, progress=False, freeze=wrong)


def test_start_refuses_what_is_no_model():
    with pytest.raises(
        OptionError, match="start: expected a model, a run or the folder of one, got int"
    ):
        wyner.fit(model(), pair(), epochs=1, progress=False, start=3)
