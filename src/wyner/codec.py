"""Objects of a configuration as plain JSON values and back, under names that do not change.

A class that may stand in a configuration says its name; where its file lies does not matter:

    @stored("gaussian")
    @dataclass(frozen=True)
    class Gaussian(Family): ...

    encode(Gaussian(Fixed(0.5)))
    {"kind": "gaussian", "variance": {"kind": "fixed", "variance": 0.5}}

Run folders, checkpoints and grids hold what `encode` writes; experiment files hold the same with
the short forms of `read`. Nothing is pickled.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from torch import nn

from wyner.errors import OptionError, RunError, WynerError, unknown

T = TypeVar("T", bound=type)

MODULE = "nn.Module"
"""Stands for a user's own network or class, whose code a configuration cannot hold."""

KINDS: dict[str, type] = {}
"""Every class that can be stored, by its stable name."""
_NAMES: dict[type, str] = {}
_RENAMED: dict[type, dict[str, str]] = {}
_EXTENDABLE: list[type] = []

_OLD = """
    variables.Real=real variables.Image=image variables.Binary=binary variables.Sequence=sequence
    variables.Categorical=categorical schedules.Constant=constant schedules.Linear=linear
    schedules.Exponential=exponential schedules.Decay=decay schedules.Path=path
    schedules.Cosine=cosine schedules.OneCycle=one-cycle schedules.Warmup=warmup
    phases.Jointly=jointly phases.After=after phases.Alternating=alternating phases.Phase=phase
    phases.TwoPlayer=two-player heads.Fixed=fixed heads.Trainable=trainable
    heads.Predicted=predicted heads.Gaussian=gaussian heads.Bernoulli=bernoulli
    heads.Categorical=categorical-family heads.Deterministic=deterministic
    autoregressive.Autoregressive=autoregressive autoregressive.FeatureOf=feature-of
    experts.Product=product experts.Mixture=mixture sequences.StepGaussian=step-gaussian
    sequences.Recurrent=recurrent builders.MLPs=mlps builders.Upsampled=upsampled
    builders.Convolutional=convolutional autoencoder.Autoencoded=autoencoded
    residual.ResNets=resnets sequences.Sequences=sequences strided.Strided=strided
    trunks.Trunks=trunks critics.Critics=critics image_critic.ImageCritics=image-critics
    sequence_critic.SequenceCritics=sequence-critics measures.Ratio=ratio
    measures.Matching=matching measures.Dependence=dependence measures.Distance=distance
    terms.Weighted=weighted terms.Measured=measured terms.Objective=objective Model=model
    WynerVAE=wyner-vae JVAE=jvae JMVAE=jmvae CVAE=cvae VCCAPrivate=vcca-private
    BiVCCAPrivate=bi-vcca-private VIB=vib JointBetaVAE=joint-beta-vae SSVAE=ssvae ADGM=adgm
    BCDE=bcde WVAE=w-vae IIAE=iiae MVAE=mvae MMVAE=mmvae MoPoE=mopoe MVTCAE=mvtcae DMVAE=dmvae
    MMVAEPlus=mmvae-plus VariationalWyner=variational-wyner DSAE=dsae PixelCNNVAE=pixelcnn-vae
"""
OLD: dict[str, str] = dict(pair.split("=") for pair in _OLD.split())
"""Names of version 0.1.0, in run folders: a module and a class, or the class of a model."""


def stored(name: str, **was: str) -> Callable[[T], T]:
    """Gives a class the name under which its objects are stored.

    Args:
        name: in kebab case, for ever.
        was: old names of arguments, `new="old"`; both are read.
    """

    def register(cls: T) -> T:
        if (other := KINDS.get(name, cls)).__qualname__ != cls.__qualname__:
            raise TypeError(f"{name!r} is the stored name of {other.__qualname__} already")
        KINDS[name], _NAMES[cls] = cls, name
        _RENAMED[cls] = {old: new for new, old in was.items()}
        return cls

    return register


def extendable(cls: T) -> T:
    """Says that users write subclasses of their own: they stand in a configuration as `MODULE`."""
    _EXTENDABLE.append(cls)
    return cls


