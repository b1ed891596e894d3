"""What several views have in common under a linear Gaussian model, in closed form and regularised.

    x_i = m_i + s_i (W_i z + V_i u_i + e_i),   z ~ N(0, I),   u_i ~ N(0, I),   e_i ~ N(0, Psi_i)

for views i = 1..M, columns standardised by m and s. With C the correlations of the views whitened
by (S_ii + rho_i I)^{-1/2}, z is probabilistic canonical correlation analysis (Bach and Jordan 2005)
with ridges: C_ij ~ L_i L_j^T for i != j, W_i = (S_ii + rho_i I)^{1/2} L_i, and

    E[z|x_i] = L_i^T (S_ii + rho_i I)^{-1/2} x_i

so that E[x_j|x_i] is the ridge regression of x_j on x_i, cut to the rank of z. What z leaves of a
view is its principal components, u_i, and noise (Tipping and Bishop 1999). Views that rows lack are
left out of the moments, pair by pair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import torch
import torch.nn.functional as F
from torch import Tensor

from wyner.seeds import SPLIT, forked, mix

RIDGES = tuple(10 ** (k / 2) for k in range(-6, 7))
"""Ridges to choose among, on the scale of columns of variance 1."""
FOLDS = 5
"""Parts of the rows that take turns in choosing the ridges."""
MOST = 300
"""Columns of a view that are kept as they are; of more, their principal components."""
METRICS = (0.0, 1.0, 10.0, 1e3)
"""What is added to the covariances of views before they are whitened, besides their ridges."""
WIDE = 200
"""Columns of three views or more from which the metric is not chosen, but 1."""
ROUNDS = 30
"""Of the least squares for three views or more; two have a closed form."""
CLOSEST = 0.999
"""Largest canonical correlation."""
SMALLEST = 0.01
"""Smallest share of a column's variance that is left to its noise."""


@dataclass(frozen=True)
class Private:
    """What a view has besides z: loadings `(d, l)` and noise `(d,)` of standardised columns.

    Attributes:
        loadings: V, rotated so that V^T Psi^{-1} V is diagonal.
        noise: Psi.
        precision: 1 + diag(V^T Psi^{-1} V), of u given z and x, `(l,)`.
        reader: E[u|z,x] = reader (x - W z), `(l, d)`.
    """

    loadings: Tensor
    noise: Tensor
    precision: Tensor
    reader: Tensor


@dataclass(frozen=True)
class View:
    """One view of the common factors, in standardised columns.

    Attributes:
        mean, scale: of the raw columns, `(d,)`.
        ridge: rho, chosen on rows that are set aside.
        loadings: W, `(d, k)`.
        reader: E[z|x] = reader x, `(k, d)`.
        shared: G = L^T L, the share of each direction of z that the view shows, `(k, k)`.
        residual: what z leaves of the covariance of the kept coordinates, `(p, p)`.
        basis: kept coordinates, `(d, p)`.
        variance: of the columns, `(d,)`; 1, or 0 of a column that never changes.
    """

    mean: Tensor
    scale: Tensor
    ridge: float
    loadings: Tensor
    reader: Tensor
    shared: Tensor
    residual: Tensor
    basis: Tensor
    variance: Tensor

    @property
    def information(self) -> Tensor:
        """J = G (I - G)^{-1}, what the view adds to the precision of z, `(k, k)`."""
        eye = torch.eye(len(self.shared), dtype=self.shared.dtype)
        return torch.linalg.solve(eye - self.shared, self.shared)

    def private(self, size: int, noise: Tensor | None = None) -> Private:
        """The principal components of what z leaves, at most `size`, and the noise.

        Args:
            size: of u; components that there are not have loadings 0.
            noise: variances of standardised columns, `(d,)`, if they are not free.
        """
        d, b = len(self.mean), self.basis
        if noise is not None:  # components of the columns on the scale of their noise
            root = noise.sqrt()
            inner = b.T / root
            values, vectors = torch.linalg.eigh(inner.T @ self.residual @ inner)
            values, vectors = values.flip(0)[:size], vectors.flip(1)[:, :size]
            loadings = root[:, None] * vectors * (values - 1).clamp_min(0).sqrt()
        else:
            values, vectors = torch.linalg.eigh(self.residual)
            values, vectors = values.flip(0).clamp_min(0), b @ vectors.flip(1)
            kept = min(size, max(0, len(values) - 1))
            left = self.variance.sum() - self.loadings.square().sum() - values[:kept].sum()
            floor = (left / max(1, d - kept)).clamp_min(0)
            loadings = vectors[:, :kept] * (values[:kept] - floor).clamp_min(0).sqrt()
            explained = self.loadings.square().sum(1) + loadings.square().sum(1)
            noise = (self.variance - explained).clamp_min(SMALLEST)
        loadings = F.pad(loadings, (0, size - loadings.shape[1]))
        strength, turn = torch.linalg.eigh(loadings.T @ (loadings / noise[:, None]))
        loadings, precision = loadings @ turn, 1 + strength.clamp_min(0)
        return Private(
            loadings, noise, precision, (loadings / noise[:, None]).T / precision[:, None]
        )


