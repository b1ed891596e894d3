"""Common information of a table of probabilities, of any number of variables, numerically.

    C_GK = H(component)      the most that functions of each variable alone agree on
                             (Gacs and Korner 1973)
    J    = min I(X;Z)        over Z that makes the variables independent (Wyner 1975)
    C_g  = min I(X;Z)        over Z with TC(X|Z) <= g (relaxed; C_0 = J)
    L_l  = min TC(X|Z) + l I(X;Z)                     (Lagrangian)

X is all variables together; TC is total correlation, for two variables mutual information.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wyner.errors import OptionError, unknown
from wyner.information.discrete import table as tables
from wyner.information.discrete.curve import Curve
from wyner.information.discrete.relaxed import encoder_of
from wyner.information.discrete.search import Effort
from wyner.information.discrete.solve import SOLVERS, Answer, solve
from wyner.information.discrete.threads import one_thread
from wyner.information.lagrangian import Lagrangian, check_gamma, check_lam
from wyner.information.pictures import table_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNITS = {"nats": 1.0, "bits": math.log(2)}


@dataclass(frozen=True)
class Latent:
    """A Z that makes the variables independent.

    Attributes:
        weights: p(z), `(nz,)`, largest first.
        given_z: p(x_i|z) of each variable, `(nz, n_i)`.
        encoder: p(z|x_1, .., x_n), `(nz, n_1, .., n_n)`; uniform where the table is 0.
    """

    weights: np.ndarray
    given_z: tuple[np.ndarray, ...]
    encoder: np.ndarray


@dataclass(frozen=True)
class PmfInformation:
    """What the variables of a table share, in `unit`.

    Attributes:
        table: p(x_1, .., x_n).
        unit: "nats" or "bits".
        solver: which solver found J.
    """

    table: np.ndarray
    unit: str
    solver: str
    _answer: Answer
    _curve: Curve = field(repr=False)

    @property
    def _scale(self) -> float:
        return UNITS[self.unit]

    @property
    def mutual_information(self) -> float:
        """I(X;Y); for more than two variables total correlation, sum_i H(X_i) - H(X)."""
        return tables.total_correlation(self.table) / self._scale

    @property
    def dual_total_correlation(self) -> float:
        """H(X) - sum_i H(X_i | the others), a lower bound of J; for two variables I(X;Y)."""
        return tables.dual_total_correlation(self.table) / self._scale

    @property
    def gacs_korner(self) -> float:
        """C_GK: entropy of the connected component of the support."""
        return tables.gacs_korner(self.table) / self._scale

    @property
    def entropies(self) -> tuple[float, ...]:
        """H(X_i) of each variable."""
        each = (tables.marginal(self.table, [k]) for k in range(self.table.ndim))
        return tuple(tables.entropy(p) / self._scale for p in each)

    @property
    def wyner(self) -> float:
        """J: the rate of an exact decomposition, so never below the true J but for rounding."""
        return max(self._answer.exact.rate(tables.entropy(self.table)), 0.0) / self._scale

    @property
    def lower_bound(self) -> float:
        """A proven lower bound of J: the largest of C_GK, DTC and, where it is proven, the dual."""
        proven = self._answer.lower / self._scale
        return min(max(proven, self.gacs_korner, self.dual_total_correlation), self.wyner)

    @property
    def dual_estimate(self) -> float:
        """The dual bound, its inner maximum searched and not proven; nan if there are no prices."""
        return self._answer.dual / self._scale

    @property
    def violation(self) -> float:
        """Largest |sum_z p(z) prod_i p(x_i|z) - p(x)| of what the solver returned.

        The penalty solver ends with Gauss-Newton steps on small tables, so that there it is
        rounding as well.
        """
        return float(np.abs(self._answer.found.table - self.table).max())

    @property
    def exact_violation(self) -> float:
        """The same for the decomposition whose rate is `wyner`; rounding."""
        return float(np.abs(self._answer.exact.table - self.table).max())

    @property
    def latent(self) -> Latent:
        """The minimising Z, values of mass below 1e-9 left out."""
        d = self._answer.exact
        order = np.argsort(-d.weights, kind="stable")
        d = d.kept(order[d.weights[order] > 1e-9])
        return Latent(d.weights / d.weights.sum(), d.factors, encoder_of(d))

    def relaxed(self, gamma: float) -> float:
        """C_gamma = min I(X;Z) subject to TC(X|Z) <= gamma, both in `unit`.

        An upper bound that is within 1e-5 nats where convex hulls meet.

        Raises:
            OptionError: gamma is negative.
        """
        check_gamma(gamma, self.unit)
        return self._curve.relaxed(gamma * self._scale) / self._scale

    def lagrangian(self, lam: float) -> Lagrangian:
        """Min over Z of TC(X|Z) + lam I(X;Z), with both parts at the minimum, in `unit`.

        Raises:
            OptionError: lam is not positive.
        """
        check_lam(lam)
        at = self._curve.many([lam])[0]
        return Lagrangian(at.value / self._scale, at.residual / self._scale, at.rate / self._scale)

    def curve(self, lams: Sequence[float] | None = None) -> np.ndarray:
        """Rows (lam, TC(X|Z), I(X;Z)) of the Lagrangian's minima, `(n, 3)`: from J at 0 to none."""
        chosen = np.geomspace(0.02, 1.0, 25) if lams is None else np.asarray(lams, dtype=float)
        s = self._scale
        rows = [[p.lam, p.residual / s, p.rate / s] for p in self._curve.many(chosen)]
        return np.array([[0.0, 0.0, self.wyner], *rows])

    def plot(self) -> Figure:
        """A figure: rate against residual, and p(z), p(x_i|z) of the optimal Z."""
        z = self.latent
        return table_figure(self, z.weights, z.given_z)

    def __str__(self) -> str:
        u, lower, two = self.unit, self.lower_bound, self.table.ndim == 2
        i = "mutual information" if two else "total correlation (more than two variables)"
        how = "Wyner: rate of an exact decomposition, |Z| ="
        rows = [
            ("C_GK", self.gacs_korner, "Gacs-Korner: what a function of each alone agrees on"),
            ("I", self.mutual_information, i),
            ("DTC", self.dual_total_correlation, "dual total correlation"),
            ("J", self.wyner, f"{how} {len(self.latent.weights)}; an upper bound"),
            ("lower bound of J", lower, f"proven; J is known to {self.wyner - lower:.1e} {u}"),
            ("dual estimate", self.dual_estimate, "lower bound by search, not proven"),
        ]
        left_out = {"DTC"} if two else set()
        if not self.dual_estimate > lower + 1e-9:
            left_out.add("dual estimate")
        lines = [f"{n:<17} {v:10.6f} {u}  {what}" for n, v, what in rows if n not in left_out]
        shape, misfit = " x ".join(map(str, self.table.shape)), f"{self.violation:.1e}"
        return "\n".join(
            [
                f"table {shape}",
                *lines,
                f"solver {self.solver}: largest misfit of a cell {misfit}; made exact:"
                f" {self.exact_violation:.1e}",
            ]
        )


