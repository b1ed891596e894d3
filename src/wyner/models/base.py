"""A model: variables, factors, named pairs of laws, an objective. Everything a user can ask follows
from the laws.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from wyner import tasks
from wyner.arrays import Array
from wyner.config import encode as to_json
from wyner.families import Combination, Distribution, Family
from wyner.networks import Builder, Critics
from wyner.objectives import Learner, Objective
from wyner.objectives.phases import Phase
from wyner.runs import save_model
from wyner.tasks import Likelihood, Traversal
from wyner.variables import Space


def remembering(init: Any) -> Any:
    """A constructor that keeps its arguments as JSON in `config`, so that the model can be built
    again; that of the outermost class counts.
    """
    signature = inspect.signature(init)

    @functools.wraps(init)
    def remembered(self: Model, *args: Any, **kwargs: Any) -> None:
        if "config" not in self.__dict__:
            bound = signature.bind(self, *args, **kwargs)
            arguments = {k: v for k, v in list(bound.arguments.items())[1:] if v is not None}
            config = {"name": type(self).__name__, "arguments": to_json(arguments)}
            object.__setattr__(self, "config", config)
        init(self, *args, **kwargs)

    return remembered


class Model(Learner):
    """Variables, laws and an objective; networks are made for every factor that the laws name.

    Args:
        observed: spaces of the modalities, by name.
        latent: spaces of the latents, by name.
        laws: pairs (q, p) by name, each a product of factors in sampling order.
        objective: a weighted sum of `KL(name)` terms.
        common: latents that all modalities share; what `common_information` measures and
            `reconstruct` infers.
        networks: makes the default networks.
        families: families by variable (`"x"`) or by factor (`"q(z|x)"`); a factor may be a product
            or mixture of others.
        modules: a user's own networks by factor (`"q(z|x,y)"`), called with the parents in the
            order written and returning `(..., m * event[0], *event[1:])`; or own critics by the
            name of their term (`"SKL(joint)"`), called with the values that they see and returning
            `(N,)`.
        critics: makes the critics of terms that compare laws by their draws, and says how much
            noise they see.
        phases: how to train; by default one phase with the objective and every factor.

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
            cls.__init__ = remembering(cls.__init__)  # type: ignore[method-assign]

    @remembering
    def __init__(
        self,
        *,
        observed: Mapping[str, Space],
        latent: Mapping[str, Space],
        laws: Mapping[str, Sequence[str]],
        objective: Objective,
        common: Sequence[str] = (),
        networks: Builder | None = None,
        families: Mapping[str, Family | Combination] | None = None,
        modules: Mapping[str, nn.Module] | None = None,
        phases: Sequence[Phase] = (),
        critics: Critics | None = None,
    ) -> None:
        super().__init__(
            observed=observed,
            latent=latent,
            laws=laws,
            objective=objective,
            common=common,
            networks=networks,
            families=families,
            modules=modules,
            phases=phases,
            critics=critics,
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
        self, *, given: Mapping[str, Array] | None = None, seed: int | None = None, **asked: Any
    ) -> Likelihood:
        """Log p in nats per row, with effective sample sizes: targets by name, and `samples`,
        `method`, `steps`, `simulate`; see `wyner.tasks.log_likelihood`.
        """
        names = ("samples", "method", "steps", "simulate")
        options = {k: asked.pop(k) for k in names if k in asked and k not in self.observed}
        return tasks.log_likelihood(self, asked, given=given, seed=seed, **options)

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
