"""Common information of a table of probabilities, of any alphabets and any number of variables,
solved numerically.

    C_GK = H(component)        the most that functions of each variable alone agree on
                               (Gacs and Korner 1973)
    J    = min I(X;Z)          over Z that makes the variables independent
         (Wyner 1975)
    C_g  = min I(X;Z)          over Z with TC(X|Z) <= g
         (relaxed; C_0 = J)
    L_l  = min TC(X|Z) + l I(X;Z)
         (Lagrangian)

X is all variables together; TC is total correlation, for two variables mutual information.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wyner.errors import OptionError, unknown
from wyner.information.discrete.curve import Curve
from wyner.information.discrete.relaxed import encoder_of
from wyner.information.discrete.search import Effort
from wyner.information.discrete.solve import SOLVERS, Answer, solve
from wyner.information.discrete.table import (
    checked,
    dual_total_correlation,
    entropy,
    gacs_korner,
    marginal,
    total_correlation,
)
from wyner.information.gaussian import Lagrangian

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
        return total_correlation(self.table) / self._scale

    @property
    def dual_total_correlation(self) -> float:
        """H(X) - sum_i H(X_i | the others), a lower bound of J; for two variables I(X;Y)."""
        return dual_total_correlation(self.table) / self._scale

    @property
    def gacs_korner(self) -> float:
        """C_GK: entropy of the connected component of the support."""
        return gacs_korner(self.table) / self._scale

    @property
    def entropies(self) -> tuple[float, ...]:
        """H(X_i) of each variable."""
        return tuple(
            entropy(marginal(self.table, [k])) / self._scale for k in range(self.table.ndim)
        )

    @property
    def wyner(self) -> float:
        """J: the rate of an exact decomposition of the table, so never below the true J by more
        than rounding.
        """
        return max(self._answer.exact.rate(entropy(self.table)), 0.0) / self._scale

    @property
    def lower_bound(self) -> float:
        """A proven lower bound of J: the largest of C_GK, dual total correlation and, where a proof
        is feasible, the dual.
        """
        return min(
            max(self._answer.lower / self._scale, self.gacs_korner, self.dual_total_correlation),
            self.wyner,
        )

    @property
    def dual_estimate(self) -> float:
        """The dual bound with its inner maximum searched from many starts; no proof. nan if the
        solver has no prices.
        """
        return self._answer.dual / self._scale

    @property
    def violation(self) -> float:
        """Largest |sum_z p(z) prod_i p(x_i|z) - p(x)| of what the solver returned, before it was
        made exact.

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
        """C_gamma = min I(X;Z) subject to TC(X|Z) <= gamma, both in `unit`; an upper bound that is
        within 1e-5 nats where convex hulls meet.

        Raises:
            OptionError: gamma is negative.
        """
        if not gamma >= 0:
            raise OptionError(f"gamma: expected a number of {self.unit} from 0 up, got {gamma}")
        return self._curve.relaxed(gamma * self._scale) / self._scale

    def lagrangian(self, lam: float) -> Lagrangian:
        """Min over Z of TC(X|Z) + lam I(X;Z), with both parts at the minimum.

        Raises:
            OptionError: lam is not positive.
        """
        if not lam > 0:
            raise OptionError(
                f"lam: expected a positive number (at 0 the rate is not identified), got {lam}"
            )
        at = self._curve.at(lam)
        return Lagrangian(at.value / self._scale, at.residual / self._scale, at.rate / self._scale)

    def curve(self, lams: Sequence[float] | None = None) -> np.ndarray:
        """Rows (lam, TC(X|Z), I(X;Z)) of the Lagrangian's minima, from J at lam = 0 to nothing at
        lam = 1. `(n, 3)`.
        """
        chosen = np.geomspace(0.02, 1.0, 25) if lams is None else np.asarray(lams, dtype=float)
        rows = [
            [p.lam, p.residual / self._scale, p.rate / self._scale]
            for p in self._curve.many(chosen)
        ]
        return np.array([[0.0, 0.0, self.wyner], *rows])

    def plot(self) -> Figure:
        """A figure: rate against residual, and p(z), p(x_i|z) of the optimal Z."""
        from wyner.information.pictures import table_figure

        return table_figure(self)

    def __str__(self) -> str:
        two, u = self.table.ndim == 2, self.unit
        shape = " x ".join(map(str, self.table.shape))
        gap = self.wyner - self.lower_bound
        rows = [
            ("C_GK", self.gacs_korner, "Gacs-Korner: what a function of each alone agrees on"),
            (
                "I",
                self.mutual_information,
                "mutual information" if two else "total correlation (more than two variables)",
            ),
            *([] if two else [("DTC", self.dual_total_correlation, "dual total correlation")]),
            (
                "J",
                self.wyner,
                (
                    f"Wyner: rate of an exact decomposition, |Z| = {len(self.latent.weights)}; an"
                    " upper bound"
                ),
            ),
            ("lower bound of J", self.lower_bound, f"proven; J is known to {gap:.1e} {u}"),
        ]
        if not math.isnan(self.dual_estimate) and self.dual_estimate > self.lower_bound + 1e-9:
            rows.append(("dual estimate", self.dual_estimate, "lower bound by search, not proven"))
        lines = [f"{name:<17} {value:10.6f} {u}  {what}" for name, value, what in rows]
        found = (
            f"solver {self.solver}: largest misfit of a cell {self.violation:.1e}; made exact:"
            f" {self.exact_violation:.1e}"
        )
        return "\n".join([f"table {shape}", *lines, found])


def pmf(
    table: Any,
    *,
    unit: str = "nats",
    solver: str = "penalty",
    starts: int = 8,
    components: int | None = None,
    prove: bool = True,
    seed: int = 0,
    device: str = "cpu",
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
            enough.
        seed: of the starts; equal seeds give equal results on a CPU.
        device: where the starts are computed.

    Returns:
        A record with `.mutual_information`, `.wyner`, `.gacs_korner`, `.lower_bound`, `.violation`,
        `.latent`, `.relaxed(gamma)`, `.lagrangian(lam)`, `.curve()`, `.plot()`; it prints as a
        table.

    Raises:
        DataError: not a table of probabilities.
        OptionError: an unknown unit or solver, or no starts.

    Example:
        >>> from wyner import information
        >>> found = information.pmf([[0.45, 0.05], [0.05, 0.45]], unit="bits")
        >>> round(found.wyner, 6), round(found.mutual_information, 6), found.gacs_korner
        (0.872761, 0.531004, 0.0)
    """
    p = checked(table)
    if unit not in UNITS:
        raise OptionError(unknown("unit", unit, UNITS))
    if solver not in SOLVERS:
        raise OptionError(unknown("solver", solver, SOLVERS))
    if starts < 1 or (components is not None and components < 1):
        raise OptionError(
            f"starts and components: expected at least 1, got {starts} and {components}"
        )
    effort = Effort(starts=starts, components=components, device=device)
    answer = solve(p, SOLVERS[solver], effort, np.random.default_rng(seed), prove)
    return PmfInformation(p, unit, solver, answer, Curve(p, answer.exact, starts, seed, device))
