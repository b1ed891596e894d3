"""Frechet distance between Gaussians fitted to features. Specification of metrics, section 2.

    d^2 = |m1 - m2|^2 + tr( S1 + S2 - 2 (S1 S2)^{1/2} )

Features come from an autoencoder of the data (`wyner.metrics.features`), or from any other function
of pictures. Values of different feature extractors do not compare.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from wyner.errors import DataError, ShapeError
from wyner.metrics.checks import finite


@dataclass(frozen=True)
class Moments:
    """Mean `(d,)` and covariance `(d, d)` of features, float64; the covariance divides by n - 1."""

    mean: Tensor
    covariance: Tensor
    count: int


def moments(features: Tensor, block: int = 4096) -> Moments:
    """Moments of features `(N, d)`; memory stays at d^2 and a block of rows.

    Raises:
        ShapeError: no table. DataError: fewer than two rows, or numbers that are not finite.
    """
    if features.ndim != 2:
        raise ShapeError(f"features: expected shape (rows, numbers), got {tuple(features.shape)}")
    if len(features) < 2:
        raise DataError(f"features: expected at least 2 rows for a covariance, got {len(features)}")
    d, parts = features.shape[1], finite(features, "features").split(block)
    mean = torch.stack([b.double().sum(0) for b in parts]).sum(0) / len(features)
    scatter = torch.zeros(d, d, dtype=torch.float64, device=features.device)
    for b in parts:
        centred = b.double() - mean
        scatter += centred.T @ centred
    finite(scatter, "features: squares")
    return Moments(mean, scatter / (len(features) - 1), len(features))


def frechet_distance(a: Moments, b: Moments) -> float:
    """Squared Frechet (2-Wasserstein) distance of two Gaussians, in squared units of the features.

    tr (S1 S2)^{1/2} is the sum of the square roots of the eigenvalues of S1^{1/2} S2 S1^{1/2},
    which is symmetric; no square root of an unsymmetric matrix is taken, and singular covariances
    (fewer rows than features) need no care. At least 0.

    Raises:
        ShapeError: other numbers of features.
    """
    if a.mean.shape != b.mean.shape:
        raise ShapeError(
            f"features: expected the same number on both sides, got {len(a.mean)} and {len(b.mean)}"
        )
    values, vectors = torch.linalg.eigh(a.covariance)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ b.covariance.to(root) @ root).clamp_min(0).sqrt().sum()
    shift = (a.mean - b.mean.to(a.mean)).square().sum()
    total = shift + a.covariance.trace() + b.covariance.trace().to(shift) - 2 * cross
    return max(0.0, float(total))


def frechet(samples: Tensor, reference: Tensor) -> float:
    """`frechet_distance` of the Gaussians fitted to two tables of features, `(N, d)`, `(M, d)`."""
    return frechet_distance(moments(samples), moments(reference))


def joint_frechet(samples: Mapping[str, Tensor], reference: Mapping[str, Tensor]) -> float:
    """The same for pairs: features of the modalities side by side, `{modality: (N, d_k)}`.

    Raises:
        ShapeError: other modalities, or other numbers of rows on one side.
    """
    if set(samples) != set(reference):
        raise ShapeError(
            f"expected features of {', '.join(sorted(reference))}, got {', '.join(sorted(samples))}"
        )
    sides = []
    for side in (samples, reference):
        if len({len(v) for v in side.values()}) > 1:
            counts = ", ".join(f"{len(v)} of {k}" for k, v in side.items())
            raise ShapeError(f"expected as many rows of every modality, got {counts}")
        sides.append(torch.cat([side[k] for k in sorted(reference)], 1))
    return frechet(*sides)


def conditional_frechet(
    samples: Tensor, labels: Tensor, reference: Tensor, reference_labels: Tensor
) -> float:
    """Mean over conditions of the distance of its samples from references with the label asked for.

    Args:
        samples: features `(C, n, d)` of n samples for each of C conditions (n = 2048, C = 320 in
            the paper).
        labels: `(C,)`, the label that samples of a condition should have.
        reference: features `(M, d)` of training pictures.
        reference_labels: `(M,)`.

    Raises:
        DataError: a label without references.
    """
    if samples.ndim != 3 or len(labels) != len(samples) or len(reference) != len(reference_labels):
        raise ShapeError(
            "expected samples (conditions, n, numbers), a label for each condition and each"
            f" reference; got {tuple(samples.shape)}, {len(labels)} labels, {len(reference)}"
            f" references and {len(reference_labels)} labels"
        )
    known: dict[float, Moments] = {}
    for k in labels.unique().tolist():
        chosen = reference[(reference_labels == k).to(reference.device)]
        if len(chosen) < 2:
            raise DataError(
                f"reference: expected at least 2 pictures with label {k}, got {len(chosen)}"
            )
        known[k] = moments(chosen)
    pairs = zip(samples, labels.tolist(), strict=True)
    each = [frechet_distance(known[k], moments(own)) for own, k in pairs]
    return sum(each) / len(each)
