"""A system: variables, laws over them and a factor for every conditional. All that a task needs of
a model, and nothing of training.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from wyner.errors import LawError, OptionError, unknown
from wyner.families import Combination, Family, FeatureOf
from wyner.families import default as default_family
from wyner.laws.factor import Combined, Factor, Inner
from wyner.laws.notation import Conditional, Law, check, is_data, parse, read_conditional
from wyner.laws.plan import Planner
from wyner.networks import MLP, Builder, MLPs
from wyner.variables import Space


class System(nn.Module):
    """Variables, pairs of laws, and a network for every factor that the laws name.

    Args:
        observed: spaces of the modalities, by name.
        latent: spaces of the latents, by name.
        laws: pairs (q, p) by name, each a product of factors in sampling order.
        common: latents that all modalities share.
        networks: makes the default networks.
        families: families by variable (`"x"`) or by factor (`"q(z|x)"`).
        modules: a user's own networks by factor.

    Raises:
        LawError: malformed laws. ShapeError: a network of the wrong output. OptionError: an unknown
            name.
    """

    def __init__(
        self,
        *,
        observed: Mapping[str, Space],
        latent: Mapping[str, Space],
        laws: Mapping[str, Sequence[str]],
        common: Sequence[str] = (),
        networks: Builder | None = None,
        families: Mapping[str, Family | Combination] | None = None,
        modules: Mapping[str, nn.Module] | None = None,
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
        self._known(modules, terms, "network")
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

    def _terms(self) -> dict[str, Conditional]:
        """Every factor that needs a network, by name, after all laws are checked."""
        terms: dict[str, Conditional] = {}
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
        self, terms: dict[str, Conditional], families: Mapping[str, Family | Combination]
    ) -> None:
        """Adds the factors that combinations are made of, which no law may name."""
        left = list(terms.values())
        while left:
            term = left.pop()
            family = families.get(term.name)
            if not isinstance(family, Combination):
                continue
            for text in family.members:
                member = read_conditional(text, f"{term.name}: member")
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

    def _known(self, names: Mapping[str, object], known: Collection[str], kind: str) -> None:
        for name in names:
            if name not in known:
                raise OptionError(unknown(f"name for a {kind}", name, known))

    def _add_factor(
        self,
        term: Conditional,
        terms: Mapping[str, Conditional],
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
            member = read_conditional(text)
            self._add_factor(terms[member.name], terms, networks, families, modules)
            members.append((self.factors[member.name], [term.given.index(g) for g in member.given]))
        (name,) = term.of
        self.factors[term.name] = Combined(
            term.name, family, members, self.variables[name].event_shape
        )

    def _add_inner(
        self,
        term: Conditional,
        family: FeatureOf,
        terms: Mapping[str, Conditional],
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
        term: Conditional,
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
            head.init_last(network.last)
        factor = Factor(term.name, head, network, [len(e) for e in events])
        factor.probe(events, torch.zeros(()))
        return factor

    def _seen(self, name: str) -> tuple[int, ...]:
        """Event shape of a parent as networks see it: its features' if it has any."""
        if name in self.features:
            return tuple(self.features[name].output)  # type: ignore[arg-type]
        return self.variables[name].event_shape

    def planner(self) -> Planner:
        """A fresh compiler over this model's variables and factors."""
        return Planner(self.variables, self.observed, self.factors, self.features)

    @property
    def title(self) -> str:
        """Name of the model in messages and reports."""
        return type(self).__name__

    def data_of(self, law: Law) -> frozenset[str]:
        """Variables that a law takes from the data."""
        return frozenset(v for t in law.terms if is_data(t, self.observed) for v in t.of)

    def outputs_of(self, law: Law) -> frozenset[str]:
        """Observed variables that a law draws with a factor of its own."""
        drawn = (t for t in law.terms if not is_data(t, self.observed))
        return frozenset(t.of[0] for t in drawn if t.of[0] in self.observed)