def posterior(views: Sequence[View]) -> tuple[list[Tensor], Tensor]:
    """E[z|x_S] as a matrix for each view of S, `(k, d)`, and the precision of z, `(k, k)`.

    P = I + sum_i J_i,   E[z|x_S] = P^{-1} sum_i (I - G_i)^{-1} reader_i x_i
    """
    k = len(views[0].shared)
    eye = torch.eye(k, dtype=views[0].shared.dtype)
    precision = eye + sum((v.information for v in views), start=torch.zeros_like(eye))
    read = lambda v: torch.linalg.solve(precision, torch.linalg.solve(eye - v.shared, v.reader))
    return [read(v) for v in views], precision


def common_factors(
    values: Mapping[str, Tensor], masks: Mapping[str, Tensor] | None, size: int, seed: int = 0
) -> dict[str, View]:
    """The regularised common factors of two views or more.

    Args:
        values: rows by view, `(N, d)`.
        masks: 1 where a row has the view, `(N,)`, or the cell, `(N, d)`; None if all have all.
        size: of z.
        seed: of the parts of the rows that choose the ridges.
    """
    names = list(values)
    means, scales, bases, kept, there = {}, {}, {}, {}, {}
    for name in names:
        x = values[name].double()
        m = torch.ones_like(x) if masks is None else masks[name].double().reshape(len(x), -1)
        m = m.expand_as(x)
        count = m.sum(0).clamp_min(1)
        means[name] = (x * m).sum(0) / count
        x = (x - means[name]) * m
        deviation = (x.square().sum(0) / count).sqrt()
        constant = deviation <= 1e-12 * means[name].abs().clamp_min(1)
        scales[name] = torch.where(constant, 1.0, deviation)
        x = torch.where(constant, 0.0, x / scales[name])
        if x.shape[1] > MOST:
            with forked(mix(seed, SPLIT, 2)):
                bases[name] = torch.svd_lowrank(x, min(MOST, *x.shape), niter=3)[2]
            x, m = x @ bases[name], m.mean(1, keepdim=True).round()
        else:
            bases[name] = torch.eye(x.shape[1], dtype=x.dtype)
        kept[name], there[name] = x, m.expand_as(x)
    whole, parts, cuts = _moments(kept, there, seed)
    turns = [((whole - part).covariance, part.covariance) for part in parts]
    ridges = {a: _ridge(turns, cuts, a) for a in names}
    metric = _metric(turns, cuts, ridges, size)
    s = whole.covariance
    sides = _sides(s, cuts, ridges, metric, size)
    return _views(s, cuts, ridges, sides, (means, scales, bases))