def name_of(cls: type) -> str:
    """The stable name of a class, or for a user's own the name in the code."""
    return _NAMES.get(cls, cls.__name__)


def known(base: type | None = None) -> dict[str, type]:
    """Classes by stable name: those below `base`, or all whose objects are plain values."""
    if base is None:
        return {k: cls for k, cls in KINDS.items() if dataclasses.is_dataclass(cls)}
    return {k: cls for k, cls in KINDS.items() if issubclass(cls, base) and cls is not base}


def named(name: Any, base: type | None = None, what: str = "kind") -> Any:
    """The class of a stable name, or of the one that it has in the code or had in version 0.1.0.

    Raises:
        OptionError: no such class; names the nearest one.
    """
    found = known(base)
    if (cls := found.get(OLD.get(str(name), str(name)))) is not None:
        return cls
    for cls in found.values():
        if cls.__name__ == name:
            return cls
    names = found if str(name) == str(name).lower() else [k.__name__ for k in found.values()]
    raise OptionError(unknown(what, str(name), names))


def renamed(cls: type, arguments: Mapping[str, Any], warn: bool = False) -> dict[str, Any]:
    """Arguments of a class under the names of this version.

    Args:
        cls: what is made.
        arguments: by name, old ones too.
        warn: with a `FutureWarning` for each old name.

    Raises:
        OptionError: an argument under both names.
    """
    new = {k: _RENAMED.get(cls, {}).get(k, k) for k in arguments}
    for old, name in new.items():
        if old != name and name in arguments:
            raise OptionError(f"{cls.__name__}: {old} is the old name of {name}; give {name} alone")
        if old != name and warn:
            text = f"{cls.__name__}: the argument {old} is now called {name}; change the name"
            warnings.warn(text, FutureWarning, stacklevel=3)
    return {new[k]: v for k, v in arguments.items()}


