"""Many values first, then groups of those that the other side cannot tell apart."""

from __future__ import annotations

import pytest
import torch

from wyner import KL, Model, fit
from wyner.errors import LawError
from wyner.models import WynerVAE
from wyner.networks import Convolutional
from wyner.training.start import adopt
from wyner.variables import Categorical, Image

SIDE = Image(1, 8, 8)
KEPT = ("q(z|x)", "q(z|y)", "q(z|x,y)")


def make(z: int, local: int = 0, **networks) -> WynerVAE:
    torch.manual_seed(0)
    builder = Convolutional(hidden=(8,), width=2, blocks=0, **{"shared": False} | networks)
    sizes = {"z": Categorical(1, z), "u": local, "v": local}
    return WynerVAE(x=SIDE, y=SIDE, **sizes, alpha=1.0, networks=builder)


class Shown(torch.nn.Module):
    """Reads the first four pixels."""

    output = (4,)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, 0, 0, :4]


def told(**networks) -> WynerVAE:
    """q(z|x) tells which of four patterns x shows; q(z|y) only whether it is an even one."""
    model = make(2, fine=4, **networks)
    half = torch.tensor([[9.0, 0, 9, 0], [0, 9, 0, 9]]).repeat(2, 1)
    for name, laws in {"x": torch.eye(4) * 60, "y": half}.items():
        network = model.factors[f"q(z|{name})"].network
        if name in model.features:
            model.features[name] = Shown()
            core = network
        else:
            network.eyes[0], core = Shown(), network.core
        core.layers = torch.nn.ModuleList([torch.nn.Linear(4, 4)])
        core.layers[0].weight.data = laws.T.clone()
        core.layers[0].bias.data.zero_()
    return model


def patterns(order: torch.Tensor) -> torch.Tensor:
    shown = torch.zeros(len(order), 1, 8, 8)
    shown[torch.arange(len(order)), 0, 0, order] = 1.0
    return shown


def groups_of(model: WynerVAE, name: str = "q(z|x,y)") -> list[int]:
    network = model.factors[name].network
    return getattr(network, "core", network).groups.argmax(1).tolist()


@pytest.mark.parametrize("shared", [False, True])
def test_values_that_the_other_side_cannot_tell_apart_are_one(shared):
    model = told(shared=shared)
    assert groups_of(model) == [0, 1, 0, 1]
    half = torch.tensor([[9.0, 9, 0, 0], [0, 0, 9, 9]]).repeat_interleave(2, 0)  # 0, 1 and 2, 3
    network = model.factors["q(z|y)"].network
    getattr(network, "core", network).layers[0].weight.data = half.T.clone()
    x = patterns(torch.arange(40) % 4)
    model.prepare({"x": x, "y": x}, None, 0, False)
    groups = groups_of(model)
    assert groups[0] == groups[1] != groups[2] == groups[3]
    assert all(groups_of(model, k) == groups for k in KEPT)
    assert model.training
    read = model.features["y"](x[:4]) if shared else x[:4]
    p = model.factors["q(z|y)"](read).mean[:, 0].detach()
    assert float(p.max(1).values.min()) > 0.99
    model.prepare({"x": 1 - x, "y": 1 - x}, None, 0, False)  # decoders know these groups
    assert groups_of(model) == groups


def test_weights_that_are_there_keep_their_groups():
    model = told()
    x = patterns(torch.arange(8) % 4)
    model.prepare({"x": x, "y": x}, None, 0, True)
    assert groups_of(model) == [0, 1, 0, 1]


def test_rows_without_a_side_are_left_out():
    """Pairs say that 0, 1 and 2, 3 stand together; rows without y would say otherwise."""
    model, both = told(), torch.tensor([0, 1, 2, 3] * 5)
    network = model.factors["q(z|y)"].network.core
    network.layers[0].weight.data = torch.eye(4) * 60
    x = torch.cat([both, torch.tensor([0, 2] * 50)])
    y = torch.cat([both // 2 * 2, torch.tensor([3, 1] * 50)])
    values = {"x": patterns(x), "y": patterns(y)}
    mask = (torch.arange(len(x)) < len(both)).float()
    model.prepare(values, {"x": torch.ones(len(x)), "y": mask}, 0, False)
    groups = groups_of(model)
    assert groups[0] == groups[1] != groups[2] == groups[3]


def test_a_latent_that_no_single_modality_tells_cannot_be_grouped():
    model = Model(
        observed={"x": SIDE, "y": SIDE},
        latent={"z": Categorical(1, 2)},
        laws={"joint": ("q(x,y) q(z|x,y)", "p(z) p(x|z) p(y|z)")},
        objective=KL("joint"),
        networks=Convolutional(hidden=(8,), width=2, blocks=0, shared=False, fine=4),
    )
    x = patterns(torch.arange(8) % 4)
    with pytest.raises(LawError, match=r"fine: the values of z .* such as q\(z\|x\)"):
        model.prepare({"x": x, "y": x}, None, 0, False)


def test_few_values_start_from_many_and_their_encoders_are_kept(tmp_path):
    x, quiet = torch.rand(24, 1, 8, 8), {"epochs": 1, "batch_size": 8, "progress": False}
    many = make(4, decoders=(8,))
    assert {*KEPT} <= set(adopt(make(2, fine=4), many))
    fit(many, {"x": x, "y": x}, out=tmp_path / "many", **quiet)
    few = make(2, 2, fine=4, per_value=True)
    fit(few, {"x": x, "y": x}, start=tmp_path / "many", freeze=KEPT, out=tmp_path / "few", **quiet)
    for name in KEPT:
        pairs = zip(few.factors[name].parameters(), many.factors[name].parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
