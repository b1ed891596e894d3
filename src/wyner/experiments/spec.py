"""An experiment as a file: data, model, networks, training, evaluation. One TOML file, or the same
keys as flags.

[data]                      # name, and options of the function that makes it
name = "mog"
[model]                     # name, and arguments of the model besides spaces and networks
name = "WynerVAE"
lam = 0.05
[networks]                  # kind, and its arguments
kind = "MLPs"
hidden = [256, 256, 256]
[fit]                       # fields of wyner.training.Settings, and members, start = "linear"
epochs = 60
[evaluate]                  # samples, rows
samples = 500
"""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from wyner import codec, data
from wyner.data import Dataset
from wyner.errors import OptionError, refuse_unknown, unknown
from wyner.families import Gaussian, StepGaussian
from wyner.models import Model
from wyner.networks import Builder
from wyner.networks.usual import usual
from wyner.schedules import ended
from wyner.seeds import INITIAL, forked, mix
from wyner.training import Settings
from wyner.training.recipe import LINEAR
from wyner.variables import Sequence

PACKAGE = "wyner.experiments"
SECTIONS = ("data", "model", "networks", "fit", "evaluate")


@dataclass(frozen=True)
class Experiment:
    """What to train on what, and how, in plain values that can be stored and repeated."""

    data: dict[str, Any]
    model: dict[str, Any] = field(default_factory=dict)
    networks: dict[str, Any] = field(default_factory=dict)
    fit: dict[str, Any] = field(default_factory=dict)
    evaluate: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.data.get("name"), str):
            raise OptionError(
                "experiment: expected the name of a data set or an .npz file: name = ... under"
                " [data]"
            )
        model_of(self.model)
        codec.named(self.networks.get("kind", "mlps"), Builder, "networks")
        refuse_unknown("setting of [evaluate]", self.evaluate, ("samples", "rows"))
        check_counts(self.evaluate)
        self.settings()

    def settings(self) -> Settings:
        """The training settings, checked."""
        own = {k: v for k, v in self.fit.items() if k not in ("members", "start")}
        if (start := self.fit.get("start", LINEAR)) != LINEAR:
            raise OptionError(f"[fit] start: expected '{LINEAR}', got {start!r}")
        return Settings.of(own)

    def load(self) -> Dataset:
        """The data."""
        return data.load(**self.data)

    def build(self, dataset: Dataset) -> Model:
        """A model with fresh weights, drawn from the seed of the training."""
        kind = model_of(self.model)
        options = codec.renamed(kind, self.model, warn=True)
        options.pop("name", None)
        known = set(inspect.signature(kind).parameters) - {"self"}
        refuse_unknown("argument", options, known, kind.__name__)
        for name, value in _sizes(dataset, kind).items():
            options.setdefault(name, value)
        # a pair x and y, or what the model calls its only modality
        named = set(dataset.modalities) <= known - {"z", "u", "v", "w", "s", "c"}
        if not named and "modalities" not in known:
            raise OptionError(
                f"{kind.__name__} takes x and y; {dataset.name} has"
                f" {', '.join(dataset.modalities)}: name two arrays x and y, or choose a model that"
                " takes any modalities, such as WynerVAE"
            )
        given = dict(dataset.spaces) if named else {"modalities": dataset.spaces}
        families = dict(dataset.families)
        for name, value in options.pop("families", {}).items():
            made = codec.read_family(value, f"families.{name}")
            if isinstance(made, Gaussian) and isinstance(dataset.spaces.get(name), Sequence):
                made = StepGaussian(made.variance)
            families[name] = made
        options = {k: codec.read(v, f"{kind.__name__}: {k}") for k, v in options.items()}
        networks = usual(dataset.spaces, self.networks)
        with forked(mix(int(self.fit.get("seed", 0)), INITIAL)):
            model = kind(**given, **options, networks=networks, families=families)
        return model.keep_weights()

    def as_dict(self) -> dict[str, Any]:
        """The file's content."""
        return {name: dict(getattr(self, name)) for name in SECTIONS}

    def changed(self, **sections: Mapping[str, Any]) -> Experiment:
        """The same with some keys replaced; a number in place of a path is where it ends."""
        made = self.as_dict()
        for name, values in sections.items():
            for key, value in values.items():
                made[name][key] = ended(made[name].get(key), value)
        return Experiment(**made)


def check_counts(options: Mapping[str, Any]) -> None:
    """Refuses numbers of samples and rows that are none."""
    for name, value in options.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise OptionError(f"{name}: expected a positive whole number, got {value!r}")


def model_of(section: Mapping[str, Any]) -> type[Model]:
    """The class of the model that a section names; the Wyner VAE if it names none."""
    return codec.named(section.get("name", "wyner-vae"), Model, "model")


def _sizes(dataset: Dataset, kind: type[Model]) -> dict[str, int]:
    """Latent sizes where none are given: 10 each, fewer for narrow tables; a single latent w gets
    as much as z, u and v together.

    Only for arguments that are plain sizes: a model with lists of categories, say, keeps its own.
    """
    widths = [s.size for s in dataset.spaces.values()]
    found = {"z": min(10, max(1, *widths)), "u": min(10, min(widths))}
    if dataset.modalities == ["x", "y"]:
        found |= {"u": min(10, widths[0]), "v": min(10, widths[1])}
        found["w"] = sum(found.values())
    plain = {k for k, p in inspect.signature(kind).parameters.items() if type(p.default) is int}
    return {k: v for k, v in found.items() if k in plain}


def read(path: str | Path) -> Experiment:
    """An experiment from a TOML file, or one of the package's own by name.

    Raises:
        OptionError: no such file, not TOML, or unknown sections and keys.
    """
    own, shown = Path(path).is_file(), str(path)
    if not own and shown.endswith(".toml"):
        raise OptionError(f"there is no file {path}")
    if not own and shown not in shipped():
        text = unknown("experiment", shown, shipped())
        raise OptionError(f"{text}; or give the path of a TOML file")
    shown += "" if own else ".toml"
    text = (Path(path) if own else resources.files(PACKAGE).joinpath(shown)).read_text()
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise OptionError(f"{shown} is not TOML: {e}") from e
    refuse_unknown("section", found, SECTIONS, shown)
    if "data" not in found:
        raise OptionError(f"{shown}: expected a section [data] with the name of a data set")
    return Experiment(**found)


def shipped() -> list[str]:
    """Names of the experiments inside the package."""
    names = (p.name for p in resources.files(PACKAGE).iterdir())
    return sorted(n.removesuffix(".toml") for n in names if n.endswith(".toml"))