def pmf(
    table: Any,
    *,
    unit: str = "nats",
    solver: str = "penalty",
    starts: int = 8,
    components: int | None = None,
    prove: bool | int = True,
    seed: int = 0,
) -> PmfInformation:
    """Common information of a table of probabilities.

    Args:
        table: p(x_1, .., x_n), an axis for each variable, at least two; array, tensor or nested
            lists.
        unit: "nats" or "bits", of every value that comes back and of gamma.
        solver: "penalty" (augmented Lagrangian; prices, dual bounds), "alternating" (section 6.2)
            or "admm" (section 6.3).
        starts: random starts, all computed at once.
        components: values of Z to start with; None for twice as many as always suffice to fit.
        prove: whether to prove the dual bound by branch and bound, where the alphabets are small
            enough; a number says how many cells may be looked at, which True holds to a second
            or so (240,000 of a 6 x 6 table).
        seed: of the starts; equal seeds give equal results on a CPU.

    Returns:
        A record with `.mutual_information`, `.wyner`, `.gacs_korner`, `.lower_bound`, `.violation`,
        `.latent`, `.relaxed(gamma)`, `.lagrangian(lam)`, `.curve()`, `.plot()`; it prints as a
        table.

    Raises:
        DataError: not a table of probabilities.
        OptionError: an unknown unit or solver, no starts, or fewer than no cells.

    Example:
        >>> from wyner import information
        >>> found = information.pmf([[0.45, 0.05], [0.05, 0.45]], unit="bits")
        >>> round(found.wyner, 6), round(found.mutual_information, 6), found.gacs_korner
        (0.872761, 0.531004, 0.0)
    """
    p = tables.checked(table)
    if unit not in UNITS:
        raise OptionError(unknown("unit", unit, UNITS))
    if solver not in SOLVERS:
        raise OptionError(unknown("solver", solver, SOLVERS))
    if prove < 0:
        raise OptionError(f"prove: expected True, False or a number of cells, got {prove}")
    if starts < 1 or (components is not None and components < 1):
        raise OptionError(
            f"starts and components: expected at least 1, got {starts} and {components}"
        )
    effort = Effort(starts=starts, components=components)
    with one_thread():
        answer = solve(p, SOLVERS[solver], effort, np.random.default_rng(seed), prove)
    return PmfInformation(p, unit, solver, answer, Curve(p, answer.exact, starts, seed))
