"""Linear Gaussian sequences with a global and a local cause, and exact values of everything that a
sequence model estimates.

    z ~ N(0, I),    s_t = A s_{t-1} + N(0, q^2 I),  s_0 = 0,    x_t = B s_t + C z + N(0, r^2 I)

All variables are jointly Gaussian, also under an encoder that is affine with fixed variances, so
every term of [CMI] is a log-determinant in float64: specification of sequence models, sections 1
and 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from wyner.data.dataset import PARTS, Dataset
from wyner.errors import OptionError
from wyner.seeds import DATA, mix
from wyner.variables import Sequence


@dataclass(frozen=True)
class Process:
    """The law p(z) p(s) p(x|s,z): A `(ds, ds)`, B `(dx, ds)`, C `(dx, dz)`, standard deviations q
    and r, T steps.
    """

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    q: float
    r: float
    steps: int

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Coordinates of x, z and s over all steps."""
        return self.steps * self.b.shape[0], self.c.shape[1], self.steps * self.a.shape[0]

    @property
    def local(self) -> np.ndarray:
        """Covariance of s over all steps, step by step, `(T ds, T ds)`."""
        t, n = self.steps, len(self.a)
        forward = np.eye(t * n)
        for k in range(1, t):
            forward[k * n : (k + 1) * n] += self.a @ forward[(k - 1) * n : k * n]
        return self.q**2 * forward @ forward.T

    def covariance(self) -> np.ndarray:
        """Covariance of (x, z, s) under p."""
        x, z, s = self.sizes
        out = np.kron(np.eye(self.steps), self.b), np.kron(np.ones((self.steps, 1)), self.c)
        causes = np.zeros((z + s, z + s))
        causes[:z, :z], causes[z:, z:] = np.eye(z), self.local
        mixing = np.hstack([out[1], out[0]])
        cross = mixing @ causes
        return np.block([[cross @ mixing.T + self.r**2 * np.eye(x), cross], [cross.T, causes]])

    def posterior(self) -> Representation:
        """The affine encoder with means of p(z|x) and p(s|x,z) and the best independent variances:
        what a perfect DSAE learns.

        A Gaussian with precision P is nearest, in KL(q||p), to independent ones of variances
        1/P_jj.
        """
        nx, nz, ns = self.sizes
        full = self.covariance()
        x, xz = np.arange(nx), np.arange(nx + nz)
        z, s = np.arange(nx, nx + nz), np.arange(nx + nz, nx + nz + ns)
        w, vz = _regressed(full, z, x)
        u, vs = _regressed(full, s, xz)
        return Representation(w, vz, u[:, :nx], u[:, nx:], vs)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """X `(n, T, dx)`, z `(n, dz)` and s `(n, T, ds)`."""
        z = rng.standard_normal((n, self.c.shape[1]))
        s = np.zeros((n, self.steps, len(self.a)))
        for t in range(self.steps):
            s[:, t] = (s[:, t - 1] @ self.a.T if t else 0) + self.q * rng.standard_normal(
                (n, len(self.a))
            )
        noise = self.r * rng.standard_normal((n, self.steps, len(self.b)))
        return s @ self.b.T + (z @ self.c.T)[:, None] + noise, z, s


@dataclass(frozen=True)
class Representation:
    """An affine encoder: z = W x + N(0, diag vz), s = U x + V z + N(0, diag vs), sequences
    flattened step by step.
    """

    w: np.ndarray
    vz: np.ndarray
    u: np.ndarray
    v: np.ndarray
    vs: np.ndarray

    def leaky(self, share: float) -> Representation:
        """The same with `share` of the first coordinates of z added to every s: I(z;s) > 0."""
        leak = np.zeros_like(self.v)
        leak[np.arange(len(leak)), np.arange(len(leak)) % leak.shape[1]] = share
        return Representation(self.w, self.vz, self.u, self.v + leak, self.vs)

    def covariance(self, x: np.ndarray) -> np.ndarray:
        """Covariance of (x, z, s) under q, from that of x."""
        xz = x @ self.w.T
        zz = self.w @ xz + np.diag(self.vz)
        first = np.block([[x, xz], [xz.T, zz]])
        both = np.hstack([self.u, self.v])
        cross = first @ both.T
        return np.block([[first, cross], [cross.T, both @ cross + np.diag(self.vs)]])


