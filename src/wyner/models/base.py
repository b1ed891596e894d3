"""A model: variables, factors, named pairs of laws, an objective. Tasks follow from the laws."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Required, Self, TypedDict, TypeVar, Unpack, cast, get_args

import numpy as np
import torch
from torch import nn

from wyner import codec, tasks
from wyner.errors import OptionError, unknown
from wyner.families import Combination, Family
from wyner.networks import Builder, Critics
from wyner.objectives import Learner, Objective
from wyner.objectives.phases import Phase
from wyner.runs import save_model
from wyner.seeds import forked
from wyner.variables import Space

Init = TypeVar("Init", bound=Callable[..., None])


class ModelOptions(TypedDict, total=False):
    """What every model takes besides its own arguments, `**options: Unpack[ModelOptions]`.

    Keys:
        networks: makes the default networks.
        families: families by variable (`"x"`) or by factor (`"q(z|x)"`); a factor may be a product
            or mixture of others.
        modules: a user's own networks by factor (`"q(z|x,y)"`), called with the parents in the
            order written and returning `(..., m * event[0], *event[1:])`; or own critics by the
            name of their term (`"SKL(joint)"`), called with the values that they see and returning
            `(N,)`.
    """

    networks: Builder | None
    families: Mapping[str, Family | Combination] | None
    modules: Mapping[str, nn.Module] | None


class CriticOptions(ModelOptions, total=False):
    """The same for models whose objectives compare laws by their draws.

    Keys:
        critics: makes the critics of these terms, and says how much noise they see.
    """

    critics: Critics | None


class ModelParts(CriticOptions, total=False):
    """What a model is made of, besides `CriticOptions`.

    Keys:
        observed: spaces of the modalities, by name.
        latent: spaces of the latents, by name.
        laws: pairs (q, p) by name, each a product of factors in sampling order.
        objective: a weighted sum of `KL(name)` terms.
        common: latents that all modalities share; what `common_information` measures and
            `reconstruct` infers.
        phases: how to train; by default one phase with the objective and every factor.
    """

    observed: Required[Mapping[str, Space]]
    latent: Required[Mapping[str, Space]]
    laws: Required[Mapping[str, Sequence[str]]]
    objective: Required[Objective]
    common: Sequence[str]
    phases: Sequence[Phase]


def chosen(
    options: Mapping[str, Any],
    families: Mapping[str, Family | Combination] | None = None,
    networks: Builder | None = None,
    critics: Critics | None = None,
) -> CriticOptions:
    """The options for `Model` among those of a model, with the model's own choices below them."""
    found: dict[str, Any] = {"networks": networks, "critics": critics}
    for name in CriticOptions.__annotations__:
        if options.get(name) is not None:
            found[name] = options[name]
    found["families"] = {**(families or {}), **(options.get("families") or {})}
    return cast(CriticOptions, found)