def encode(value: Any) -> Any:
    """A JSON value for numbers, texts, lists, dictionaries and objects of registered classes.

    Raises:
        RunError: a value of another type.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(k): encode(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(v) for v in value]
    if isinstance(value, nn.Module):
        return {"kind": MODULE, "text": type(value).__name__}
    if (name := _NAMES.get(type(value))) is not None:
        return {"kind": name, **{k: encode(getattr(value, k)) for k in _fields(type(value))}}
    if isinstance(value, tuple(_EXTENDABLE)):
        return {"kind": MODULE, "text": type(value).__name__}
    raise RunError(
        f"cannot store {value!r} of type {type(value).__name__} in a configuration; pass numbers,"
        " texts or objects of wyner"
    )


def decode(value: Any) -> Any:
    """The value that `encode` made this from, in this version or in 0.1.0. Lists stay lists.

    Raises:
        RunError: an unknown kind, one with other fields, or a user's own network.
    """
    if isinstance(value, list):
        return [decode(v) for v in value]
    if not isinstance(value, dict):
        return value
    fields = {k: decode(v) for k, v in value.items()}
    if "kind" not in fields:
        return fields
    if (kind := fields.pop("kind")) == MODULE:
        raise RunError(
            f"the model has a network of your own ({value.get('text')}), whose code is not stored;"
            " build the model and pass it: wyner.load(folder, into=model)"
        )
    try:
        return _made(kind, fields)
    except WynerError as e:
        text = f"a configuration that this version cannot read: {e}; another version wrote it"
        raise RunError(text) from e


def current(value: Any) -> Any:
    """What `encode` gives in this version for what it gave in another; the rest stays as it is.

    Two configurations say the same if their current forms are equal.
    """
    try:
        return encode(decode(value))
    except WynerError:
        if isinstance(value, dict):
            return {k: current(v) for k, v in value.items()}
        return [current(v) for v in value] if isinstance(value, list) else value


def current_model(description: Mapping[str, Any]) -> dict[str, Any]:
    """A stored model, `name` and `arguments`, as this version writes it."""
    name, arguments = description.get("name"), description.get("arguments") or {}
    try:
        cls = named(name, nn.Module)
    except OptionError:  # of a user's own class
        return {"name": name, "arguments": current(arguments)}
    return {"name": name_of(cls), "arguments": current(renamed(cls, arguments))}


def _made(kind: Any, fields: Mapping[str, Any]) -> Any:
    cls = named(kind)
    fields = renamed(cls, fields)
    names = _fields(cls)
    for name in fields:
        if name not in names:
            text = unknown("argument", name, names)
            raise OptionError(f"cannot read {name_of(cls)}: {text}")
    try:
        return cls(*fields.pop(_listed(cls), ()), **fields)
    except TypeError as e:
        raise OptionError(f"cannot read {name_of(cls)}: {fields!r}: {e}") from e


def _fields(cls: Any) -> list[str]:
    """Names of the fields that a constructor takes."""
    return [f.name for f in dataclasses.fields(cls) if f.init]


def _listed(cls: Any) -> str:
    """The field that a constructor takes one by one, as in `Real(3, 4)`; none for most."""
    return "" if cls.__dataclass_params__.init else _fields(cls)[0]


# Experiment files.

SHORT = {"end": "linear", "knots": "path"}
"""The kind of a table that has such a key and says no kind."""

FAMILIES: dict[str, dict[str, Any]] = {
    "trained": {"kind": "gaussian", "variance": {"kind": "trainable", "per": "coordinate"}},
    "summed": {"kind": "categorical-family", "summed": True, "trained": True},
    "relaxed": {"kind": "categorical-family", "trained": True},
    "predicted": {"kind": "gaussian"},
    "deterministic": {"kind": "deterministic"},
}
"""Families by the words of experiment files."""


def read(value: Any, where: str) -> Any:
    """The object that a plain value of an experiment file stands for.

        {start, end, until}, {knots = [[share, value], ...]}   a path of a weight
        {categorical = [n, k]}, {real = [d]}                   a space of a latent
        {kind = "after", share = 0.1}                          an object of a registered class

    Args:
        value: of the file.
        where: it stands, for messages.

    Raises:
        OptionError: an unknown kind, or fields that it does not have.
    """
    if not isinstance(value, dict):
        return value
    fields = {k: read(v, f"{where}.{k}") for k, v in value.items()}
    kind = fields.pop("kind", next((SHORT[k] for k in SHORT if k in value), None))
    if kind is None and len(fields) == 1:
        ((name, sizes),) = fields.items()
        if (cls := known().get(name)) is not None and (listed := _listed(cls)):
            kind, fields = name, {listed: sizes if isinstance(sizes, list) else [sizes]}
    if kind is None:
        return fields
    try:
        return _made(kind, fields)
    except WynerError as e:
        raise type(e)(f"{where}: {e}") from e


def read_family(value: Any, where: str) -> Any:
    """A family from an experiment file.

        0.5, {knots = ...}         Gaussian with this variance, fixed, a number or a path
        {floor, variance, per}     Gaussian with a trained variance above a floor
        {temperature}              categorical, drawn relaxed, with a trained prior
        "trained", "summed", ...   a word of `FAMILIES`
        {kind = "bernoulli"}       any other

    Raises:
        OptionError: an unknown word or setting.
    """
    if isinstance(value, str):
        if value not in FAMILIES:
            text = unknown("choice", value, FAMILIES)
            raise OptionError(f"{where}: {text}; or a number, the variance")
        return decode(FAMILIES[value])
    if not isinstance(value, dict) or any(k in value for k in SHORT):
        variance = {"kind": "fixed", "variance": value}
        return read({"kind": "gaussian", "variance": variance}, where)
    if "kind" in value:
        return read(value, where)
    for key in value:
        if key not in (settings := ("floor", "variance", "per", "temperature")):
            raise OptionError(f"{where}: {unknown('setting', key, settings)}")
    if "temperature" not in value:
        variance = {"kind": "trainable", **value}
        return read({"kind": "gaussian", "variance": variance}, where)
    if len(value) > 1:
        raise OptionError(
            f"{where}: a temperature belongs to a categorical latent, which has no variance"
        )
    return read({**FAMILIES["relaxed"], **value}, where)
