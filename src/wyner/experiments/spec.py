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
from pathlib import Path
from typing import Any

import torch

from wyner import data, models
from wyner.data import Dataset
from wyner.errors import OptionError, unknown
from wyner.experiments import protocols
from wyner.families import Autoregressive, Recurrent
from wyner.models import Model
from wyner.networks import (
    Autoencoded,
    Builder,
    Convolutional,
    Critics,
    ImageCritics,
    MLPs,
    ResNets,
    SequenceCritics,
    Sequences,
    Strided,
    Trunks,
    Upsampled,
)
from wyner.objectives import Ratio
from wyner.objectives.phases import After, Alternating, Jointly
from wyner.schedules import Linear
from wyner.schedules import Path as Knots
from wyner.seeds import INITIAL, mix
from wyner.training import Settings
from wyner.variables import Binary, Categorical, Image, Real, Sequence, Space

PACKAGE = "wyner.experiments"
SECTIONS = ("data", "model", "networks", "fit", "evaluate")
BUILDERS: dict[str, type[Builder]] = {
    "MLPs": MLPs,
    "Upsampled": Upsampled,
    "Convolutional": Convolutional,
    "Autoencoded": Autoencoded,
    "ResNets": ResNets,
    "Trunks": Trunks,
    "Strided": Strided,
    "Sequences": Sequences,
}
SPACES: dict[str, type[Space]] = {
    "categorical": Categorical,
    "real": Real,
    "binary": Binary,
    "image": Image,
}
KINDS: dict[str, Any] = {
    "After": After,
    "Alternating": Alternating,
    "Jointly": Jointly,
    "Critics": Critics,
    "Ratio": Ratio,
    "SequenceCritics": SequenceCritics,
    "Recurrent": Recurrent,
    "ImageCritics": ImageCritics,
    "Autoregressive": Autoregressive,
}


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
        for name, value in _sizes(dataset, kind).items():
            options.setdefault(name, value)
        named = (
            set(dataset.modalities) <= known
        )  # a pair x and y, or what the model calls its only modality
        if not named and "modalities" not in known:
            raise OptionError(
                f"{kind.__name__} takes x and y; {dataset.name} has"
                f" {', '.join(dataset.modalities)}: name two arrays x and y, or choose a model that"
                " takes any modalities, such as WynerVAE"
            )
        given = dict(dataset.spaces) if named else {"modalities": dataset.spaces}
        options = {k: decoded(v, f"{kind.__name__}: {k}") for k, v in options.items()}
        chosen = _families(options.pop("families", {}), dataset.spaces)
        families = {**dataset.families, **chosen}
        with torch.random.fork_rng([]):
            torch.manual_seed(mix(int(self.fit.get("seed", 0)), INITIAL))
            return kind(**given, **options, networks=self._builder(dataset), families=families)

    def _builder(self, dataset: Dataset) -> Builder:
        options = dict(self.networks)
        convolve = all(
            isinstance(s, Image) and s.shape[1] % 8 == s.shape[2] % 8 == 0
            for s in dataset.spaces.values()
        )
        usual = "Convolutional" if convolve and not options else "MLPs"
        if any(isinstance(s, Sequence) for s in dataset.spaces.values()):
            usual = "Sequences"
        kind = BUILDERS[options.pop("kind", usual)]
        known = set(inspect.signature(kind).parameters)
        for name in options:
            if name not in known:
                raise OptionError(f"networks {kind.__name__}: {unknown('argument', name, known)}")
        if not options and kind is Convolutional:
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


def decoded(value: Any, where: str) -> Any:
    """The object that a plain value of a file stands for.

        {start, end, until}                  a straight path of a weight         {knots = [[share,
                                             value], ...]}  straight pieces
        {categorical = [n, k]}, {real = [d]} a space of a latent
        {kind = "Alternating", every = 1}    when a phase runs; After, Jointly likewise
        {kind = "Critics", noise = 0.25}     critics of density ratios; Ratio likewise

    Raises:
        OptionError: fields that the object does not have.
    """
    if not isinstance(value, dict):
        return value
    try:
        if "end" in value:
            return Linear(**value)
        if "knots" in value:
            return Knots(**value)
        if len(value) == 1 and (kind := next(iter(value))) in SPACES:
            sizes = value[kind]
            return SPACES[kind](*(sizes if isinstance(sizes, list) else [sizes]))
        if "kind" in value:
            fields = dict(value)
            if (name := fields.pop("kind")) not in KINDS:
                raise OptionError(f"{where}: {unknown('kind', name, KINDS)}")
            return KINDS[name](**fields)
    except TypeError as e:
        raise OptionError(f"{where}: cannot read {value!r}: {e}") from e
    return {k: decoded(v, f"{where}.{k}") for k, v in value.items()}


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


def _families(chosen: Mapping[str, Any], spaces: Mapping[str, Space]) -> dict[str, Any]:
    """Families from `{variable: choice}` or `{factor: choice}`: a number or a path for a fixed
    variance, `{floor, variance, per}` for a trained one above a floor, which may be a path;
    "trained" for one per coordinate, "predicted" by the network, "deterministic" for none, "summed"
    for a categorical latent that is summed over in training, "relaxed" or `{temperature}`, a number
    or a path, for one that is drawn; both with a trained prior.
    """
    from wyner.families import Categorical, Deterministic, Fixed, Gaussian, StepGaussian, Trainable

    named = {
        "trained": Gaussian(Trainable(per="coordinate")),
        "summed": Categorical(summed=True, trained=True),
        "relaxed": Categorical(trained=True),
        "predicted": Gaussian(),
        "deterministic": Deterministic(),
    }
    for k, v in chosen.items():
        if isinstance(v, str) and v not in named:
            raise OptionError(
                f"families.{k}: {unknown('choice', v, named)}; or a number, the variance"
            )
        if isinstance(v, dict):
            for key in v:
                if key not in (known := ("floor", "variance", "per", "temperature")):
                    raise OptionError(f"families.{k}: {unknown('setting', key, known)}")
            if "temperature" in v and len(v) > 1:
                raise OptionError(
                    f"families.{k}: a temperature belongs to a categorical latent, which has no"
                    " variance"
                )

    def made(k: str, v: Any) -> Any:
        if isinstance(v, str):
            return named[v]
        if isinstance(v, dict) and "temperature" in v:
            return Categorical(trained=True, **v)
        gaussian = StepGaussian if isinstance(spaces.get(k), Sequence) else Gaussian
        return gaussian(Trainable(**v) if isinstance(v, dict) else Fixed(v))

    return {k: made(k, v) for k, v in chosen.items()}


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
        return protocols.text_of(PACKAGE, str(path)), f"{path}.toml"
    if str(path).endswith(".toml"):
        raise OptionError(f"there is no file {path}")
    raise OptionError(
        unknown("experiment", str(path), shipped()) + "; or give the path of a TOML file"
    )


def shipped() -> list[str]:
    """Names of the experiments inside the package."""
    return protocols.shipped(PACKAGE)
