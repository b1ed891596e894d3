"""Canonical correlation analysis, the linear baseline of retrieval, in closed form.

    max_{a,b}  a' C_xy b   subject to   a' (C_xx + r I) a = b' (C_yy + r I) b = 1

With K = (C_xx + r I)^(-1/2) C_xy (C_yy + r I)^(-1/2) = U S V', the projections are (C_xx + r
I)^(-1/2) U and (C_yy + r I)^(-1/2) V.
Rows that share a label are all pairs of each other: C_xy is the covariance of the class means.
    Hotelling 1936; the ridge: Vinod 1976.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wyner.errors import DataError, OptionError


@dataclass(frozen=True)
class Principal:
    """The leading principal components of rows, scaled together so that their mean variance is
    1.
    """

    mean: np.ndarray
    map: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray, components: int, standardise: bool = False) -> Principal:
        """Fits at most so many components.

        Args:
            rows: `(N, *event)`.
            components: at most; fewer if there are fewer rows or coordinates.
            standardise: give each coordinate variance 1 first.
        """
        flat = rows.reshape(len(rows), -1).astype(np.float64)
        mean, scale = flat.mean(0), flat.std(0) if standardise else np.ones(flat.shape[1])
        scale = np.where(scale > 1e-8, scale, 1.0)
        _, s, v = np.linalg.svd((flat - mean) / scale, full_matrices=False)
        keep = min(components, int((s > 1e-9 * s[0]).sum()))
        variance = float((s[:keep] ** 2).mean()) / len(flat)
        return cls(mean, (v[:keep] / scale).T / np.sqrt(variance))

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Components `(N, k)`, float32."""
        return ((rows.reshape(len(rows), -1) - self.mean) @ self.map).astype(np.float32)


@dataclass(frozen=True)
class CCA:
    """Means, projections and canonical correlations."""

    x_mean: np.ndarray
    y_mean: np.ndarray
    x_map: np.ndarray
    y_map: np.ndarray
    correlations: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, labels: np.ndarray, size: int, ridge: float) -> CCA:
        """Fits to rows `(N, d)` and `(N, e)` of which those with the same label belong together.

        Args:
            x, y, labels: rows of a pair side by side; other rows of the same label are partners as
                well.
            size: canonical directions, at most min(d, e).
            ridge: r, in units of the mean variance of a coordinate of either side.

        Raises:
            OptionError: too many directions, or a negative ridge. DataError: one label only.
        """
        if not 1 <= size <= min(x.shape[1], y.shape[1]) or ridge < 0:
            raise OptionError(
                f"CCA: expected 1 to {min(x.shape[1], y.shape[1])} directions and a ridge from 0"
                f" up, got {size}, {ridge}"
            )
        kinds, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
        if len(kinds) < 2:
            raise DataError("CCA needs rows of at least two labels")
        a, b = x.astype(np.float64), y.astype(np.float64)
        mean_a, mean_b = a.mean(0), b.mean(0)
        sums = lambda rows: np.stack(
            [np.bincount(place, rows[:, i]) for i in range(rows.shape[1])], 1
        )
        ca, cb = sums(a - mean_a) / counts[:, None], sums(b - mean_b) / counts[:, None]
        cross = (ca * (counts / len(labels))[:, None]).T @ cb
        wa, wb = _inverse_root(a - mean_a, ridge), _inverse_root(b - mean_b, ridge)
        u, s, v = np.linalg.svd(wa @ cross @ wb)
        return cls(mean_a, mean_b, wa @ u[:, :size], wb @ v[:size].T, s[:size])

    def codes(self, side: str, rows: np.ndarray) -> np.ndarray:
        """Codes `(N, size)` of rows of "x" or "y"."""
        mean, map_ = (self.x_mean, self.x_map) if side == "x" else (self.y_mean, self.y_map)
        return (rows - mean) @ map_


@dataclass(frozen=True)
class Linear:
    """CCA of the principal components of both sides: a model that can be searched by."""

    parts: Mapping[str, Principal]
    cca: CCA

    def codes(self, side: str, rows: np.ndarray) -> np.ndarray:
        """Codes `(N, size)` of rows of "x" or "y"; pictures uint8 are scaled to [0, 1]."""
        return self.cca.codes(side, self.parts[side](unit(rows)))

    def tensors(self) -> dict[str, Tensor]:
        """Everything that it is made of, by name."""
        found = {f"{k}.{n}": v for k, p in self.parts.items() for n, v in vars(p).items()}
        found |= {f"cca.{n}": v for n, v in vars(self.cca).items()}
        return {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in found.items()}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Linear:
        """The inverse of `tensors`."""
        part = lambda name: {
            k.removeprefix(f"{name}."): v.numpy() for k, v in tensors.items() if k.startswith(name)
        }
        return cls({k: Principal(**part(k)) for k in ("x", "y")}, CCA(**part("cca")))


def unit(rows: np.ndarray) -> np.ndarray:
    """Pictures uint8 as float32 in [0, 1]; other rows as they are."""
    return rows.astype(np.float32) / 255 if rows.dtype == np.uint8 else rows


def _inverse_root(centred: np.ndarray, ridge: float) -> np.ndarray:
    """(C + r I)^(-1/2), r in units of the mean variance; directions without variance are left out
    if r = 0.
    """
    covariance = centred.T @ centred / len(centred)
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, 0) + ridge * float(np.trace(covariance)) / len(covariance)
    root = np.where(values > 1e-10 * values.max(), 1 / np.sqrt(np.maximum(values, 1e-300)), 0.0)
    return (vectors * root) @ vectors.T
