"""Pairs that carry their exact I, J and C_GK in nats: what estimators are held against.

Invertible maps of one side change none of the three, so every task can be bent; blocks with a
common label W = f(X) = g(Y) add up, J = H(W) + sum_w p(w) J(X;Y|W=w), because given any Z that
makes X and Y independent W is constant.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wyner.data import load
from wyner.errors import OptionError, unknown
from wyner.information.discrete.table import entropy
from wyner.information.gaussian import gaussian
from wyner.seeds import DATA, mix

Pair = tuple[np.ndarray, np.ndarray]
Image = Callable[[np.ndarray], np.ndarray]
"""An invertible map of the columns of one side."""


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
    return entropy(np.array([p, 1 - p]))


def symmetric_binary(flip: float) -> tuple[float, float]:
    """I and J of the doubly symmetric binary source, 0 <= flip <= 1/2, in nats (Wyner 1975)."""
    inner, h = binary_entropy((1 - math.sqrt(1 - 2 * flip)) / 2), binary_entropy(flip)
    return math.log(2) - h, math.log(2) + h - 2 * inner


def erasure_pair(p: float) -> tuple[float, float]:
    """I and J of a bit and its erased copy, in nats (Witsenhausen 1976)."""
    return (1 - p) * math.log(2), math.log(2) if p <= 0.5 else binary_entropy(p)


def gaussian_task(
    name: str,
    correlations: Sequence[float],
    nuisance: int = 0,
    image: Image | None = None,
    note: str = "",
) -> Task:
    """A Gaussian pair with these canonical correlations, turned or bent.

    Args:
        name: of the task.
        correlations: r_i.
        nuisance: independent columns of each side.
        image: of each side; after it no rotation. None: the columns are rotated.
        note: what the source is.
    """
    r = np.asarray(correlations, dtype=float)
    exact, d = gaussian(correlations=[float(v) for v in r]), len(r) + nuisance

    def draw(n: int, rng: np.random.Generator) -> Pair:
        x, y = rng.standard_normal((n, d)), rng.standard_normal((n, d))
        y[:, : len(r)] = r * x[:, : len(r)] + np.sqrt(1 - r * r) * y[:, : len(r)]
        if image is not None:
            return image(x), image(y)
        return x @ rotation(d, 1), y @ rotation(d, 2)

    more = f", {nuisance} nuisance columns a side" if nuisance else ""
    text = note or f"r = {', '.join(f'{v:g}' for v in r)}{more}"
    group = "gaussian" if np.any(r) else "independent"
    return Task(name, group, abs(exact.mutual_information), exact.wyner, 0.0, draw, text)


def rotation(d: int, seed: int) -> np.ndarray:
    """A fixed rotation, `(d, d)`."""
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))[0]


def cubes(s: np.ndarray) -> np.ndarray:
    """Increasing maps of each column: s^3, exp s, sinh 2s, s + s^3, ... (heavy tails)."""
    maps = (lambda v: v**3, np.exp, lambda v: np.sinh(2 * v), lambda v: v + v**3)
    return np.stack([maps[k % len(maps)](column) for k, column in enumerate(s.T)], 1)


def shears(s: np.ndarray) -> np.ndarray:
    """Two shears after a rotation: every column a nonlinear mixture of the others; invertible."""
    s = s @ rotation(s.shape[1], 3)
    first, second = s[:, ::2].copy(), s[:, 1::2].copy()
    first[:, : second.shape[1]] += np.sin(2 * second)[:, : first.shape[1]]
    second += 0.5 * first[:, : second.shape[1]] ** 2
    return np.concatenate([first, second], 1)


def label_task(name: str, k: int, d: int, image: Image | None = None, r: float = 0.0) -> Task:
    """A uniform label that both sides show without error, and perhaps a Gaussian pair beside it.

    Each side is one of k centres, 8 apart, with noise shorter than 4. With r, another column of
    each side is a Gaussian pair of its own. I = log k - 1/2 log(1 - r^2), J = log k + artanh r,
    C_GK = log k.

    Args:
        name: of the task.
        k: labels.
        d: columns that show the label.
        image: of each side.
        r: correlation of the other column; 0 for none.
    """

    def side(label: np.ndarray, seed: int, rng: np.random.Generator) -> np.ndarray:
        noise = rng.standard_normal((len(label), d))
        short = np.minimum(1, 3.9 / np.linalg.norm(noise, axis=1, keepdims=True))
        return centres(k, d, seed)[label] + noise * short

    def draw(n: int, rng: np.random.Generator) -> Pair:
        label = rng.integers(0, k, n)
        x, y = side(label, 4, rng), side(label, 5, rng)
        if r:
            a, b = rng.standard_normal((2, n, 1))
            x, y = np.hstack([a, x]), np.hstack([r * a + math.sqrt(1 - r * r) * b, y])
        return (x, y) if image is None else (image(x), image(y))

    beside = f", a Gaussian pair of r = {r:g} beside them" if r else ""
    note = f"{k} labels in {d} columns{beside}{', bent' if image else ''}"
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
    name: str, p: np.ndarray, truth: tuple[float, float], note: str, gacs_korner: float = 0.0
) -> Task:
    """Draws from a table of probabilities with these I and J."""

    def draw(n: int, rng: np.random.Generator) -> Pair:
        code = rng.choice(p.size, n, p=p.ravel())
        return code // p.shape[1], code % p.shape[1]

    group = "independent" if truth[0] == 0 else "discrete"
    return Task(name, group, *truth, gacs_korner, draw, note)


def flips(flip: float) -> np.ndarray:
    """The table of the doubly symmetric binary source."""
    return np.array([[1 - flip, flip], [flip, 1 - flip]]) / 2


def erasures(p: float) -> np.ndarray:
    """The table of a bit and its copy, erased with probability p."""
    return np.array([[1 - p, 0, p], [0, 1 - p, p]]) / 2


def blocks(parts: Sequence[tuple[float, float]]) -> Task:
    """Binary sources on alphabets of their own, block i with weight w_i and flips a_i."""
    p = np.zeros((2 * len(parts), 2 * len(parts)))
    for k, (w, flip) in enumerate(parts):
        p[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] = w * flips(flip)
    shared = entropy(np.array([w for w, _ in parts]))
    pairs = [(w, symmetric_binary(flip)) for w, flip in parts]
    mutual, wyner = (shared + sum(w * pair[k] for w, pair in pairs) for k in (0, 1))
    note = f"{len(parts)} binary sources on alphabets of their own"
    return table_task("blocks", p, (mutual, wyner), note, shared)


def loaded_task(
    name: str, data: str, shared: float, note: str, most: int | None = None, **options: Any
) -> Task:
    """Training rows of a data set whose sides share a label of this entropy and nothing else."""

    def draw(n: int, rng: np.random.Generator) -> Pair:
        rows = load(data, train=n, test=1, seed=int(rng.integers(2**31)), **options).train
        return rows["x"], rows["y"]

    return Task(name, "label", shared, shared, shared, draw, note, most)


def _binary(flip: float) -> Task:
    note = f"doubly symmetric binary source, {flip:g}"
    return table_task(f"dsbs-{flip:g}", flips(flip), symmetric_binary(flip), note)


def _erased(p: float) -> Task:
    note = f"a bit and its copy, erased with probability {p:g}"
    return table_task(f"erasure-{p:g}", erasures(p), erasure_pair(p), note)


_UNIFORM, _TAILS, _BENT, _MOG, _DIGITS = (
    "independent uniform categories",
    "r = 0.9, 0.7, 0.5, 0.3, columns bent one by one, heavy tails",
    "r = 0.9, 0.6, columns mixed by nonlinear shears",
    "mixture of five Gaussians in R^10 x R^10; only the centre is shared",
    "pictures of digits, y the next one after x; labels nearly balanced",
)
TASKS: tuple[Task, ...] = (
    gaussian_task("independent", [0.0] * 4, note="4 + 4 independent columns"),
    table_task("independent-8x8", np.full((8, 8), 1 / 64), (0.0, 0.0), _UNIFORM),
    gaussian_task("gaussian-1-0.8", [0.8]),
    gaussian_task("gaussian-4-0.5", [0.5] * 4),
    gaussian_task("gaussian-4-0.9", [0.9] * 4),
    gaussian_task("gaussian-nuisance", [0.9, 0.6, 0.3], nuisance=5),
    gaussian_task("gaussian-tails", [0.9, 0.7, 0.5, 0.3], image=cubes, note=_TAILS),
    gaussian_task("gaussian-bent", [0.9, 0.6], image=shears, note=_BENT),
    loaded_task("mog", "mog", binary_entropy(0.2), _MOG, validation=1),
    label_task("labels-10", 10, 8),
    label_task("labels-4-bent", 4, 4, image=shears),
    label_task("label-and-gaussian", 3, 3, r=0.8),
    _binary(0.1),
    _binary(0.25),
    _erased(0.3),
    _erased(0.7),
    blocks([(0.5, 0.1), (0.3, 0.25), (0.2, 0.05)]),
    loaded_task("digits-add1", "digits-add1", math.log(10), _DIGITS, 5500, validation=0, pad=0),
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
