"""Pairs that carry their exact I, J and C_GK in nats: what estimators are held against.

Invertible maps of one side change none of the three, so every task can be bent; blocks with a
common label W = f(X) = g(Y) add up, J = H(W) + sum_w p(w) J(X;Y|W=w), because given any Z that
makes X and Y independent W is constant.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from wyner.errors import OptionError, unknown
from wyner.information.gaussian import gaussian
from wyner.seeds import DATA, mix

Pair = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Task:
    """A source with known answers.

    Attributes:
        name: of the task.
        group: "independent", "gaussian", "label", "discrete" or "both".
        mutual, wyner, gacs_korner: exact I, J, C_GK in nats.
        draw: `draw(n, rng)`: n pairs.
        note: what the source is.
        most: rows there are, for data that are not drawn at will.
    """

    name: str
    group: str
    mutual: float
    wyner: float
    gacs_korner: float
    draw: Callable[[int, np.random.Generator], Pair]
    note: str
    most: int | None = None

    def sample(self, n: int, seed: int = 0) -> Pair:
        """Draws n pairs (at most as many as there are); equal seeds, equal pairs."""
        name = int.from_bytes(self.name.encode()[:7], "big")
        return self.draw(min(n, self.most or n), np.random.default_rng(mix(seed, DATA, name)))

    @property
    def truth(self) -> dict[str, float]:
        """The exact values by the names of the estimates."""
        return {"I": self.mutual, "J": self.wyner, "C_GK": self.gacs_korner}


def binary_entropy(p: float) -> float:
    """h_b(p) in nats."""
    return 0.0 if p in (0.0, 1.0) else -p * math.log(p) - (1 - p) * math.log1p(-p)


def symmetric_binary(flip: float) -> tuple[float, float]:
    """I and J of the doubly symmetric binary source, 0 <= flip <= 1/2, in nats (Wyner 1975)."""
    inner = (1 - math.sqrt(1 - 2 * flip)) / 2
    return math.log(2) - binary_entropy(flip), math.log(2) + binary_entropy(
        flip
    ) - 2 * binary_entropy(inner)


def erasure_pair(p: float) -> tuple[float, float]:
    """I and J of a bit and its erased copy, in nats (Witsenhausen 1976)."""
    return (1 - p) * math.log(2), math.log(2) if p <= 0.5 else binary_entropy(p)


def gaussian_task(
    name: str,
    correlations: Sequence[float],
    nuisance: int = 0,
    image: Callable[[np.ndarray], np.ndarray] | None = None,
    note: str = "",
) -> Task:
    """A Gaussian pair with these canonical correlations, turned, with independent columns added,
    bent by an invertible map.

    Args:
        name: of the task.
        correlations: r_i.
        nuisance: independent columns of each side.
        image: an invertible map of the columns, of each side; after it no rotation. None: the
            columns are rotated.
        note: what the source is.
    """
    r = np.asarray(correlations, dtype=float)
    exact = gaussian(correlations=[float(v) for v in r])
    d = len(r) + nuisance

    def draw(n: int, rng: np.random.Generator) -> Pair:
        x, y = rng.standard_normal((n, d)), rng.standard_normal((n, d))
        y[:, : len(r)] = r * x[:, : len(r)] + np.sqrt(1 - r * r) * y[:, : len(r)]
        if image is not None:
            return image(x), image(y)
        return x @ rotation(d, 1), y @ rotation(d, 2)

    mutual, wyner = abs(exact.mutual_information), exact.wyner  # no -0.0
    group = "gaussian" if np.any(r) else "independent"
    return Task(
        name,
        group,
        mutual,
        wyner,
        0.0,
        draw,
        note
        or f"r = {', '.join(f'{v:g}' for v in r)}"
        + (f", {nuisance} nuisance columns a side" if nuisance else ""),
    )


def rotation(d: int, seed: int) -> np.ndarray:
    """A fixed rotation, `(d, d)`."""
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))[0]


def cubes(s: np.ndarray) -> np.ndarray:
    """Increasing maps of each column: s^3, exp s, sinh 2s, s + s^3, ... (heavy tails)."""
    maps = (lambda v: v**3, np.exp, lambda v: np.sinh(2 * v), lambda v: v + v**3)
    return np.stack([maps[k % len(maps)](column) for k, column in enumerate(s.T)], 1)


def shears(s: np.ndarray) -> np.ndarray:
    """Two shears after a rotation: every column becomes a nonlinear mixture of the others;
    invertible.
    """
    s = s @ rotation(s.shape[1], 3)
    first, second = s[:, ::2].copy(), s[:, 1::2].copy()
    first[:, : second.shape[1]] += np.sin(2 * second)[:, : first.shape[1]]
    second += 0.5 * first[:, : second.shape[1]] ** 2
    return np.concatenate([first, second], 1)


def label_task(
    name: str,
    k: int,
    d: int,
    image: Callable[[np.ndarray], np.ndarray] | None = None,
    r: float = 0.0,
) -> Task:
    """A uniform label that both sides show as one of k centres, 8 apart, with noise shorter than 4:
    it can be read without error.

    With r, another column of each side is a Gaussian pair of its own. I = log k - 1/2 log(1 - r^2),
    J = log k + artanh r, C_GK = log k.

    Args:
        name: of the task.
        k: labels.
        d: columns that show the label.
        image: an invertible map of each side.
        r: correlation of the other column; 0 for none.
    """

    def side(label: np.ndarray, seed: int, rng: np.random.Generator) -> np.ndarray:
        noise = rng.standard_normal((len(label), d))
        return centres(k, d, seed)[label] + noise * np.minimum(
            1, 3.9 / np.linalg.norm(noise, axis=1, keepdims=True)
        )

    def draw(n: int, rng: np.random.Generator) -> Pair:
        label = rng.integers(0, k, n)
        x, y = side(label, 4, rng), side(label, 5, rng)
        if r:
            a, b = rng.standard_normal((2, n, 1))
            x, y = np.hstack([a, x]), np.hstack([r * a + math.sqrt(1 - r * r) * b, y])
        return (x, y) if image is None else (image(x), image(y))

    note = (
        f"{k} labels in {d} columns"
        + (f", a Gaussian pair of r = {r:g} beside them" if r else "")
        + (", bent" if image else "")
    )
    pair, shared = gaussian(correlations=[r]), math.log(k)
    mutual = shared + abs(pair.mutual_information)
    return Task(name, "both" if r else "label", mutual, shared + pair.wyner, shared, draw, note)


def centres(k: int, d: int, seed: int) -> np.ndarray:
    """As many points of R^d as asked, each at least 8 from every other, `(k, d)`."""
    rng, found = np.random.default_rng(seed), np.zeros((0, d))
    radius = 8.0
    while len(found) < k:
        point = rng.standard_normal(d) * radius
        radius *= 1.01
        if len(found) == 0 or np.linalg.norm(found - point, axis=1).min() >= 8:
            found = np.vstack([found, point])
    return found


def table_task(
    name: str, p: np.ndarray, mutual: float, wyner: float, gacs_korner: float, note: str
) -> Task:
    """Draws from a table of probabilities."""

    def draw(n: int, rng: np.random.Generator) -> Pair:
        code = rng.choice(p.size, n, p=p.ravel())
        return code // p.shape[1], code % p.shape[1]

    return Task(
        name, "independent" if mutual == 0 else "discrete", mutual, wyner, gacs_korner, draw, note
    )


def flips(flip: float) -> np.ndarray:
    """The table of the doubly symmetric binary source."""
    return np.array([[1 - flip, flip], [flip, 1 - flip]]) / 2


def _erased(p: float) -> Task:
    mutual, wyner = erasure_pair(p)
    return table_task(
        f"erasure-{p:g}",
        np.array([[1 - p, 0, p], [0, 1 - p, p]]) / 2,
        mutual,
        wyner,
        0.0,
        f"a bit and its copy, erased with probability {p:g}",
    )


def _binary(flip: float) -> Task:
    mutual, wyner = symmetric_binary(flip)
    return table_task(
        f"dsbs-{flip:g}",
        flips(flip),
        mutual,
        wyner,
        0.0,
        f"doubly symmetric binary source, {flip:g}",
    )


def _blocks(parts: Sequence[tuple[float, float]]) -> Task:
    """Doubly symmetric binary sources on alphabets of their own, block i with weight w_i and flips
    a_i.
    """
    p = np.zeros((2 * len(parts), 2 * len(parts)))
    weights = np.array([w for w, _ in parts])
    for k, (w, flip) in enumerate(parts):
        p[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] = w * flips(flip)
    shared = float(-(weights * np.log(weights)).sum())
    pairs = [symmetric_binary(flip) for _, flip in parts]
    mutual, wyner = (
        shared + sum(w * pair[k] for (w, _), pair in zip(parts, pairs, strict=True)) for k in (0, 1)
    )
    return table_task(
        "blocks", p, mutual, wyner, shared, f"{len(parts)} binary sources on alphabets of their own"
    )


def _mog() -> Task:
    def draw(n: int, rng: np.random.Generator) -> Pair:
        from wyner.data import load

        rows = load("mog", train=n, validation=1, test=1, seed=int(rng.integers(2**31))).train
        return rows["x"], rows["y"]

    shared = binary_entropy(0.2)
    return Task(
        "mog",
        "label",
        shared,
        shared,
        shared,
        draw,
        "mixture of five Gaussians in R^10 x R^10; only the centre is shared",
    )


def _digits() -> Task:
    def draw(n: int, rng: np.random.Generator) -> Pair:
        from wyner.data import load

        made = load(
            "digits-add1", train=n, validation=0, test=1, pad=0, seed=int(rng.integers(2**31))
        ).train
        return made["x"], made["y"]

    return Task(
        "digits-add1",
        "label",
        math.log(10),
        math.log(10),
        math.log(10),
        draw,
        "pictures of digits, y the next one after x; labels nearly balanced",
        5500,
    )


TASKS: tuple[Task, ...] = (
    gaussian_task("independent", [0.0] * 4, note="4 + 4 independent columns"),
    table_task(
        "independent-8x8", np.full((8, 8), 1 / 64), 0.0, 0.0, 0.0, "independent uniform categories"
    ),
    gaussian_task("gaussian-1-0.8", [0.8]),
    gaussian_task("gaussian-4-0.5", [0.5] * 4),
    gaussian_task("gaussian-4-0.9", [0.9] * 4),
    gaussian_task("gaussian-nuisance", [0.9, 0.6, 0.3], nuisance=5),
    gaussian_task(
        "gaussian-tails",
        [0.9, 0.7, 0.5, 0.3],
        image=cubes,
        note="r = 0.9, 0.7, 0.5, 0.3, columns bent one by one, heavy tails",
    ),
    gaussian_task(
        "gaussian-bent",
        [0.9, 0.6],
        image=shears,
        note="r = 0.9, 0.6, columns mixed by nonlinear shears",
    ),
    _mog(),
    label_task("labels-10", 10, 8),
    label_task("labels-4-bent", 4, 4, image=shears),
    label_task("label-and-gaussian", 3, 3, r=0.8),
    _binary(0.1),
    _binary(0.25),
    _erased(0.3),
    _erased(0.7),
    _blocks([(0.5, 0.1), (0.3, 0.25), (0.2, 0.05)]),
    _digits(),
)
"""The benchmark, easy to hard within a group. A new task is a line here."""


def task(name: str) -> Task:
    """A task by name.

    Raises:
        OptionError: an unknown one.
    """
    known = {t.name: t for t in TASKS}
    if name not in known:
        raise OptionError(unknown("task", name, known))
    return known[name]
