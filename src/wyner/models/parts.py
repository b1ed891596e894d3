"""What model files share: sizes of latents, laws without latents that are off, phases, names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Required

from wyner.errors import OptionError, unknown
from wyner.laws import Conditional, Law, parse
from wyner.models.base import CriticOptions, ModelOptions
from wyner.objectives import KL, Objective
from wyner.objectives.phases import After, Alternating, Jointly, Phase, TwoPlayer
from wyner.variables import Real, Space


class TwoPlayerOptions(CriticOptions, total=False):
    """What models take besides `CriticOptions` whose critics learn between the model's steps.

    Keys:
        steps: of the critics for one of the model.
        critic_lr: learning rate of the critics; None for the model's.
    """

    steps: int
    critic_lr: float | None


class Pair(ModelOptions, total=False):
    """What models of a pair take besides `ModelOptions`.

    Keys:
        x, y: spaces of the pair.
    """

    x: Required[Space]
    y: Required[Space]


Size = int | Space
"""Of a latent: a number of real coordinates, or a space."""
Spaces = Mapping[str, Space]
When = After | Alternating | Jointly
Laws = Mapping[str, tuple[str, str]]


def pair(options: Pair) -> dict[str, Space]:
    """The observed spaces of a pair."""
    return {"x": options["x"], "y": options["y"]}


def latents(**sizes: Size) -> dict[str, Space]:
    """Spaces of latents by name from sizes or spaces; those of size 0 are left out.

    Raises:
        OptionError: a negative size.
    """
    for name, size in sizes.items():
        if not isinstance(size, Space) and size < 0:
            raise OptionError(f"{name} needs a positive size, got {size}; 0 leaves it out")
    return {
        k: s if isinstance(s, Space) else Real(s)
        for k, s in sizes.items()
        if isinstance(s, Space) or s > 0
    }


def needed(**sizes: Size) -> dict[str, Space]:
    """The same for latents that the model cannot do without.

    Raises:
        OptionError: a size of 0.
    """
    found = latents(**sizes)
    for name in sizes:
        if name not in found:
            raise OptionError(f"{name} needs a positive size, got 0")
    return found


def without(laws: Laws, absent: Collection[str]) -> dict[str, tuple[str, str]]:
    """Laws in which some latents do not occur: neither drawn nor as parents."""

    def cut(text: str) -> str:
        kept = [
            Conditional(t.head, t.of, tuple(g for g in t.given if g not in absent))
            for t in parse(text).terms
            if not absent or t.of[0] not in absent
        ]
        return " ".join(t.name for t in Law(tuple(kept), "").terms)

    return {name: (cut(q), cut(p)) for name, (q, p) in laws.items()}


def total(weights: Mapping[str, float], among: Collection[str] = ()) -> Objective:
    """sum_d weight_d KL(d).

    Args:
        weights: by law.
        among: kinds of laws, "from" of `from_x` and `from_y`, that are parts of one expectation.
    """
    part = lambda law: kind if (kind := law.split("_")[0]) in among else ""
    (first, w), *rest = weights.items()
    found = w * KL(first, part(first))
    for name, weight in rest:
        found = found + weight * KL(name, part(name))
    return found


def two_stage(
    objective: Objective, marginal: Sequence[str], train: Sequence[str], when: When | None
) -> tuple[Phase, ...]:
    """The joint model, then encoders of one side fitted to it while everything else is frozen.

    Args:
        objective: of the main phase.
        marginal: pairs of laws that fit the encoders.
        train: their factors.
        when: by default when the joint model is finished.
    """
    fit = Phase(
        "marginal", total(dict.fromkeys(marginal, 1.0)), train=tuple(train), when=when or After()
    )
    return Phase("joint", objective), fit


def main_phase(objective: Objective, steps: int, critic_lr: float | None) -> tuple[Phase]:
    """The one phase of a model with critics, or without them if nothing is measured."""
    if not objective.measured:
        return (Phase("main", objective),)
    return (TwoPlayer("main", objective, critic=steps, critic_lr=critic_lr),)


def subsets(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Non-empty subsets in order of size, the whole last."""
    found: list[tuple[str, ...]] = []
    for code in range(1, 2 ** len(names)):
        found.append(tuple(n for i, n in enumerate(names) if code >> i & 1))
    return sorted(found, key=lambda s: (len(s), [names.index(n) for n in s]))


def check_names(names: Sequence[str], model: str, reserved: Collection[str] = ("z",)) -> None:
    """Refuses names of modalities that would read as a law's or a latent's name.

    Raises:
        OptionError: fewer than two modalities, or such a name.
    """
    if len(names) < 2:
        raise OptionError(f"{model}: expected at least two modalities, got {len(names)}")
    for name in names:
        if name in reserved or name.startswith("u_") or "2" in name or not name.isidentifier():
            raise OptionError(
                f"{model}: {name!r} cannot name a modality; use a word other than"
                f" {', '.join(sorted(reserved))}, without 2 and not starting with u_"
            )


def modalities_of(
    model: str, modalities: Mapping[str, Space] | None, x: Space | None, y: Space | None
) -> dict[str, Space]:
    """The observed spaces, from x and y or from a dictionary.

    Raises:
        OptionError: neither, or both.
    """
    if modalities is None:
        if x is None or y is None:
            raise OptionError(f"{model}: expected x= and y=, or modalities={{name: space, ...}}")
        return {"x": x, "y": y}
    if x is not None or y is not None:
        raise OptionError(f"{model}: expected either x= and y= or modalities=, not both")
    check_names(list(modalities), model)
    return dict(modalities)


def local_sizes(
    names: Sequence[str], u: Size, v: Size, local: Size | Mapping[str, Size] | None
) -> tuple[dict[str, str], dict[str, Size]]:
    """Names of the local latents by modality, and their sizes by name.

    They are u and v for a pair x, y; u_a, u_b, ... for other names.

    Raises:
        OptionError: `local` names a modality that does not exist.
    """
    own = {"x": "u", "y": "v"} if list(names) == ["x", "y"] else {n: f"u_{n}" for n in names}
    if local is None:
        sizes = {n: v if own[n] == "v" else u for n in names}
    else:
        sizes = dict(local) if isinstance(local, Mapping) else dict.fromkeys(names, local)
    for name in sizes:
        if name not in names:
            raise OptionError(f"local: {unknown('modality', name, names)}")
    style = {n: own[n] for n in names if sizes.get(n, 0) != 0}
    return style, {style[n]: sizes[n] for n in style}
