"""Settings as JSON and back: everything that a user can pass to a model by name."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

import wyner
from wyner import Image, codec, families, networks
from wyner.families import Family
from wyner.models import VariationalWyner
from wyner.networks import Builder, Critics, Strided

PARTS = [
    k
    for package in (networks, families)
    for k in vars(package).values()
    if inspect.isclass(k)
    and issubclass(k, (Builder, Critics, Family))
    and dataclasses.is_dataclass(k)
]
NONE = dataclasses.MISSING
PLAIN = [
    k
    for k in PARTS
    if all((f.default, f.default_factory) != (NONE, NONE) for f in dataclasses.fields(k))
]


def test_there_are_parts_with_defaults_of_each_package():
    assert {
        Strided,
        networks.MLPs,
        networks.Trunks,
        networks.ImageCritics,
        families.Gaussian,
    } <= set(PLAIN)


@pytest.mark.parametrize("kind", PLAIN, ids=lambda k: k.__name__)
def test_what_a_package_exports_comes_back_as_it_was(kind):
    assert codec.decode(codec.encode(kind())) == kind()


def test_no_two_kinds_have_one_name():
    kinds = codec.known()
    assert len(set(kinds.values())) == len(kinds)
    assert {*PARTS} <= set(kinds.values())


def test_a_model_with_networks_of_the_package_can_be_loaded(tmp_path):
    critics = Critics(conv=2, width=8)
    model = VariationalWyner(
        x=Image(1, 32, 32), y=Image(1, 32, 32), z=2, u=1, v=1, networks=Strided(2), critics=critics
    )
    again = wyner.load(model.save(tmp_path / "m"))
    assert again.networks == Strided(2)
