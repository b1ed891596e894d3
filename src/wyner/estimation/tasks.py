"""Pairs that carry their exact I, J and C_GK in nats: what estimators are held against.

Invertible maps of one side change none of the three, so every task can be bent; blocks with a
common label W = f(X) = g(Y) add up, J = H(W) + sum_w p(w) J(X;Y|W=w), because given any Z that
makes X and Y independent W is constant.
"""

from __future__ import annotations

import dataclasses
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
Draw = Callable[[int, np.random.Generator], np.ndarray]
"""n rows of one side."""
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
        half: of the calibration benchmark, "development" or "test": estimators are tuned on the
            first alone, the second is measured once.
    """

    name: str
    group: str
    mutual: float
    wyner: float
    gacs_korner: float
    draw: Callable[[int, np.random.Generator], Pair]
    note: str
    most: int | None = None
    half: str = ""

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

    def draw(n: int, rng: np.random.Generator) -> Pair:
        label = rng.integers(0, k, n)
        x, y = (shown(label, centres(k, d, seed), rng) for seed in (4, 5))
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


def independent_task(name: str, x: Draw, y: Draw, note: str) -> Task:
    """Two sides that are drawn apart."""
    draw = lambda n, rng: (x(n, rng), y(n, rng))
    return Task(name, "independent", 0.0, 0.0, 0.0, draw, note)


def normals(d: int) -> Draw:
    """Independent normal columns."""
    return lambda n, rng: rng.standard_normal((n, d))


def categories(levels: int, columns: int = 0) -> Draw:
    """Uniform categories: one column of codes, or several."""
    return lambda n, rng: rng.integers(0, levels, (n, columns) if columns else n)


def blobs(k: int, d: int, seed: int) -> Draw:
    """Points around k centres that are 8 apart."""
    return lambda n, rng: shown(rng.integers(0, k, n), centres(k, d, seed), rng)


def shown(code: np.ndarray, middles: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A point for each code: its centre and noise shorter than half the way to the next."""
    noise = rng.standard_normal((len(code), middles.shape[1]))
    return middles[code] + noise * np.minimum(1, 3.9 / np.linalg.norm(noise, axis=1, keepdims=True))


def hidden_task(source: Task, name: str, d: tuple[int, int]) -> Task:
    """A pair of categories, of which each side shows a point near a centre.

    Each side is a function of what it shows, so that nothing is lost.

    Args:
        source: of the categories.
        name: of the task.
        d: columns of both sides; 0 to show the category itself.
    """

    def side(code: np.ndarray, columns: int, seed: int, rng: np.random.Generator) -> np.ndarray:
        return shown(code, centres(8, columns, seed), rng) if columns else code

    def draw(n: int, rng: np.random.Generator) -> Pair:
        a, b = source.draw(n, rng)
        return side(a, d[0], 4, rng), side(b, d[1], 5, rng)

    how = " and ".join(f"blobs in {k} columns" if k else "as it is" for k in d)
    note = f"{source.note}; shown {how}"
    truth = source.mutual, source.wyner, source.gacs_korner
    return Task(name, source.group, *truth, draw, note)


def twist(s: np.ndarray) -> np.ndarray:
    """The first two columns turned by an angle that grows with their length; invertible."""
    angle = 1.5 * np.linalg.norm(s[:, :2], axis=1)
    cos, sin, out = np.cos(angle), np.sin(angle), s.copy()
    out[:, 0] = cos * s[:, 0] - sin * s[:, 1]
    out[:, 1] = sin * s[:, 0] + cos * s[:, 1]
    return out


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
_HEAVY: Draw = lambda n, rng: rng.standard_cauchy((n, 3))
_SPARSE = "one pair of columns of 50 + 50 with r = 0.9"
_TWISTED = "r = 0.8, 0.4, columns turned by an angle that grows with their length"
_TABLE = np.array([[6, 1, 1, 0, 2], [1, 5, 0, 2, 1], [0, 1, 4, 4, 0], [2, 0, 1, 3, 6]]) / 40
_TABLE_TRUTH = (0.4889197907, 1.2221711)  # J by two solvers, proven to 0.0034
_TASKS: tuple[Task, ...] = (
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
_HALF = {
    "development": (
        "independent independent-8x8 gaussian-1-0.8 gaussian-4-0.5 gaussian-nuisance gaussian-bent"
        " mog labels-10 label-and-gaussian dsbs-0.25 erasure-0.7 blocks"
    ),
    "test": "gaussian-4-0.9 gaussian-tails labels-4-bent dsbs-0.1 erasure-0.3",
}
_HALF_OF = {name: half for half, names in _HALF.items() for name in names.split()}
TASKS: tuple[Task, ...] = tuple(
    dataclasses.replace(t, half=_HALF_OF.get(t.name, "")) for t in _TASKS
)
"""The benchmark of all estimators, easy to hard within a group. A new task is a line here."""


def _halves() -> tuple[Task, ...]:
    """The calibration tasks: those above that are named, and some of their own."""
    named = {t.name: t for t in TASKS}
    exponential: Draw = lambda n, rng: rng.exponential(size=(n, 1))
    bent: Draw = lambda n, rng: shears(rng.standard_normal((n, 4)))
    columns = categories(5, columns=8)
    development = (
        *(t for t in TASKS if t.half == "development"),
        independent_task("independent-heavy", _HEAVY, _HEAVY, "Cauchy, 3 + 3 columns"),
        independent_task("independent-mixed", categories(5), normals(3), "5 categories, 3 normals"),
        independent_task("independent-25", categories(25), categories(25), "25 categories a side"),
        gaussian_task("one-of-50", [0.9], nuisance=49, note=_SPARSE + ", rotated"),
        hidden_task(named["erasure-0.3"], "mixed-erasure", (0, 3)),
    )
    test = (
        *(t for t in TASKS if t.half == "test"),
        independent_task("independent-1", normals(1), exponential, "a normal, an exponential"),
        independent_task("independent-50", normals(50), normals(50), "50 + 50 normals"),
        independent_task("independent-columns", columns, columns, "8 + 8 columns of 5 categories"),
        independent_task("independent-bent", blobs(4, 3, 6), bent, "4 blobs, 4 bent columns"),
        independent_task("independent-label", categories(3), _HEAVY, "3 categories, 3 Cauchy"),
        gaussian_task("gaussian-1-0.5", [0.5]),
        gaussian_task("gaussian-twisted", [0.8, 0.4], image=twist, note=_TWISTED),
        gaussian_task("column-of-50", [0.9], nuisance=49, image=lambda s: s, note=_SPARSE),
        label_task("labels-4-of-50", 4, 50),
        table_task("table-4x5", _TABLE, _TABLE_TRUTH, "a table of 4 x 5, J by the solver"),
        hidden_task(named["dsbs-0.1"], "hidden-dsbs", (2, 3)),
        hidden_task(named["dsbs-0.1"], "mixed-dsbs", (0, 2)),
    )
    halves = ("development", development), ("test", test)
    return tuple(
        t if t.half else dataclasses.replace(t, half=half) for half, some in halves for t in some
    )


CALIBRATION: tuple[Task, ...] = _halves()
"""The tasks of the calibration benchmark, each of one half."""


def task(name: str) -> Task:
    """A task by name.

    Raises:
        OptionError: an unknown one.
    """
    known = {t.name: t for t in (*TASKS, *CALIBRATION)}
    if name not in known:
        raise OptionError(unknown("task", name, known))
    return known[name]
