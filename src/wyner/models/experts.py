"""Models with experts: a shared z inferred from any subset of any number of modalities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from wyner.families import Combination, Family, Mixture, Product
from wyner.models.base import Model, ModelOptions, chosen
from wyner.models.parts import (
    Size,
    Spaces,
    latents,
    local_sizes,
    modalities_of,
    needed,
    subsets,
    total,
)
from wyner.variables import Space

Pairs = dict[str, tuple[str, str]]
Families = dict[str, Family | Combination]


def posterior(subset: Sequence[str]) -> str:
    """The factor q(z|x_S)."""
    return f"q(z|{','.join(subset)})"


def products(names: Sequence[str], prior: bool) -> Families:
    """Products of experts q(z|x_S) ~ p(z) prod e(z|x_i) for every subset S.

    Without the prior, and single experts as they are, if not `prior`.
    """
    experts = lambda s: [f"e(z|{n})" for n in s] + (["p(z)"] if prior else [])
    return {posterior(s): Product(*experts(s)) for s in subsets(names)}


def subset_name(subset: Sequence[str]) -> str:
    """How the laws that start from a subset are called: `x`, `x_y`."""
    return "_".join(subset)


class ViewOptions(ModelOptions, total=False):
    """What models of any number of modalities take besides `ModelOptions`.

    Keys:
        x, y: spaces of a pair, in place of `modalities`.
    """

    x: Space | None
    y: Space | None


class Views:
    """The modalities of a model, any number of them, and their local latents.

    Args:
        model: name for messages.
        modalities: spaces by name; or `x` and `y` of the options.
        options: of the model.
        u, v, local: sizes of the local latents, as in `local_sizes`.
    """

    def __init__(
        self,
        model: str,
        modalities: Spaces | None,
        options: ViewOptions,
        u: Size = 0,
        v: Size = 0,
        local: Size | Mapping[str, Size] | None = None,
    ) -> None:
        self.options = options
        self.spaces = modalities_of(model, modalities, options.get("x"), options.get("y"))
        self.names = list(self.spaces)
        self.local, self.sizes = local_sizes(self.names, u, v, local)
        self.data = f"q({','.join(self.names)})"

    @cached_property
    def subsets(self) -> list[tuple[str, ...]]:
        """Non-empty subsets in order of size, the whole last."""
        return subsets(self.names)

    def infer(self, names: Sequence[str], given: str = "") -> str:
        """Factors q(u_i|x_i) of some modalities, or q(u_i|z,x_i) with `given` "z,"."""
        return " ".join(f"q({self.local[n]}|{given}{n})" for n in names if n in self.local)

    def priors(self, names: Sequence[str], head: str = "p") -> str:
        """Factors p(u_i) of some modalities, or of another head."""
        return " ".join(f"{head}({self.local[n]})" for n in names if n in self.local)

    def decode(self, names: Sequence[str], prior: str = "p") -> str:
        """Factors p(u_i) p(x_i|z,u_i) of some modalities; priors have the head `prior`."""
        given = {n: f"z,{self.local[n]}" if n in self.local else "z" for n in names}
        return " ".join([self.priors(names, prior), *(f"p({n}|{given[n]})" for n in names)])

    def common_laws(self, given: str = "") -> Pairs:
        """The laws that such a model can be asked, whatever trains it.

        `joint` scores all modalities; `S2S` a subset by itself; `S2rest` the others given a subset,
        with z drawn from the posterior of everything and weighed by that of the subset. Local
        latents are inferred from their modality, and from z with `given` "z,".
        """
        names, decode = self.names, self.decode
        infer = lambda names: self.infer(names, given)
        q = f"{self.data} {posterior(names)}"
        laws = {"joint": (f"{q} {infer(names)}", f"p(z) {decode(names)}")}
        for s in self.subsets[:-1]:
            rest, tag = [n for n in names if n not in s], subset_name(s)
            alone = f"q({','.join(s)}) {posterior(s)}"
            laws[f"{tag}2{tag}"] = (f"{alone} {infer(s)}", f"p(z) {decode(s)}")
            laws[f"{tag}2{subset_name(rest)}"] = (f"{q} {infer(rest)}", f"{alone} {decode(rest)}")
        return laws

    def mixture(self, start: Pairs) -> tuple[Pairs, dict[str, float], Families]:
        """Laws, weights and families of a mixture of experts, one stratified draw from each.

        KL( q || p ) = 1/M sum_i [ KL( q_i || p ) - KL( q_i || q ) ],   q = 1/M sum_i q(z|x_i)

        Args:
            start: the pair q_i, p of every modality.
        """
        laws, m, every = {}, len(self.names), posterior(self.names)
        for n in self.names:
            laws[f"from_{n}"] = start[n]
            laws[f"mixed_{n}"] = f"{self.data} q(z|{n})", f"{self.data} {every}"
        weights = {f"from_{n}": 1 / m for n in self.names}
        weights |= {f"mixed_{n}": -1 / m for n in self.names}
        several = [s for s in self.subsets if len(s) > 1]
        return laws, weights, {posterior(s): Mixture(*(f"q(z|{n})" for n in s)) for s in several}


class Experts(Model):
    """A shared latent z whose posteriors are made of one expert a modality.

    Args:
        views: the modalities.
        z: size of the shared latent.
        laws: that train, besides the common ones.
        weights: of the terms, by law.
        own: families of the model.
        among: as in `total`.
    """

    def __init__(
        self,
        views: Views,
        z: Size,
        laws: Pairs,
        weights: Mapping[str, float],
        own: Families,
        among: Sequence[str] = (),
    ) -> None:
        super().__init__(
            observed=views.spaces,
            latent=needed(z=z) | latents(**views.sizes),
            laws=views.common_laws() | laws,
            objective=total(weights, among),
            common=("z",),
            **chosen(views.options, own),
        )
