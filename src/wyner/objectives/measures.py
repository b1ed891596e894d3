"""What can be measured from draws of laws: matching, dependence, distance.

Each is plain data with `plan`, which adds to a plan the values that are compared.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from wyner.codec import stored
from wyner.errors import LawError, OptionError, refuse_unknown, unknown
from wyner.laws import Law, Planner, is_data, read_conditional
from wyner.variables import Image, as_tuples

BOUNDS = ("js", "dv", "nwj", "ls")
NORMS = ("l1", "l2", "log")
PLUGS = ("symmetric", "forward", "reverse", "js", "bound")
SYMBOLS = {"symmetric": "SKL", "forward": "KL", "reverse": "reverse KL", "js": "JS"}

Pair = tuple[Law, Law]
Names = Collection[str]


@stored("ratio")
@dataclass(frozen=True)
class Ratio:
    """How T = log P/Q is learned, and what the model minimises with T held fixed.

    Args:
        train: bound that the critic maximises: "js" (logistic loss), "dv" (Donsker-Varadhan),
            "nwj", both of the symmetric KL, or "ls" (squared error of the class probabilities); see
            `wyner.objectives.ratio`.
        minimise: "symmetric" E_P[T] - E_Q[T], "forward" E_P[T], "reverse" -E_Q[T], "js" the value
            of the logistic loss, "bound" the value of the bound that trains T.
    """

    train: str = "js"
    minimise: str = "symmetric"

    def __post_init__(self) -> None:
        refuse_unknown("bound for a density ratio (train)", self.train, BOUNDS)
        refuse_unknown("plug-in of a density ratio (minimise)", self.minimise, PLUGS)


@dataclass(frozen=True)
class CriticPair:
    """The two sides that a critic tells apart.

    Attributes:
        name, text: of the term; what is printed of it.
        ratio: how its T is learned.
        sees: variables that it sees.
        first, second: the operations that make them under P and under Q.
        moved: variables whose values come from other rows under Q.
        detached: whether the critic reads features that others train.
    """

    name: str
    text: str
    ratio: Ratio
    sees: tuple[str, ...]
    first: tuple[int, ...]
    second: tuple[int, ...]
    moved: tuple[str, ...] = ()
    detached: bool = False


@dataclass(frozen=True)
class Compared:
    """A reconstruction: the operations of a value and of the distribution that should return it."""

    name: str
    text: str
    variable: str
    norm: str
    value: int
    dist: int


class Measure(ABC):
    """Something that is computed from draws of a pair of laws."""

    @abstractmethod
    def name(self, law: str) -> str:
        """Name of the term in objectives, logs and checkpoints."""

    def reads(self, law: str, pair: Pair, variables: Names, observed: Names) -> tuple[str, ...]:
        """Variables that its critic reads, in the order of the model; none without a critic.

        Raises:
            LawError: no such variable, or nothing to compare.
        """
        return ()

    @abstractmethod
    def plan(self, law: str, pair: Pair, planner: Planner) -> CriticPair | Compared:
        """What is compared, added to the planner's plan.

        Raises:
            LawError: the pair of laws does not draw it.
        """


@stored("matching")
@dataclass(frozen=True)
class Matching(Measure):
    """The two laws of a pair, P = q against Q = p.

    Its critic reads the variables of both laws, without those that the ratio cannot depend on,
    because both laws draw them last and with the same factor.
    """

    ratio: Ratio = field(default_factory=Ratio)
    sees: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        as_tuples(self, "sees")

    def name(self, law: str) -> str:
        symbol = SYMBOLS.get(self.ratio.minimise, self.ratio.train)
        return f"{symbol}({law}{': ' + ','.join(self.sees) if self.sees else ''})"

    def reads(self, law: str, pair: Pair, variables: Names, observed: Names) -> tuple[str, ...]:
        there = set(pair[0].variables) & set(pair[1].variables)
        wanted = set(self.sees) or there - _cancelled(*pair, observed)
        return _chosen(self.name(law), f"{law}: both laws", wanted, there, variables)

    def plan(self, law: str, pair: Pair, planner: Planner) -> CriticPair:
        sees = self.reads(law, pair, planner.variables, planner.observed)
        first, second = (
            _pick(planner.values(side, f"{law}: {letter}"), sees)
            for letter, side in zip("qp", pair, strict=True)
        )
        name = self.name(law)
        text = f"{name.partition('(')[0]}( {pair[0].text} || {pair[1].text} )"
        return CriticPair(name, text + _by(sees, self.ratio), self.ratio, sees, first, second)


@stored("dependence")
@dataclass(frozen=True)
class Dependence(Measure):
    """One law, P, against the same law with `right` independent of `left`, Q.

    Draws of Q have `right` moved to other rows, or drawn from `prior`.
    """

    left: tuple[str, ...]
    right: tuple[str, ...]
    side: str = "p"
    prior: str | None = None
    ratio: Ratio = field(default_factory=Ratio)

    def __post_init__(self) -> None:
        as_tuples(self, "left", "right")
        if self.side not in ("q", "p"):
            raise LawError(f"side: expected 'q' or 'p', a law of the pair, got {self.side!r}")

    def name(self, law: str) -> str:
        left, right = ",".join(self.left), ",".join(self.right)
        between = f"I({left};{right})" if self.prior is None else f"R({right};{left})"
        return f"{between} {self.side} {law}"

    def reads(self, law: str, pair: Pair, variables: Names, observed: Names) -> tuple[str, ...]:
        there = set(pair["qp".index(self.side)].variables)
        wanted = {*self.left, *self.right}
        return _chosen(self.name(law), f"{law}: {self.side}", wanted, there, variables)

    def plan(self, law: str, pair: Pair, planner: Planner) -> CriticPair:
        sees = self.reads(law, pair, planner.variables, planner.observed)
        drawn, name = pair["qp".index(self.side)], self.name(law)
        first = second = planner.values(drawn, f"{law}: {self.side}")
        moved, a, b = self.right, ",".join(self.left), ",".join(self.right)
        text = f"I({a};{b})"
        if self.prior is not None:
            if self.prior not in planner.factors:
                raise LawError(
                    f"{name}: it needs the prior {self.prior}, which no law of the model names"
                )
            dist = planner.dist(read_conditional(self.prior), {}, law)
            second = {**first, self.right[0]: planner.plan.add("draw", self.right[0], dist)}
            moved, text = (), f"KL( ({b},{a}) || {self.prior} ({a}) )"
        text = f"{text} under {drawn.text}{_by(sees, self.ratio)}"
        sides = _pick(first, sees), _pick(second, sees)
        return CriticPair(name, text, self.ratio, sees, *sides, moved, detached=True)


@stored("distance")
@dataclass(frozen=True)
class Distance(Measure):
    """A variable and its reconstruction."""

    variable: str
    norm: str | None = None

    def __post_init__(self) -> None:
        if self.norm not in (None, *NORMS):
            raise OptionError(unknown("norm of a reconstruction", str(self.norm), NORMS))

    def name(self, law: str) -> str:
        return f"d({self.variable}) {law}"

    def plan(self, law: str, pair: Pair, planner: Planner) -> Compared:
        ends = self._observed if self.variable in planner.observed else self._latent
        value, dist = ends(law, pair, planner)
        space = planner.variables[self.variable]
        norm = self.norm or ("l1" if isinstance(space, Image) else "l2")
        back = planner.plan.ops[dist].name
        text = f"mean |{self.variable} - {back}|" + ("" if norm == "l1" else "^2")
        text = f"E[-log {back}]" if norm == "log" else text
        return Compared(self.name(law), text, self.variable, norm, value, dist)

    def _observed(self, law: str, pair: Pair, planner: Planner) -> tuple[int, int]:
        """The data, and p's factor of it at what q draws."""
        q, p = pair
        values = planner.values(q, f"{law}: q")
        back = next((t for t in planner.parts(p)[1] if t.of == (self.variable,)), None)
        if back is None or not {self.variable, *back.given} <= set(values):
            raise LawError(
                f"{self.name(law)}: expected a law q that holds {self.variable} and the parents of"
                f" p's factor of it; q is {q.text!r}, p is {p.text!r}"
            )
        return values[self.variable], planner.dist(back, values, law)

    def _latent(self, law: str, pair: Pair, planner: Planner) -> tuple[int, int]:
        """What p draws, and q's factor of it at the outputs of p."""
        q, p = pair
        values = planner.values(p, f"{law}: p")
        data, drawn = planner.parts(q)
        again = {v: values[v] for t in data for v in t.of if v in values}
        for t in drawn:
            if not set(t.given) <= set(again):
                break
            dist = planner.dist(t, again, law)
            if t.of == (self.variable,) and self.variable in values:
                return values[self.variable], dist
            again[t.of[0]] = planner.plan.add("draw", t.of[0], dist)
        raise LawError(
            f"{self.name(law)}: expected a law p that draws {self.variable} and what q reads to"
            f" infer it; q is {q.text!r}, p is {p.text!r}"
        )