def remembering(init: Init, owner: type | None = None) -> Init:
    """A constructor that keeps its arguments as JSON in `config`, so that the model can be built
    again; that of the outermost class counts.

    Options of a typed dictionary stand in its signature one by one, without defaults. Arguments are
    taken under old names, with a warning; unknown ones are refused by name.
    """
    signature = _opened(inspect.signature(init), init.__globals__)
    names = [p.name for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    rest = [k for k in signature.parameters if k not in names]

    @functools.wraps(init)
    def remembered(self: Model, *args: Any, **kwargs: Any) -> None:
        kind = type(self) if owner is None else owner
        kwargs = codec.renamed(kind, kwargs, warn=True)
        kwargs = {k: v.item() if isinstance(v, np.generic) else v for k, v in kwargs.items()}
        if "config" not in self.__dict__:
            _check_spaces(kind.__name__, args, kwargs, signature.parameters)
        for name in kwargs if not rest else ():
            if name not in names:
                raise OptionError(f"{kind.__name__}: {unknown('argument', name, names[1:])}")
        try:
            given = dict(list(signature.bind(self, *args, **kwargs).arguments.items())[1:])
        except TypeError as e:
            text = f"{kind.__name__}: {e}; it takes {', '.join(names[1:])}"
            raise OptionError(text) from None
        if "config" not in self.__dict__:
            for name in rest:
                given |= given.pop(name, {})
            arguments = codec.encode({k: v for k, v in given.items() if v is not None})
            config = {"name": codec.name_of(type(self)), "arguments": arguments}
            object.__setattr__(self, "config", config)
            init(self, *args, **kwargs)
            again = functools.partial(type(self), *args, **kwargs)
            object.__setattr__(self, "_made", (again, _bits(self)))
            return
        init(self, *args, **kwargs)

    remembered.__signature__ = signature  # type: ignore[attr-defined]
    return cast(Init, remembered)


def _check_spaces(
    kind: str, args: Sequence[Any], given: Mapping[str, Any], names: Mapping[str, Any]
) -> None:
    """Refuses sizes in place of spaces, and many modalities for a model of a pair."""
    many = next((v for v in (*args, given.get("modalities")) if isinstance(v, Mapping)), {})
    if many and "modalities" not in names and "x" in names:
        raise OptionError(
            f"{kind} takes x= and y=, a space each; for {len(many)} modalities choose a model of"
            " any number, such as WynerVAE, MVAE or MMVAE"
        )
    for name, space in [*many.items(), *((k, given.get(k)) for k in "xy")]:
        if isinstance(space, (int, float)):
            raise OptionError(
                f"{kind}: {name} needs a space, for example Real({space}), got {space}"
            )


def _bits(model: nn.Module) -> list[int]:
    """A checksum of every tensor of a model, the same on every device and in a wider type."""
    tensors = (t.detach().cpu().double() for t in model.state_dict().values())
    return [int(t.view(torch.int64).sum()) for t in tensors]


def _opened(signature: inspect.Signature, names: dict[str, Any]) -> inspect.Signature:
    """A signature with the keys of `**options: Unpack[...]` in place of `options`."""
    found = []
    for p in signature.parameters.values():
        annotation = p.annotation
        if p.kind is p.VAR_KEYWORD and "Unpack[" in str(annotation):
            annotation = eval(annotation, names) if isinstance(annotation, str) else annotation
            for key, kind in get_args(annotation)[0].__annotations__.items():
                usual = p.empty if "Required[" in str(kind) else ...
                found.append(inspect.Parameter(key, p.KEYWORD_ONLY, default=usual, annotation=kind))
        else:
            found.append(p)
    return signature.replace(parameters=found)


@functools.cache
def _reserved() -> frozenset[str]:
    """Names that tasks use for themselves, so that `model.translate(name=...)` would mean another
    thing.
    """
    functions: list[Callable[..., Any]] = [tasks.generate, tasks.translate, tasks.restyle]
    functions += [tasks.reconstruct, tasks.redraw, tasks.encode, tasks.decode, tasks.traverse]
    functions += [tasks.log_likelihood, tasks.common_information, tasks.index, tasks.Index.search]
    return frozenset(k for f in functions for k in inspect.signature(f).parameters)


@codec.stored("model")
class Model(Learner):
    """Variables, laws and an objective; networks are made for every factor that the laws name.

    Args:
        parts: see `ModelParts`; `observed`, `latent`, `laws` and `objective` are needed.

    Raises:
        LawError: malformed laws. ShapeError: a network of the wrong output. OptionError: an unknown
            name.

    Example:
        >>> import wyner
        >>> from wyner import KL, Real
        >>> model = wyner.Model(
        ...     observed={"x": Real(3)}, latent={"z": Real(2)},
        ...     laws={"elbo": ("q(x) q(z|x)", "p(z) p(x|z)")}, objective=KL("elbo"))
        >>> print(model.objective)
        1 * elbo = KL(q(z|x) || p(z)) - log p(x|z)   [dropped: -h(x)]
    """

    config: dict[str, Any]
    _made: tuple[Callable[..., Model], list[int]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Every model remembers the arguments it was built with."""
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            cls.__init__ = remembering(cls.__init__, cls)  # type: ignore[method-assign]

    @remembering
    def __init__(self, **parts: Unpack[ModelParts]) -> None:
        for name in parts["observed"]:
            if name in _reserved():
                raise OptionError(
                    f"{name!r} cannot name a modality, because tasks have an option of that name;"
                    f" call it {name}_values, for example"
                )
        super().__init__(**parts)

    @property
    def fresh(self) -> bool:
        """Whether all weights are those that the model was built with."""
        return _bits(self) == self._made[1]

    def initialise(self, seed: int, **changed: Any) -> None:
        """Makes the model anew, with weights that depend on nothing but the seed.

        They are those of a model built after `torch.manual_seed(seed)`. Networks of a user's own
        keep their weights, and phases that were set by hand stay.

        Args:
            seed: of the weights.
            changed: arguments of the model in place of those it was built with.
        """
        with forked(seed):
            other = self._made[0](**changed)
        if changed:
            other.to(next(self.parameters()).device).train(self.training)
            self.__dict__.clear()
            self.__dict__.update(other.__dict__)
            return
        self.load_state_dict(other.state_dict())

    chosen: bool = False
    """Whether a training must not make the weights anew, although they are as they were built."""

    def keep_weights(self) -> Self:
        """The model itself, whose weights are chosen: no training makes them anew."""
        object.__setattr__(self, "chosen", True)
        return self

    # What users ask: functions of the laws, the same for every model.
    generate, translate, restyle = tasks.generate, tasks.translate, tasks.restyle
    reconstruct, redraw, encode = tasks.reconstruct, tasks.redraw, tasks.encode
    decode, interpolate, traverse = tasks.decode, tasks.interpolate, tasks.traverse
    log_likelihood, common_information = tasks.log_likelihood, tasks.common_information
    index, abilities = tasks.index, tasks.abilities

    def save(self, folder: str | Path) -> Path:
        """Writes `model.safetensors` and `config.json` into a folder for `wyner.load`."""
        return save_model(self, self.config, Path(folder))
