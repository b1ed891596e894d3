"""A system: variables, laws over them and factors; what a task needs of a model."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from wyner.errors import LawError, refuse_unknown
from wyner.families import Combination, Family, FeatureOf, default
from wyner.laws.factor import AnyFactor, Combined, Factor, Factors, Inner
from wyner.laws.notation import Conditional, Law, check, is_data, parse, read_conditional
from wyner.laws.plan import Planner
from wyner.networks import MLP, Builder, MLPs, Sighted, encoding
from wyner.preprocessing import Preprocessing
from wyner.variables import Shape, Space

Families = Mapping[str, Family | Combination]


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

    Attributes:
        preprocessing: from a user's columns to what the networks see. Tasks take and give values in
            the user's units; laws and factors know standardised ones only.
    """

    preprocessing: Preprocessing = Preprocessing()

    def __init__(
        self,
        *,
        observed: Mapping[str, Space],
        latent: Mapping[str, Space],
        laws: Mapping[str, Sequence[str]],
        common: Sequence[str] = (),
        networks: Builder | None = None,
        families: Families | None = None,
        modules: Mapping[str, nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.observed, self.latent, self.common = dict(observed), dict(latent), tuple(common)
        if both := set(self.observed) & set(self.latent):
            raise LawError(f"{', '.join(sorted(both))} cannot be both observed and latent")
        refuse_unknown("latent", self.common, self.latent, "common", LawError)
        self.variables: dict[str, Space] = {**self.observed, **self.latent}
        self.laws: dict[str, tuple[Law, Law]] = {}
        for name, pair in laws.items():
            if len(pair) != 2:
                raise LawError(f"{name}: expected a pair of laws (q, p), got {len(pair)}")
            self.laws[name] = parse(pair[0], f"{name}: q"), parse(pair[1], f"{name}: p")
        self.derived: dict[str, tuple[Law, Law]] = {}
        """Pairs of laws that follow from the declared ones, as they were asked for."""
        terms = self._terms()
        self.networks = networks = networks or MLPs()
        families, modules = dict(families or {}), dict(modules or {})
        _add_members(terms, families)
        self._known(families, {*terms, *self.variables}, "family")
        self._known(modules, terms, "network")
        self.features = nn.ModuleDict()
        for name, space in self.observed.items():
            used = any(name in t.given for t in terms.values())
            feature = encoding(space, networks) if used else None
            if feature is not None:
                feature.event = space.event_shape
                self.features[name] = feature
        maker = _Maker(self, terms, families, modules)
        for term in terms.values():
            maker.factor(term)
        self.factors = maker.made

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

    def _known(self, names: Mapping[str, object], known: Collection[str], kind: str) -> None:
        refuse_unknown(f"name for a {kind}", names, known)

    def pair(self, name: str) -> tuple[Law, Law]:
        """The pair of laws (q, p) of this name, declared or derived."""
        return self.laws[name] if name in self.laws else self.derived[name]

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


def _add_members(terms: dict[str, Conditional], families: Families) -> None:
    """Adds the factors that combinations are made of, which no law may name."""
    left = list(terms.values())
    while left:
        term = left.pop()
        family = families.get(term.name)
        for text in family.members if isinstance(family, Combination) else ():
            member = read_conditional(text, f"{term.name}: member")
            among = set(member.given) <= set(term.given)
            if member.of != term.of or not among or member == term:
                raise LawError(
                    f"{term.name}: its member {member.name} must be another factor of"
                    f" {','.join(term.of)} whose parents are among"
                    f" {','.join(term.given) or 'none'}"
                )
            if member.name not in terms:
                terms[member.name] = member
                left.append(member)


@dataclass
class _Maker:
    """Makes the factors of a system, each after those that it is made of."""

    system: System
    terms: Mapping[str, Conditional]
    families: Families
    modules: Mapping[str, nn.Module]
    made: Factors = field(default_factory=Factors)

    def factor(self, term: Conditional) -> AnyFactor:
        """The factor of this name, made if it is not there yet."""
        if term.name not in self.made:
            family = self.families.get(term.name)
            if isinstance(family, FeatureOf):
                self.made[term.name] = self._inner(term, family)
            elif isinstance(family, Combination):
                self.made[term.name] = self._combined(term, family)
            else:
                self.made[term.name] = self._plain(term, family)
        return self.made[term.name]

    def _combined(self, term: Conditional, family: Combination) -> Combined:
        members = [read_conditional(text) for text in family.members]
        made = [
            (self.factor(self.terms[m.name]), [term.given.index(g) for g in m.given])
            for m in members
        ]
        return Combined(term.name, family, made, self.system.variables[term.of[0]].event_shape)

    def _inner(self, term: Conditional, family: FeatureOf) -> Inner:
        """A factor that another one computes."""
        owner = self.terms.get(family.factor)
        if owner is None or owner.of != term.given:
            raise LawError(
                f"{term.name}: expected a factor of {','.join(term.given)} to be a feature of, got"
                f" {family.factor}"
            )
        (variable,), (name,) = owner.of, term.of
        head = family.head(self.system.variables[name])
        return Inner(term.name, family.factor, variable, head, self.factor(owner).head)

    def _plain(self, term: Conditional, family: Family | None) -> Factor:
        (name,) = term.of
        space, observed = self.system.variables[name], name in self.system.observed
        if family is None:
            general = self.families.get(name)
            family = default(space, observed) if isinstance(general, Combination) else general
        family = family or default(space, observed)
        module = self.modules.get(term.name)
        if not term.given and module is None and (prior := family.prior(space)) is not None:
            return Factor(term.name, prior, None, ())
        head = family.head(space)
        events = [self._seen(g) for g in term.given]
        network = module or self.system.networks.factor(space, events, head.raw_shape, observed)
        if module is None and isinstance(network, MLP | Sighted):
            head.init_last(network.last.weight.data)
        factor = Factor(term.name, head, network, [len(e) for e in events])
        factor.probe(events, torch.zeros(()))
        return factor

    def _seen(self, name: str) -> Shape:
        """Event shape of a parent as networks see it: its features' if it has any."""
        if name not in self.system.features:
            return self.system.variables[name].event_shape
        feature: Any = self.system.features[name]
        return tuple(feature.output)