def _chosen(
    name: str, where: str, wanted: set[str], there: set[str], variables: Names
) -> tuple[str, ...]:
    """The variables that a critic reads, in the order of the model."""
    for missing in sorted(wanted - there):
        raise LawError(f"{name}: {where}: {unknown('variable', missing, there)}")
    if not wanted:
        raise LawError(
            f"{name}: both laws draw the same with the same factors, so there is nothing to match"
        )
    return tuple(v for v in variables if v in wanted)


def _cancelled(q: Law, p: Law, observed: Names) -> set[str]:
    """Variables that both laws draw with one factor and that no other factor reads, in turn."""
    left = [{t for t in law.terms if not is_data(t, observed)} for law in (q, p)]
    gone: set[str] = set()
    while True:
        read = {g for side in left for t in side for g in t.given}
        last = {t for t in left[0] & left[1] if not read.intersection(t.of)}
        if not last:
            return gone
        gone |= {v for t in last for v in t.of}
        left = [side - last for side in left]


def _by(sees: Sequence[str], ratio: Ratio) -> str:
    trained = f", trained by {ratio.train}" if ratio.train != "js" else ""
    return f"   by T({','.join(sees)}){trained}"


def _pick(values: Mapping[str, int], names: Sequence[str]) -> tuple[int, ...]:
    return tuple(values[n] for n in names)
