"""A lower bound of J that noise in a table moves little: the Lagrangian at a price. Nats.

    L_lam / lam = min_Z [ I(X,Y;Z) + I(X;Y|Z) / lam ]  <=  J

since the Z of J has I(X;Y|Z) = 0. Exact where a common function carries everything (then L_lam =
lam H(W)); for a Gaussian pair of correlation r > lam short of J by artanh(lam) + log(1 - lam^2) /
(2 lam), about lam/2. J itself demands that every cell be fitted exactly, chance included, and a
large empirical table has a J far above that of its source.
"""

from __future__ import annotations

import numpy as np

from wyner.information.discrete.alternating import fixed_point
from wyner.information.discrete.decomposition import softmax
from wyner.information.discrete.relaxed import Compression
from wyner.information.discrete.table import total_correlation

PRICE, STARTS, STEPS, LEVELS = 0.1, 6, 400, 16


def bound(p: np.ndarray, price: float = PRICE, seed: int = 0) -> float:
    """L_lam / lam of a table of probabilities `(kx, ky)`, at least I(X;Y), in nats.

    By the fixed point of section 6.2 of the specification at g = 1/lam, the best of some random
    starts.

    Args:
        p: sum 1.
        price: lam in (0, 1).
        seed: of the starts.
    """
    p = p[p.sum(1) > 0][:, p.sum(0) > 0]
    if min(p.shape) < 2:
        return 0.0
    levels = min(LEVELS, p.size)
    logits = 2 * np.random.default_rng(seed).normal(size=(STARTS, levels, *p.shape))
    e = fixed_point(softmax(logits, 1)[0], p, 1 / price, STEPS, 1e-7)
    left, rate, *_ = Compression(p, levels, np.ones(STARTS)).measures(e)
    return max(total_correlation(p), float((rate + left.clip(0) / price).min()))
