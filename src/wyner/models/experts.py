"""Laws of models with experts: a shared z inferred from any subset of the modalities, for any
number of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wyner.families import Product
from wyner.models.parts import subsets

Pairs = dict[str, tuple[str, str]]


def posterior(subset: Sequence[str]) -> str:
    """The factor q(z|x_S)."""
    return f"q(z|{','.join(subset)})"


def products(names: Sequence[str], prior: bool) -> dict[str, Product]:
    """q(z|x_S) ~ p(z) prod e(z|x_i) for every subset S; without the prior, and single experts as
    they are, if not `prior`.
    """
    experts = lambda s: [f"e(z|{n})" for n in s] + (["p(z)"] if prior else [])
    return {posterior(s): Product(*experts(s)) for s in subsets(names)}


def decode(names: Sequence[str], local: Mapping[str, str], prior: str = "p") -> str:
    """Factors p(u) p(x|z,u) of some modalities; priors of their local latents with another head if
    `prior` says so.
    """
    priors = [f"{prior}({local[n]})" for n in names if n in local]
    return " ".join(priors + [f"p({n}|z,{local[n]})" if n in local else f"p({n}|z)" for n in names])


def subset_name(subset: Sequence[str]) -> str:
    """How the laws that start from a subset are called: `x`, `x_y`."""
    return "_".join(subset)


def common_laws(names: Sequence[str], local: Mapping[str, str], infer: Mapping[str, str]) -> Pairs:
    """The laws that such a model can be asked, whatever trains it.

    `joint` scores all modalities; `S2S` a subset by itself; `S2rest` the others given a subset,
    with z drawn from the posterior of everything and weighed by that of the subset.

    Args:
        names: modalities.
        local: local latent by modality.
        infer: the factor of each local latent, `{"u": "q(u|x)"}`.
    """
    everything, all_z = ",".join(names), posterior(names)
    own = lambda s: " ".join(infer[local[n]] for n in s if n in local)
    laws: Pairs = {
        "joint": (f"q({everything}) {all_z} {own(names)}", f"p(z) {decode(names, local)}")
    }
    for s in subsets(names)[:-1]:
        rest, tag = [n for n in names if n not in s], subset_name(s)
        laws[f"{tag}2{tag}"] = (
            f"q({','.join(s)}) {posterior(s)} {own(s)}",
            f"p(z) {decode(s, local)}",
        )
        laws[f"{tag}2{subset_name(rest)}"] = (
            f"q({everything}) {all_z} {own(rest)}",
            f"q({','.join(s)}) {posterior(s)} {decode(rest, local)}",
        )
    return laws
