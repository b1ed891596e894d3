"""What can be measured from draws of laws, as plain data: matching, dependence, distance, and how a
density ratio is learned.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from wyner.codec import stored
from wyner.errors import LawError, OptionError, unknown

BOUNDS = ("js", "dv", "nwj", "ls")
NORMS = ("l1", "l2", "log")
PLUGS = ("symmetric", "forward", "reverse", "js", "bound")


@stored("ratio")
@dataclass(frozen=True)
class Ratio:
    """How T = log P/Q is learned from draws, and what the model minimises with T held fixed; see
    `wyner.objectives.ratio`.

    Args:
        train: bound that the critic maximises: "js" (logistic loss), "dv" (Donsker-Varadhan),
            "nwj", both of the symmetric KL, or "ls" (squared error of the class probabilities).
        minimise: "symmetric" E_P[T] - E_Q[T], "forward" E_P[T], "reverse" -E_Q[T], "js" the value
            of the logistic loss, "bound" the value of the bound that trains T.
    """

    train: str = "js"
    minimise: str = "symmetric"

    def __post_init__(self) -> None:
        if self.train not in BOUNDS:
            raise OptionError(unknown("bound for a density ratio (train)", self.train, BOUNDS))
        if self.minimise not in PLUGS:
            raise OptionError(
                unknown("plug-in of a density ratio (minimise)", self.minimise, PLUGS)
            )


@stored("matching")
@dataclass(frozen=True)
class Matching:
    """The two laws of a pair, P = q against Q = p."""

    ratio: Ratio = field(default_factory=Ratio)
    sees: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "sees", tuple(self.sees))

    def name(self, law: str) -> str:
        """Name of the term in objectives, logs and checkpoints."""
        symbol = {"symmetric": "SKL", "forward": "KL", "reverse": "reverse KL", "js": "JS"}
        return f"{symbol.get(self.ratio.minimise, self.ratio.train)}({law}{': ' + ','.join(self.sees) if self.sees else ''})"


@stored("dependence")
@dataclass(frozen=True)
class Dependence:
    """One law, P, against the same law with `right` independent of `left`, Q: moved to other rows,
    or drawn from `prior`.
    """

    left: tuple[str, ...]
    right: tuple[str, ...]
    side: str = "p"
    prior: str | None = None
    ratio: Ratio = field(default_factory=Ratio)

    def __post_init__(self) -> None:
        object.__setattr__(self, "left", tuple(self.left))
        object.__setattr__(self, "right", tuple(self.right))
        if self.side not in ("q", "p"):
            raise LawError(f"side: expected 'q' or 'p', a law of the pair, got {self.side!r}")

    def name(self, law: str) -> str:
        """Name of the term in objectives, logs and checkpoints."""
        left, right = ",".join(self.left), ",".join(self.right)
        return (
            f"I({left};{right}) {self.side} {law}"
            if self.prior is None
            else f"R({right};{left}) {self.side} {law}"
        )


@stored("distance")
@dataclass(frozen=True)
class Distance:
    """A variable and its reconstruction."""

    variable: str
    norm: str | None = None

    def __post_init__(self) -> None:
        if self.norm not in (None, *NORMS):
            raise OptionError(unknown("norm of a reconstruction", str(self.norm), NORMS))

    def name(self, law: str) -> str:
        """Name of the term in objectives and logs."""
        return f"d({self.variable}) {law}"