@dataclass(frozen=True)
class _Sums:
    """Sums of products of two columns, `(D, D)`, and over how many rows."""

    products: Tensor
    counts: Tensor

    def __sub__(self, other: _Sums) -> _Sums:
        return _Sums(self.products - other.products, self.counts - other.counts)

    @property
    def covariance(self) -> Tensor:
        return self.products / self.counts.clamp_min(1)


def _moments(
    kept: Mapping[str, Tensor], there: Mapping[str, Tensor], seed: int
) -> tuple[_Sums, list[_Sums], dict[str, slice]]:
    """Moments of all rows, of each part of them, and the place of every view."""
    x, m = torch.cat(list(kept.values()), 1), torch.cat(list(there.values()), 1)
    cuts, at = {}, 0
    for name, value in kept.items():
        cuts[name] = slice(at, at := at + value.shape[1])
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(mix(seed, SPLIT, 1)))
    make = lambda i: _Sums(x[i].T @ x[i], m[i].T @ m[i])
    return make(order), [make(part) for part in order.chunk(FOLDS)], cuts


Turns = Sequence[tuple[Tensor, Tensor]]
"""Covariances of the rows to learn from and of those set aside, `(D, D)`, part by part."""


def _ridge(turns: Turns, cuts: Mapping[str, slice], name: str) -> float:
    """The ridge with which a view predicts all the others best, on parts that take turns."""
    a = cuts[name]
    rest = torch.cat([torch.arange(c.start, c.stop) for n, c in cuts.items() if n != name])
    error = torch.zeros(len(RIDGES), dtype=torch.float64)
    for s, t in turns:
        values, vectors = torch.linalg.eigh(s[a, a])
        cross, held_cross = vectors.T @ s[a][:, rest], vectors.T @ t[a][:, rest]
        own = vectors.T @ t[a, a] @ vectors
        for i, ridge in enumerate(RIDGES):
            map_ = cross / (values.clamp_min(0) + ridge)[:, None]
            error[i] += (map_ * (own @ map_)).sum() - 2 * (map_ * held_cross).sum()
    return RIDGES[int(error.argmin())]


def _root(s: Tensor, ridge: float, power: float) -> Tensor:
    """(S + ridge I)^power."""
    values, vectors = torch.linalg.eigh(s)
    return (vectors * (values.clamp_min(0) + ridge) ** power) @ vectors.T


def _shared(
    s: Tensor, cuts: Mapping[str, slice], ridges: Mapping[str, float], metric: float, size: int
) -> list[Tensor]:
    """W_i `(p_i, size)` with S_ij ~ W_i W_j^T for i != j, nearest where views are whitened by
    S_ii + max(ridge_i, metric) I: canonical correlations at 0, covariances far above.
    """
    wide = {name: max(ridge, metric) for name, ridge in ridges.items()}
    inverse = torch.block_diag(*(_root(s[c, c], wide[n], -0.5) for n, c in cuts.items()))
    white = inverse @ s @ inverse
    for cut in cuts.values():
        white[cut, cut] = torch.eye(cut.stop - cut.start, dtype=s.dtype)
    found = _factorised(white, list(cuts.values()), size)
    roots = [_root(s[c, c], wide[n], 0.5) for n, c in cuts.items()]
    return [root @ side for root, side in zip(roots, found, strict=True)]


def _metric(
    turns: Turns, cuts: Mapping[str, slice], ridges: Mapping[str, float], size: int
) -> float:
    """The metric in which z lets views predict each other best on parts set aside."""
    if len(cuts) > 2 and sum(c.stop - c.start for c in cuts.values()) > WIDE:
        return METRICS[1]
    error = torch.zeros(len(METRICS), dtype=torch.float64)
    for s, t in turns:
        inverses = {a: _root(s[c, c], ridges[a], -1) for a, c in cuts.items()}
        for i, metric in enumerate(METRICS):
            sides = dict(zip(cuts, _shared(s, cuts, ridges, metric, size), strict=True))
            for a, b in permutations(cuts, 2):
                read = inverses[a] @ sides[a]
                own = read.T @ t[cuts[a], cuts[a]] @ read
                error[i] += (own * (sides[b].T @ sides[b])).sum()
                error[i] -= 2 * (sides[b] * (t[cuts[b], cuts[a]] @ read)).sum()
    return METRICS[int(error.argmin())]


