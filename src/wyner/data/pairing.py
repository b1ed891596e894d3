"""Which picture stands beside which: pairs of indices drawn from labels, a function of the seed."""

from __future__ import annotations

import numpy as np

from wyner.errors import DataError
from wyner.information.discrete.table import entropy


def matched(
    x_labels: np.ndarray,
    y_labels: np.ndarray,
    pairs: int,
    rng: np.random.Generator,
    shift: int = 0,
    classes: int = 10,
) -> tuple[np.ndarray, np.ndarray]:
    """Indices i, j `(pairs,)` with label(y_j) = label(x_i) + shift mod classes.

    x runs through random orders of all its rows, so that each is used equally often; y is uniform
    over the partner class.

    Args:
        x_labels, y_labels: whole numbers from 0 to classes - 1, `(N,)` and `(M,)`.
        pairs: how many.
        rng: where the choice comes from.
        shift: of the label.
        classes: how many.

    Raises:
        DataError: a class of x without a partner in y.
    """
    places = [np.flatnonzero(y_labels == k) for k in range(classes)]
    for k in np.unique(x_labels):
        if not len(places[(int(k) + shift) % classes]):
            raise DataError(
                f"pairs: y has no picture with label {(int(k) + shift) % classes} for x with"
                f" label {k}"
            )
    i = np.concatenate([rng.permutation(len(x_labels)) for _ in range(-(-pairs // len(x_labels)))])[
        :pairs
    ]
    j = np.array([rng.choice(places[(k + shift) % classes]) for k in x_labels[i]])
    return i, j


def in_rounds(
    x_labels: np.ndarray,
    y_labels: np.ndarray,
    rounds: int,
    rng: np.random.Generator,
    shift: int = 0,
    classes: int = 10,
    cap: int = 10_000,
) -> tuple[np.ndarray, np.ndarray]:
    """Indices i, j of pairs in which every picture that is used has `rounds` random partners.

    For each class k: n = min(#x of k, #y of k + shift, cap) pictures of either side; `rounds`
    times, a random permutation of the one beside a random permutation of the other. The protocol of
    the variational Wyner paper (its code; m = 4).

    Args:
        x_labels, y_labels: `(N,)` and `(M,)`.
        rounds: m, partners of each picture.
        rng: where the choice comes from.
        shift: of the label.
        classes: how many.
        cap: pictures a class, at most.

    Raises:
        DataError: no class has pictures on both sides.
    """
    i, j = [], []
    for k in range(classes):
        one, other = (
            np.flatnonzero(x_labels == k),
            np.flatnonzero(y_labels == (k + shift) % classes),
        )
        n = min(len(one), len(other), cap)
        one, other = (rng.permutation(side)[:n] for side in (one, other))
        for _ in range(rounds):
            i.append(rng.permutation(one))
            j.append(rng.permutation(other))
    first, second = np.concatenate(i), np.concatenate(j)
    if not len(first):
        raise DataError(f"pairs: no label of x has a partner with label + {shift} in y")
    order = rng.permutation(len(first))
    return first[order], second[order]


def one_label(labels: np.ndarray) -> dict[str, float]:
    """What is true of pairs that share a label and nothing else, which can be read from each side:
    C_GK = I = J = H(label), in nats.

    Args:
        labels: whole numbers `(N,)`, of the pairs; H is that of their frequencies.
    """
    exact = entropy(np.bincount(np.asarray(labels).astype(np.int64)) / len(labels))
    return {"common_information": exact, "mutual_information": exact, "gacs_korner": exact}
