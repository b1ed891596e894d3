"""An experiment as a file: data, model, networks, training, evaluation. One TOML file, or the same keys as flags.

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

from wyner import data, models
from wyner.data import Dataset
from wyner.errors import OptionError, unknown
from wyner.models import Model
from wyner.networks import Builder, Convolutional, MLPs
from wyner.schedules import Linear
from wyner.seeds import INITIAL, mix
from wyner.training import Settings
from wyner.variables import Image

SECTIONS = ("data", "model", "networks", "fit", "evaluate")
BUILDERS: dict[str, type[Builder]] = {"MLPs": MLPs, "Convolutional": Convolutional}


@dataclass(frozen=True)
class Experiment:
    """What to train on what, and how. Every field holds plain values, so that it can be stored and repeated."""

    data: dict[str, Any]
    model: dict[str, Any] = field(default_factory=dict)
    networks: dict[str, Any] = field(default_factory=dict)
    fit: dict[str, Any] = field(default_factory=dict)
    evaluate: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.data.get("name"), str):
            raise OptionError("experiment: expected the name of a data set or an .npz file: name = ... under [data]")
        if (name := self.model.get("name", "WynerVAE")) not in models.TABLE:
            raise OptionError(unknown("model", name, models.TABLE))
        if (kind := self.networks.get("kind", "MLPs")) not in BUILDERS:
            raise OptionError(unknown("networks", kind, BUILDERS))
        for key in self.evaluate:
            if key not in ("samples", "rows"):
                raise OptionError(unknown("setting of [evaluate]", key, ("samples", "rows")))
        self.settings()

    def settings(self) -> Settings:
        """The training settings, checked."""
        return Settings.of(self.fit)

    def load(self) -> Dataset:
        """The data."""
        return data.load(**self.data)

    def build(self, dataset: Dataset) -> Model:
        """A model with fresh weights, drawn from the seed of the training."""
        options = dict(self.model)
        kind = models.TABLE[options.pop("name", "WynerVAE")]
        known = set(inspect.signature(kind).parameters) - {"self"}
        for name in options:
            if name not in known:
                raise OptionError(f"{kind.__name__}: {unknown('argument', name, known)}")
        for name, value in _sizes(dataset).items():
            if name in known:
                options.setdefault(name, value)
        given = (
            {"x": dataset.spaces["x"], "y": dataset.spaces["y"]}
            if dataset.modalities == ["x", "y"]
            else {"modalities": dataset.spaces}
        )
        options = {k: Linear(**v) if isinstance(v, dict) and "end" in v else v for k, v in options.items()}
        families = {**dataset.families, **_decoders(options.pop("families", {}))}
        with torch.random.fork_rng([]):
            torch.manual_seed(mix(int(self.fit.get("seed", 0)), INITIAL))
            return kind(**given, **options, networks=self._builder(dataset), families=families)

    def _builder(self, dataset: Dataset) -> Builder:
        options = dict(self.networks)
        convolve = all(isinstance(s, Image) and s.shape[1] % 8 == s.shape[2] % 8 == 0 for s in dataset.spaces.values())
        kind = BUILDERS[options.pop("kind", "Convolutional" if convolve and not options else "MLPs")]
        known = set(inspect.signature(kind).parameters)
        for name in options:
            if name not in known:
                raise OptionError(f"networks {kind.__name__}: {unknown('argument', name, known)}")
        if not options and convolve:
            options = {"width": 8, "blocks": 1, "hidden": (256,)}
        return kind(**options)

    def as_dict(self) -> dict[str, Any]:
        """The file's content."""
        return {name: dict(getattr(self, name)) for name in SECTIONS}

    def changed(self, **sections: Mapping[str, Any]) -> Experiment:
        """The same experiment with some keys replaced; a number in place of a path sets where the path ends."""
        made = self.as_dict()
        for name, values in sections.items():
            for key, value in values.items():
                old = made[name].get(key)
                path = isinstance(old, dict) and "end" in old and isinstance(value, (int, float))
                made[name][key] = {**old, "end": value} if path and isinstance(old, dict) else value
        return Experiment(**made)


def _sizes(dataset: Dataset) -> dict[str, int]:
    """Latent sizes where none are given: 10 each, fewer for narrow tables."""
    widths = [s.size for s in dataset.spaces.values()]
    if dataset.modalities == ["x", "y"]:
        return {"z": min(10, max(1, *widths)), "u": min(10, widths[0]), "v": min(10, widths[1])}
    return {"z": min(10, max(widths)), "u": min(10, min(widths))}


def _decoders(variances: Mapping[str, Any]) -> dict[str, Any]:
    """Families from `{modality: variance}`: a number for a fixed variance, "trained" for one per coordinate."""
    from wyner.families import Fixed, Gaussian, Trainable

    return {
        k: Gaussian(Trainable(per="coordinate")) if v == "trained" else Gaussian(Fixed(float(v)))
        for k, v in variances.items()
    }


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
        return resources.files("wyner.experiments").joinpath(f"{path}.toml").read_text(), f"{path}.toml"
    if str(path).endswith(".toml"):
        raise OptionError(f"there is no file {path}")
    raise OptionError(unknown("experiment", str(path), shipped()) + "; or give the path of a TOML file")


def shipped() -> list[str]:
    """Names of the experiments inside the package."""
    return sorted(
        p.name.removesuffix(".toml") for p in resources.files("wyner.experiments").iterdir() if p.name.endswith(".toml")
    )