def _sides(
    s: Tensor, cuts: Mapping[str, slice], ridges: Mapping[str, float], metric: float, size: int
) -> list[Tensor]:
    """L_i = (S_ii + rho_i I)^{-1/2} W_i, in canonical coordinates."""
    inverses = [_root(s[c, c], ridges[n], -0.5) for n, c in cuts.items()]
    shared = _shared(s, cuts, ridges, metric, size)
    sides = [inverse @ w for inverse, w in zip(inverses, shared, strict=True)]
    if len(sides) > 2:
        return _turned(sides)
    return _canonical(sides[0] @ sides[1].T, size)


def _canonical(c: Tensor, size: int) -> list[Tensor]:
    """L_1, L_2 with C ~ L_1 L_2^T and equal, diagonal L_i^T L_i."""
    p, r, q = torch.linalg.svd(c, full_matrices=False)
    root = r[:size].clamp_max(CLOSEST).sqrt()
    pair = p[:, :size] * root, q.T[:, :size] * root
    return [F.pad(side, (0, size - len(root))) for side in pair]


def _turned(sides: Sequence[Tensor]) -> list[Tensor]:
    """The same factors, below CLOSEST, in coordinates in which the sum of all J_i is diagonal."""
    below = []
    for side in sides:
        p, r, q = torch.linalg.svd(side, full_matrices=False)
        below.append((p * r.clamp_max(CLOSEST**0.5)) @ q)
    eye = torch.eye(below[0].shape[1], dtype=below[0].dtype)
    shares = [side.T @ side for side in below]
    _, turn = torch.linalg.eigh(sum((torch.linalg.solve(eye - g, g) for g in shares), 0 * eye))
    return [side @ turn.flip(1) for side in below]


def _views(
    s: Tensor,
    cuts: Mapping[str, slice],
    ridges: Mapping[str, float],
    sides: Sequence[Tensor],
    columns: tuple[Mapping[str, Tensor], Mapping[str, Tensor], Mapping[str, Tensor]],
) -> dict[str, View]:
    found, (means, scales, bases) = {}, columns
    for (name, cut), side in zip(cuts.items(), sides, strict=True):
        basis, own = bases[name], s[cut, cut]
        w = _root(own, ridges[name], 0.5) @ side
        found[name] = View(
            means[name],
            scales[name],
            ridges[name],
            basis @ w,
            side.T @ _root(own, ridges[name], -0.5) @ basis.T,
            side.T @ side,
            own - w @ w.T,
            basis,
            (basis @ own * basis).sum(1),
        )
    return found


def _factorised(c: Tensor, cuts: Sequence[slice], size: int) -> list[Tensor]:
    """L_i `(p_i, size)` with C_ij ~ L_i L_j^T for i != j, of matrices with identities C_ii."""
    if len(cuts) == 2:
        return _canonical(c[cuts[0], cuts[1]], size)
    m, k = len(cuts), min(size, len(c))
    values, vectors = torch.linalg.eigh(c)
    whole = vectors[:, -k:] * ((values[-k:] - 1).clamp_min(0) * m / (m - 1)).sqrt()
    for _ in range(ROUNDS):  # least squares: what z explains of each view stands in its own block
        filled = c.clone()
        for cut in cuts:
            filled[cut, cut] = whole[cut] @ whole[cut].T
        values, vectors = torch.linalg.eigh(filled)
        whole = vectors[:, -k:] * values[-k:].clamp_min(0).sqrt()
    return [F.pad(whole[cut], (0, size - k)) for cut in cuts]
