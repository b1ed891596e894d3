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
[fit]                       # fields of wyner.training.Settings
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

import torch

from wyner import codec, data
from wyner.data import Dataset
from wyner.errors import OptionError, unknown
from wyner.families import Gaussian, StepGaussian
from wyner.models import Model
from wyner.networks import Builder
from wyner.seeds import INITIAL, mix
from wyner.training import Settings
from wyner.variables import Image, Sequence

PACKAGE = "wyner.experiments"
SECTIONS = ("data", "model", "networks", "fit", "evaluate")


@dataclass(frozen=True)
class Experiment:
    """What to train on what, and how. Every field holds plain values, so that it can be stored and
    repeated.
    """

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
        for key in self.evaluate:
            if key not in ("samples", "rows"):
                raise OptionError(unknown("setting of [evaluate]", key, ("samples", "rows")))
        check_counts(self.evaluate)
        self.settings()

    def settings(self) -> Settings:
        """The training settings, checked."""
        return Settings.of(self.fit)

    def load(self) -> Dataset:
        """The data."""
        return data.load(**self.data)

    def build(self, dataset: Dataset) -> Model:
        """A model with fresh weights, drawn from the seed of the training."""
        kind = model_of(self.model)
        options = codec.renamed(kind, self.model, warn=True)
        options.pop("name", None)
        known = set(inspect.signature(kind).parameters) - {"self"}
        for name in options:
            if name not in known:
                raise OptionError(f"{kind.__name__}: {unknown('argument', name, known)}")
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
        with torch.random.fork_rng([]):
            torch.manual_seed(mix(int(self.fit.get("seed", 0)), INITIAL))
            return kind(**given, **options, networks=self._builder(dataset), families=families)

    def _builder(self, dataset: Dataset) -> Builder:
        options = dict(self.networks)
        convolve = all(
            isinstance(s, Image) and s.shape[1] % 8 == s.shape[2] % 8 == 0
            for s in dataset.spaces.values()
        )
        usual = "convolutional" if convolve and not options else "mlps"
        if any(isinstance(s, Sequence) for s in dataset.spaces.values()):
            usual = "sequences"
        kind = codec.named(options.pop("kind", usual), Builder, "networks")
        known = set(inspect.signature(kind).parameters)
        for name in options:
            if name not in known:
                raise OptionError(f"networks {kind.__name__}: {unknown('argument', name, known)}")
        if not options and codec.name_of(kind) == "convolutional":
            options = {"width": 8, "blocks": 1, "hidden": (256,)}
        return kind(**options)

    def as_dict(self) -> dict[str, Any]:
        """The file's content."""
        return {name: dict(getattr(self, name)) for name in SECTIONS}

    def changed(self, **sections: Mapping[str, Any]) -> Experiment:
        """The same experiment with some keys replaced; a number in place of a path sets where the
        path ends.
        """
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


def ended(path: Any, value: Any) -> Any:
    """The new value of a key; a number in place of a path is where the path ends."""
    if not isinstance(path, dict) or isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    if "end" in path:
        return {**path, "end": value}
    if path.get("knots"):
        *before, (share, _) = path["knots"]
        return {**path, "knots": [*before, [share, value]]}
    return value


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
    text, shown = _text(path)
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise OptionError(f"{shown} is not TOML: {e}") from e
    for section in found:
        if section not in SECTIONS:
            raise OptionError(f"{shown}: {unknown('section', section, SECTIONS)}")
    if "data" not in found:
        raise OptionError(f"{shown}: expected a section [data] with the name of a data set")
    return Experiment(**found)


def _text(path: str | Path) -> tuple[str, str]:
    if Path(path).is_file():
        return Path(path).read_text(), str(path)
    if str(path) in shipped():
        return resources.files(PACKAGE).joinpath(f"{path}.toml").read_text(), f"{path}.toml"
    if str(path).endswith(".toml"):
        raise OptionError(f"there is no file {path}")
    raise OptionError(
        unknown("experiment", str(path), shipped()) + "; or give the path of a TOML file"
    )


def shipped() -> list[str]:
    """Names of the experiments inside the package."""
    names = (p.name for p in resources.files(PACKAGE).iterdir())
    return sorted(n.removesuffix(".toml") for n in names if n.endswith(".toml"))
