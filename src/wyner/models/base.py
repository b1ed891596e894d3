"""A model: variables, factors, named pairs of laws, an objective. Tasks follow from the laws."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, TypeVar, Unpack, cast, get_args

from torch import nn

from wyner import codec, tasks
from wyner.arrays import Array
from wyner.errors import OptionError, unknown
from wyner.families import Combination, Distribution, Family
from wyner.networks import Builder, Critics
from wyner.objectives import Learner, Objective
from wyner.objectives.phases import Phase
from wyner.runs import save_model
from wyner.tasks import Likelihood, Traversal
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
        for name in kwargs if not rest else ():
            if name not in names:
                raise OptionError(f"{kind.__name__}: {unknown('argument', name, names[1:])}")
        if "config" not in self.__dict__:
            given = dict(list(signature.bind(self, *args, **kwargs).arguments.items())[1:])
            for name in rest:
                given |= given.pop(name, {})
            arguments = codec.encode({k: v for k, v in given.items() if v is not None})
            config = {"name": codec.name_of(type(self)), "arguments": arguments}
            object.__setattr__(self, "config", config)
        init(self, *args, **kwargs)

    remembered.__signature__ = signature  # type: ignore[attr-defined]
    return cast(Init, remembered)


def _opened(signature: inspect.Signature, names: dict[str, Any]) -> inspect.Signature:
    """A signature with the keys of `**options: Unpack[...]` in place of `options`."""
    found = []
    for p in signature.parameters.values():
        annotation = p.annotation
        if p.kind is p.VAR_KEYWORD and "Unpack[" in str(annotation):
            annotation = eval(annotation, names) if isinstance(annotation, str) else annotation
            for key, kind in get_args(annotation)[0].__annotations__.items():
                found.append(inspect.Parameter(key, p.KEYWORD_ONLY, default=..., annotation=kind))
        else:
            found.append(p)
    return signature.replace(parameters=found)


@codec.stored("model")
class Model(Learner):
    """Variables, laws and an objective; networks are made for every factor that the laws name.

    Args:
        observed: spaces of the modalities, by name.
        latent: spaces of the latents, by name.
        laws: pairs (q, p) by name, each a product of factors in sampling order.
        objective: a weighted sum of `KL(name)` terms.
        common: latents that all modalities share; what `common_information` measures and
            `reconstruct` infers.
        phases: how to train; by default one phase with the objective and every factor.
        critics: makes the critics of terms that compare laws by their draws, and says how much
            noise they see.
        options: `networks`, `families` and `modules`; see `ModelOptions`.

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

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Every model remembers the arguments it was built with."""
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            cls.__init__ = remembering(cls.__init__, cls)  # type: ignore[method-assign]

    @remembering
    def __init__(
        self,
        *,
        observed: Mapping[str, Space],
        latent: Mapping[str, Space],
        laws: Mapping[str, Sequence[str]],
        objective: Objective,
        common: Sequence[str] = (),
        phases: Sequence[Phase] = (),
        critics: Critics | None = None,
        **options: Unpack[ModelOptions],
    ) -> None:
        super().__init__(
            observed=observed,
            latent=latent,
            laws=laws,
            objective=objective,
            common=common,
            phases=phases,
            critics=critics,
            **options,
        )

    # What users ask. Each is one line: the work is in `wyner.tasks`, the same for every model.

    def generate(self, n: int, **options: Any) -> dict[str, Array]:
        """Pairs from the model, `{modality: (n, *event)}`; see `wyner.tasks.generate`."""
        return tasks.generate(self, n, **options)

    def translate(
        self,
        *,
        n: int = 1,
        to: str | None = None,
        sample: bool = False,
        means: bool = False,
        seed: int | None = None,
        **given: Array,
    ) -> Array:
        """Draws of one modality given others, `(n, B, *event)`; see `wyner.tasks.translate`."""
        return tasks.translate(self, given, n=n, to=to, sample=sample, means=means, seed=seed)

    def restyle(
        self,
        *,
        like: Mapping[str, Array],
        to: str | None = None,
        sample: bool = False,
        means: bool = True,
        seed: int | None = None,
        **given: Array,
    ) -> Array:
        """Content of the given rows, style of the rows in `like`, `(B, *event)`; see
        `wyner.tasks.restyle`.
        """
        return tasks.restyle(self, given, like, to=to, sample=sample, means=means, seed=seed)

    def reconstruct(
        self,
        *,
        keep_style: bool = False,
        sample: bool = False,
        means: bool = False,
        seed: int | None = None,
        **given: Array,
    ) -> dict[str, Array]:
        """Joint stochastic reconstruction, `{modality: (B, *event)}`; see
        `wyner.tasks.reconstruct`.
        """
        return tasks.reconstruct(
            self, given, keep_style=keep_style, sample=sample, means=means, seed=seed
        )

    def redraw(
        self, *, n: int = 10, means: bool = True, seed: int | None = None, **given: Array
    ) -> dict[str, Array]:
        """Fresh draws of the given modalities that share the rows' common latents, `{modality: (n,
        B, *event)}`; see `wyner.tasks.redraw`.
        """
        return tasks.redraw(self, given, n=n, means=means, seed=seed)

    def encode(
        self, *, draws: bool = False, seed: int | None = None, **given: Array
    ) -> dict[str, Distribution]:
        """Posteriors of the latents given any subset that the model can take; see
        `wyner.tasks.encode`.
        """
        return tasks.encode(self, given, draws=draws, seed=seed)

    def decode(
        self,
        latents: Mapping[str, Array],
        *,
        given: Mapping[str, Array] | None = None,
        to: str | None = None,
        sample: bool = False,
        means: bool = False,
        seed: int | None = None,
    ) -> dict[str, Array]:
        """Outputs at chosen values of latents, `{modality: (B, *event)}`; see
        `wyner.tasks.decode`.
        """
        return tasks.decode(
            self, latents, given=given, to=to, sample=sample, means=means, seed=seed
        )

    def interpolate(
        self,
        start: Mapping[str, Array],
        end: Mapping[str, Array],
        *,
        along: str | Sequence[str] | None = None,
        steps: int = 8,
        to: str | None = None,
        means: bool = True,
        seed: int | None = None,
    ) -> dict[str, Array]:
        """Outputs on the path between the latents of two rows, `{modality: (S, B, *event)}`; see
        `wyner.tasks.interpolate`.
        """
        return tasks.interpolate(
            self, start, end, along=along, steps=steps, to=to, means=means, seed=seed
        )

    def traverse(
        self,
        *,
        along: str | None = None,
        dims: Sequence[int] | None = None,
        steps: int = 7,
        span: float = 3.0,
        to: str | None = None,
        means: bool = True,
        seed: int | None = None,
        **given: Array,
    ) -> Traversal:
        """One coordinate of a latent moved, the rest held: outputs `(D, S, B, *event)`; see
        `wyner.tasks.traverse`.
        """
        return tasks.traverse(
            self,
            given or None,
            along=along,
            dims=dims,
            steps=steps,
            span=span,
            to=to,
            means=means,
            seed=seed,
        )

    def log_likelihood(
        self,
        *,
        given: Mapping[str, Array] | None = None,
        samples: int = 100,
        seed: int | None = None,
        **targets: Array,
    ) -> Likelihood:
        """Importance-sampled log p in nats per row, with effective sample sizes; see
        `wyner.tasks.log_likelihood`.
        """
        return tasks.log_likelihood(self, targets, given=given, samples=samples, seed=seed)

    def common_information(
        self, *, limit: int = 10_000, seed: int | None = 0, **given: Array
    ) -> dict[str, float]:
        """Estimates of I(X,Y;Z) in nats, each by name; see `wyner.tasks.common_information`."""
        return tasks.common_information(self, given, limit=limit, seed=seed)

    def index(self, **gallery: Any) -> tasks.Index:
        """A gallery of one modality, encoded once, to be searched by any: `y=rows` and options; see
        `wyner.tasks.index`.
        """
        options = {
            k: gallery.pop(k)
            for k in ("names", "distance", "block", "out", "source")
            if k in gallery
        }
        return tasks.index(self, gallery, **options)

    def abilities(self) -> dict[str, str]:
        """What this model can be asked, by task."""
        return tasks.abilities(self)

    def save(self, folder: str | Path) -> Path:
        """Writes `model.safetensors` and `config.json` into a folder; `wyner.load` reads them
        back.
        """
        return save_model(self, self.config, Path(folder))