def exact(process: Process, found: Representation) -> dict[str, float]:
    """Every term of an affine encoder beside the process itself as the model, in nats per sequence.

    Returns:
        elbo, recon, kl_z, kl_s (equation (2)); I_xz, I_zs, I_xz_given_s, I_zs_given_x; aggregate =
        KL(q(z)||p(z)), redundancy = KL(q(z,s)||p(z)q(s)); entropy = h(x), so that elbo <= -entropy.
    """
    nx, nz, ns = process.sizes
    p = process.covariance()
    q = found.covariance(p[:nx, :nx])
    x, z, s = np.arange(nx), np.arange(nx, nx + nz), np.arange(nx + nz, nx + nz + ns)
    h = lambda *parts: _entropy(q, np.concatenate(parts))
    local = process.local
    kl_z = _cross_entropy(q[np.ix_(z, z)], np.eye(nz)) - (h(x, z) - h(x))
    kl_s = _cross_entropy(q[np.ix_(s, s)], local) - (h(x, z, s) - h(x, z))
    elbo = h(x, z, s) - h(x) - _cross_entropy(q, p)
    aggregate = _cross_entropy(q[np.ix_(z, z)], np.eye(nz)) - h(z)
    shared = h(z) + h(s) - h(z, s)
    return {
        "elbo": elbo,
        "kl_z": kl_z,
        "kl_s": kl_s,
        "recon": -(elbo + kl_z + kl_s),
        "entropy": h(x),
        "I_xz": h(x) + h(z) - h(x, z),
        "I_zs": shared,
        "I_xz_given_s": h(x, s) + h(z, s) - h(s) - h(x, z, s),
        "I_zs_given_x": h(x, z) + h(x, s) - h(x) - h(x, z, s),
        "aggregate": aggregate,
        "redundancy": shared + aggregate,
    }


def _regressed(full: np.ndarray, of: np.ndarray, on: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slopes of E[of|on], and 1 / diagonal of the precision of what is left."""
    slope = np.linalg.solve(full[np.ix_(on, on)], full[np.ix_(on, of)]).T
    left = full[np.ix_(of, of)] - slope @ full[np.ix_(on, of)]
    return slope, 1 / np.diag(np.linalg.inv(left))


def _entropy(cov: np.ndarray, some: np.ndarray) -> float:
    part = cov[np.ix_(some, some)]
    return 0.5 * (len(part) * np.log(2 * np.pi * np.e) + np.linalg.slogdet(part)[1])


def _cross_entropy(q: np.ndarray, p: np.ndarray) -> float:
    """-E log p of centred Gaussians, in nats."""
    return 0.5 * (
        len(p) * np.log(2 * np.pi) + np.linalg.slogdet(p)[1] + np.trace(np.linalg.solve(p, q))
    )


def process(
    steps: int = 8,
    frame: int = 4,
    local: int = 2,
    common: int = 2,
    memory: float = 0.8,
    innovation: float = 0.6,
    voice: float = 0.7,
    noise: float = 0.5,
    seed: int = 0,
) -> Process:
    """A process with random directions: A a rotation times `memory`, B and C with orthogonal
    columns.

    Raises:
        OptionError: more causes than coordinates of a frame, or sizes and deviations that are not
            positive.
    """
    if min(steps, frame, local, common) < 1 or min(innovation, noise) <= 0 or not 0 <= memory < 1:
        raise OptionError(
            "linear-sequences: expected positive sizes, innovation and noise, and memory in [0, 1)"
        )
    if local + common > frame:
        raise OptionError(
            f"linear-sequences: expected local + common <= frame, got {local} + {common} > {frame}"
        )
    rng = np.random.default_rng(mix(seed, DATA))
    turn, axes = (np.linalg.qr(rng.standard_normal((n, n)))[0] for n in (local, frame))
    mixed = axes[:, :local] + 0.5 * axes[:, local : local + 1]  # the two causes overlap in x
    return Process(
        memory * turn, mixed, voice * axes[:, local : local + common], innovation, noise, steps
    )


def linear_sequences(
    train: int = 10_000,
    validation: int = 1000,
    test: int = 2000,
    steps: int = 8,
    frame: int = 4,
    local: int = 2,
    common: int = 2,
    seed: int = 0,
) -> Dataset:
    """Linear Gaussian sequences: x_t = B s_t + C z + noise; exact I(x;z), I(z;s), entropy and best
    ELBO.

    Args:
        train, validation, test: numbers of sequences.
        steps, frame, local, common: T, and sizes of x_t, s_t and z.
        seed: of the process and of the draws.

    Raises:
        OptionError: as `process`.
    """
    if min(train, test) < 1 or validation < 0:
        raise OptionError("linear-sequences: expected positive numbers of sequences")
    law = process(steps, frame, local, common, seed=seed)
    best = exact(law, law.posterior())
    rng = np.random.default_rng(mix(seed, DATA, 1))
    part = lambda n: {"x": law.draw(n, rng)[0].astype(np.float32)} if n else {}
    source: dict[str, Any] = dict(
        name="linear-sequences", train=train, validation=validation, test=test
    )
    parts = {k: part(source[k]) for k in PARTS}
    source |= dict(steps=steps, frame=frame, local=local, common=common, seed=seed)
    truth = {"nll_joint": best["entropy"], **{k: best[k] for k in ("elbo", "I_xz", "I_zs")}}
    notes = (
        "Linear Gaussian sequences; the best ELBO is that of encoders that are independent in every"
        " coordinate.",
    )
    return Dataset.of(source, parts, {"x": Sequence(steps, frame)}, truth=truth, notes=notes)
