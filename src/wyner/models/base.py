"""A model: variables, factors, named pairs of laws, an objective. Everything a user can ask follows
from the laws.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wyner import tasks
from wyner.config import encode as to_json
from wyner.errors import LawError, OptionError, unknown
from wyner.families import Combination, Distribution, Family, FeatureOf
from wyner.families import default as default_family
from wyner.laws import Combined, Factor, Inner, Law, Planner, Term, check, is_data, parse, read_term
from wyner.networks import MLP, Builder, Critics, MLPs
from wyner.objectives import Objective, Program, RatioProgram
from wyner.objectives.critics import CriticSet
from wyner.objectives.sides import seen_by
from wyner.seeds import ROWS, mix
from wyner.tasks import Likelihood, Traversal
from wyner.tasks.arrays import Array
from wyner.training.phases import Phase
from wyner.variables import Space


class Model(nn.Module):
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
    objective: Program | RatioProgram

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Wraps the constructor, so that every model remembers the arguments it was built with."""
        super().__init_subclass__(**kwargs)
        cls.__init__ = _remembering(cls.__init__)  # type: ignore[method-assign]

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
        super().__init__()
        self.observed, self.latent, self.common = dict(observed), dict(latent), tuple(common)
        if both := set(self.observed) & set(self.latent):
            raise LawError(f"{', '.join(sorted(both))} cannot be both observed and latent")
        for name in self.common:
            if name not in self.latent:
                raise LawError(f"common: {unknown('latent', name, self.latent)}")
        self.variables: dict[str, Space] = {**self.observed, **self.latent}
        self.laws: dict[str, tuple[Law, Law]] = {}
        for name, pair in laws.items():
            if len(pair) != 2:
                raise LawError(f"{name}: expected a pair of laws (q, p), got {len(pair)}")
            self.laws[name] = parse(pair[0], f"{name}: q"), parse(pair[1], f"{name}: p")
        terms = self._terms()
        self.networks = networks = networks or MLPs()
        families, modules = dict(families or {}), dict(modules or {})
        self._members(terms, families)
        self._known(families, {*terms, *self.variables}, "family")
        self.phases = tuple(phases) or (Phase("main", objective),)
        seen = self._seen_by_critics(objective)
        self._known(modules, {*terms, *seen}, "network")
        self.features = nn.ModuleDict()
        for name, space in self.observed.items():
            used = any(name in t.given for t in terms.values())
            feature = networks.features(space) if used else None
            if feature is not None:
                feature.event = space.event_shape  # type: ignore[assignment]
                self.features[name] = feature
        self.factors = nn.ModuleDict()
        for term in terms.values():
            self._add_factor(term, terms, networks, families, modules)
        self._check_phases()
        self.critics: CriticSet | None = None
        if seen:
            own = {k: m for k, m in modules.items() if k in seen}
            self.critics = CriticSet(critics or Critics(), seen, self.variables, self.observed, own)
        # not a submodule: it shares the factors, which would otherwise be stored twice
        object.__setattr__(self, "objective", self.program(objective))

    def _terms(self) -> dict[str, Term]:
        """Every factor that needs a network, by name, after all laws are checked."""
        terms: dict[str, Term] = {}
        for name, pair in self.laws.items():
            for side, law in zip("qp", pair, strict=True):
                check(law, self.variables, self.observed, f"{name}: {side}")
                for term in law.terms:
                    if not is_data(term, self.observed):
                        terms.setdefault(term.name, term)
        seen: dict[tuple, str] = {}
        for name, term in terms.items():
            key = (term.head, term.of, frozenset(term.given))
            if key in seen:
                raise LawError(
                    f"{seen[key]} and {name} would be two networks for the same conditional; write"
                    " the parents in one order"
                )
            seen[key] = name
        return terms

    def _members(
        self, terms: dict[str, Term], families: Mapping[str, Family | Combination]
    ) -> None:
        """Adds the factors that combinations are made of, which no law may name."""
        left = list(terms.values())
        while left:
            term = left.pop()
            family = families.get(term.name)
            if not isinstance(family, Combination):
                continue
            for text in family.members:
                member = read_term(text, f"{term.name}: member")
                if (
                    member.of != term.of
                    or not set(member.given) <= set(term.given)
                    or member == term
                ):
                    raise LawError(
                        f"{term.name}: its member {member.name} must be another factor of"
                        f" {','.join(term.of)} whose parents are among"
                        f" {','.join(term.given) or 'none'}"
                    )
                if member.name not in terms:
                    terms[member.name] = member
                    left.append(member)

    def _seen_by_critics(self, objective: Objective) -> dict[str, tuple[str, ...]]:
        """What the critic of each matching and dependence of all objectives reads, by the name of
        its term.
        """
        terms = {
            t.name: t for o in (objective, *(p.objective for p in self.phases)) for t in o.measured
        }
        seen = {
            k: seen_by(t, self.laws, list(self.variables), self.observed) for k, t in terms.items()
        }
        return {k: v for k, v in seen.items() if v}

    def _known(self, names: Mapping[str, object], known: set[str], kind: str) -> None:
        for name in names:
            if name not in known:
                raise OptionError(unknown(f"name for a {kind}", name, known))

    def _add_factor(
        self,
        term: Term,
        terms: Mapping[str, Term],
        networks: Builder,
        families: Mapping[str, Family | Combination],
        modules: Mapping[str, nn.Module],
    ) -> None:
        """Makes a factor, and before it the members that it is a combination of."""
        if term.name in self.factors:
            return
        family = families.get(term.name)
        if isinstance(family, FeatureOf):
            self._add_inner(term, family, terms, networks, families, modules)
            return
        if not isinstance(family, Combination):
            plain = {k: f for k, f in families.items() if not isinstance(f, Combination)}
            self.factors[term.name] = self._factor(term, networks, plain, modules.get(term.name))
            return
        members: list[tuple[Any, list[int]]] = []
        for text in family.members:
            member = read_term(text)
            self._add_factor(terms[member.name], terms, networks, families, modules)
            members.append((self.factors[member.name], [term.given.index(g) for g in member.given]))
        (name,) = term.of
        self.factors[term.name] = Combined(
            term.name, family, members, self.variables[name].event_shape
        )

    def _add_inner(
        self,
        term: Term,
        family: FeatureOf,
        terms: Mapping[str, Term],
        networks: Builder,
        families: Mapping[str, Family | Combination],
        modules: Mapping[str, nn.Module],
    ) -> None:
        """Makes a factor that another one computes, and before it that one."""
        owner = terms.get(family.factor)
        if owner is None or owner.of != term.given:
            raise LawError(
                f"{term.name}: expected a factor of {','.join(term.given)} to be a feature of, got"
                f" {family.factor}"
            )
        self._add_factor(owner, terms, networks, families, modules)
        (variable,), (name,) = owner.of, term.of
        head: Any = self.factors[family.factor].head
        self.factors[term.name] = Inner(
            term.name, family.factor, variable, family.head(self.variables[name]), head
        )

    def _factor(
        self,
        term: Term,
        networks: Builder,
        families: Mapping[str, Family],
        module: nn.Module | None,
    ) -> Factor:
        (name,) = term.of
        space = self.variables[name]
        family = families.get(term.name, families.get(name)) or default_family(
            space, name in self.observed
        )
        if not term.given and module is None and (prior := family.prior(space)) is not None:
            return Factor(term.name, prior, None, ())
        head = family.head(space)
        events: list[tuple[int, ...]] = [self._seen(g) for g in term.given]
        network = module or networks.factor(space, events, head.raw_shape, name in self.observed)
        if module is None and isinstance(network, MLP):
            head.settle(network.last)
        factor = Factor(term.name, head, network, [len(e) for e in events])
        factor.probe(events, torch.zeros(()))
        return factor

    def _seen(self, name: str) -> tuple[int, ...]:
        """Event shape of a parent as networks see it: its features' if it has any."""
        if name in self.features:
            return tuple(self.features[name].output)  # type: ignore[arg-type]
        return self.variables[name].event_shape

    def _check_phases(self) -> None:
        names = [p.name for p in self.phases]
        if len(set(names)) < len(names):
            raise OptionError(f"phases: expected different names, got {', '.join(names)}")
        for phase in self.phases:
            for name in (*(phase.train or ()), *phase.freeze):
                if name not in self.factors:
                    raise OptionError(
                        f"phase {phase.name!r}: {unknown('factor', name, self.factors)}"
                    )

    def prepare(
        self,
        values: Mapping[str, Tensor],
        masks: Mapping[str, Tensor] | None,
        seed: int,
        trained: bool,
    ) -> None:
        """Trains and freezes the parts that come before the model, if its networks have such parts
        (`Builder.before`).

        Args:
            values: training rows by modality, `(N, *event)`, on the model's device.
            masks: by modality, `(N,)`; rows without a modality are left out.
            seed: of the order of the rows.
            trained: whether the weights are there already, so that freezing is enough.
        """
        if self.critics is not None and not trained:
            self.critics.measure(values)
        for k, name in enumerate(self.observed):
            if name in self.features:
                decoders: list[Any] = [
                    f.network for key, f in self.factors.items() if read_term(key).of == (name,)
                ]
                rows = lambda name=name: (
                    values[name] if masks is None else values[name][masks[name] > 0]
                )
                generator = torch.Generator().manual_seed(mix(seed, ROWS, k))
                self.networks.before(
                    self.features[name], decoders, None if trained else rows, generator
                )

    def program(self, objective: Objective) -> Program | RatioProgram:
        """An objective compiled over this model's laws and factors; it shares the parameters."""
        if objective.measured:
            return RatioProgram(
                objective,
                self.laws,
                self.planner(),
                self.factors,
                self.features,
                self.critics,
                self.variables,
            )
        return Program(objective, self.laws, self.planner(), self.factors, self.features)

    def planner(self) -> Planner:
        """A fresh compiler over this model's variables and factors."""
        return Planner(self.variables, self.observed, self.factors, self.features)

    @property
    def title(self) -> str:
        """Name of the model in messages and reports."""
        return type(self).__name__

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
        from wyner.runs import save_model

        return save_model(self, Path(folder))


def _remembering(init: Any) -> Any:
    if getattr(init, "_remembers", False):
        return init
    signature = inspect.signature(init)

    def remembering(self: Model, *args: Any, **kwargs: Any) -> None:
        if "config" not in self.__dict__:
            bound = signature.bind(self, *args, **kwargs)
            arguments = {k: v for k, v in list(bound.arguments.items())[1:] if v is not None}
            object.__setattr__(
                self, "config", {"name": type(self).__name__, "arguments": to_json(arguments)}
            )
        init(self, *args, **kwargs)

    remembering.__doc__ = init.__doc__
    remembering.__signature__ = signature  # type: ignore[attr-defined]
    remembering.__wrapped__ = init  # type: ignore[attr-defined]
    remembering._remembers = True  # type: ignore[attr-defined]
    return remembering


Model.__init__ = _remembering(Model.__init__)  # type: ignore[method-assign]
