"""Losses as one would write them from the papers: plain torch, section 3 of the specification, no
wyner in the arithmetic.

The networks' weights are taken out of a model by name; everything else, layers, draws, densities
and KLs, is written here again.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from wyner import Model


class Weights:
    """The parameters of a model by factor, and the layers that use them."""

    def __init__(self, model: Model) -> None:
        self.state = {k.removeprefix("factors."): p for k, p in model.named_parameters()}

    def network(self, factor: str, *parents: Tensor) -> Tensor:
        """ReLU layers over the parents side by side."""
        h, i = torch.cat([p.flatten(1) for p in parents], 1), 0
        while f"{factor}.network.layers.{i}.weight" in self.state:
            h = torch.relu(h) if i else h
            h = (
                h @ self.state[f"{factor}.network.layers.{i}.weight"].T
                + self.state[f"{factor}.network.layers.{i}.bias"]
            )
            i += 1
        return h

    def gaussian(self, factor: str, *parents: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of an encoder: the network's halves are m and log s, with log s^2 kept
        in [-12, 8]."""
        m, log_s = self.network(factor, *parents).chunk(2, 1)
        return m, torch.exp(torch.clamp(2 * log_s, -12, 8))

    def prior(self, factor: str) -> Tensor:
        """s0^2 of an isotropic prior."""
        return torch.exp(2 * self.state[f"{factor}.head.log_scale"])


def log_normal(a: Tensor, m: Tensor, s2: Tensor) -> Tensor:
    """logN(a; m, s2) = -0.5 * sum( log(2 pi s2) + (a-m)^2 / s2 )."""
    return -0.5 * (torch.log(2 * math.pi * s2) + (a - m) ** 2 / s2).flatten(1).sum(1)


def kl(m: Tensor, s2: Tensor, m1: Tensor, s21: Tensor) -> Tensor:
    """KL(m,s2 || m',s2') = 0.5 * sum( log(s2'/s2) + (s2 + (m-m')^2)/s2' - 1 )."""
    return 0.5 * (torch.log(s21 / s2) + (s2 + (m - m1) ** 2) / s21 - 1).sum(1)


def kl_prior(m: Tensor, s2: Tensor, s02: Tensor) -> Tensor:
    """KL(m,s2 || 0,s0^2 I) = 0.5 * sum( (s2 + m^2)/s0^2 - 1 - log s2 + log s0^2 )."""
    return 0.5 * ((s2 + m**2) / s02 - 1 - torch.log(s2) + torch.log(s02)).sum(1)


def draw(q: tuple[Tensor, Tensor], noise: Tensor) -> Tensor:
    """m + s * noise."""
    return q[0] + q[1].sqrt() * noise


def wyner_vae(
    w: Weights,
    x: Tensor,
    y: Tensor,
    e: dict[str, Tensor],
    lam: float,
    a: dict[str, float],
    d_x: Tensor,
    d_y: Tensor,
) -> Tensor:
    """Equation (15), entropies dropped: one number, the mean over the batch.

    Args:
        w: weights.
        x, y: the pair.
        e: noise by the name of what is drawn: z, u, v of the joint posterior; z1, u1 from x alone;
            z2, v2 from y alone.
        lam, a: the paper's lambda and a_xx, a_yy, a_xy, a_yx.
        d_x, d_y: decoder variances.
    """
    p_z, p_u, p_v = w.prior("p(z)"), w.prior("p(u)"), w.prior("p(v)")
    rec_x = lambda z, u: -log_normal(x, w.network("p(x|z,u)", z, u), d_x)
    rec_y = lambda z, v: -log_normal(y, w.network("p(y|z,v)", z, v), d_y)

    q_z = w.gaussian("q(z|x,y)", x, y)
    z = draw(q_z, e["z"])
    q_u, q_v = w.gaussian("q(u|z,x)", z, x), w.gaussian("q(v|z,y)", z, y)
    u, v = draw(q_u, e["u"]), draw(q_v, e["v"])
    kl_z, kl_u, kl_v = kl_prior(*q_z, p_z), kl_prior(*q_u, p_u), kl_prior(*q_v, p_v)
    loss = rec_x(z, u) + rec_y(z, v) + (1 + lam) * kl_z + kl_u + kl_v

    q_z1 = w.gaussian("q(z|x)", x)
    z1 = draw(q_z1, e["z1"])
    q_u1 = w.gaussian("q(u|z,x)", z1, x)
    loss = loss + a["xx"] * (
        rec_x(z1, draw(q_u1, e["u1"])) + kl_prior(*q_z1, p_z) + kl_prior(*q_u1, p_u)
    )

    q_z2 = w.gaussian("q(z|y)", y)
    z2 = draw(q_z2, e["z2"])
    q_v2 = w.gaussian("q(v|z,y)", z2, y)
    loss = loss + a["yy"] * (
        rec_y(z2, draw(q_v2, e["v2"])) + kl_prior(*q_z2, p_z) + kl_prior(*q_v2, p_v)
    )

    loss = loss + a["xy"] * (rec_y(z, v) + kl(*q_z, *q_z1) + kl_v)
    loss = loss + a["yx"] * (rec_x(z, u) + kl(*q_z, *q_z2) + kl_u)
    return loss.mean()


def jmvae(w: Weights, x: Tensor, y: Tensor, noise: Tensor, c: float) -> Tensor:
    """(42) + c (43): REC_x + REC_y + KL(q(w|x,y)||p(w)) + c [KL(q(w|x,y)||q(w|x)) +
    KL(q(w|x,y)||q(w|y))], decoder variance 1/2."""
    q = w.gaussian("q(w|x,y)", x, y)
    code, half = draw(q, noise), torch.tensor(0.5, dtype=x.dtype)
    rec = -log_normal(x, w.network("p(x|w)", code), half) - log_normal(
        y, w.network("p(y|w)", code), half
    )
    apart = kl(*q, *w.gaussian("q(w|x)", x)) + kl(*q, *w.gaussian("q(w|y)", y))
    return (rec + kl_prior(*q, w.prior("p(w)")) + c * apart).mean()


def cvae(w: Weights, x: Tensor, y: Tensor, noise: Tensor) -> Tensor:
    """(45): -log p(y|v,x) + KL(q(v|y,x) || p(v|x)), decoder variance 1/2."""
    q = w.gaussian("q(v|y,x)", y, x)
    rec = -log_normal(y, w.network("p(y|v,x)", draw(q, noise), x), torch.tensor(0.5, dtype=x.dtype))
    return (rec + kl(*q, *w.gaussian("p(v|x)", x))).mean()


def vcca_private(w: Weights, x: Tensor, y: Tensor, e: dict[str, Tensor]) -> Tensor:
    """(48): REC_x + REC_y + KL(q(z|x)||p(z)) + KL(q(u|x)||p(u)) + KL(q(v|y)||p(v)), z ~ q(z|x)."""
    q_z, q_u, q_v = w.gaussian("q(z|x)", x), w.gaussian("q(u|x)", x), w.gaussian("q(v|y)", y)
    z, half = draw(q_z, e["z"]), torch.tensor(0.5, dtype=x.dtype)
    x_th, y_th = (
        w.network("p(x|z,u)", z, draw(q_u, e["u"])),
        w.network("p(y|z,v)", z, draw(q_v, e["v"])),
    )
    rec = -log_normal(x, x_th, half) - log_normal(y, y_th, half)
    rate = (
        kl_prior(*q_z, w.prior("p(z)"))
        + kl_prior(*q_u, w.prior("p(u)"))
        + kl_prior(*q_v, w.prior("p(v)"))
    )
    return (rec + rate).mean()


def beta_image_vae(w: Weights, x: Tensor, bits: Tensor, noise: Tensor, beta: float) -> Tensor:
    """A VAE of an image with one trained variance per channel and of bits: REC + beta KL, every
    pixel and bit summed."""
    q = w.gaussian("q(z|x,b)", x, bits)
    z = draw(q, noise)
    mean = w.network("p(x|z)", z).reshape(x.shape)
    variance = torch.exp(2 * w.state["p(x|z).head.log_scale"]).clamp_min(1e-4)  # (C, 1, 1)
    p = torch.sigmoid(w.network("p(b|z)", z)).reshape(bits.shape)
    cross_entropy = -(bits * torch.log(p) + (1 - bits) * torch.log(1 - p)).flatten(1).sum(1)
    return (
        -log_normal(x, mean, variance) + cross_entropy + beta * kl_prior(*q, w.prior("p(z)"))
    ).mean()


def vib(w: Weights, x: Tensor, y: Tensor, noise: Tensor, beta: float) -> Tensor:
    """(51): beta KL(q(z|x) || p(z)) - log p(y|z), z ~ q(z|x), decoder variance 1/2."""
    q = w.gaussian("q(z|x)", x)
    rec = -log_normal(y, w.network("p(y|z)", draw(q, noise)), torch.tensor(0.5, dtype=x.dtype))
    return (beta * kl_prior(*q, w.prior("p(z)")) + rec).mean()


def ssvae(
    w: Weights,
    x: Tensor,
    y: Tensor,
    known: Tensor,
    unknown: Tensor,
    unlabelled: float,
    alpha: float,
) -> Tensor:
    """(46) + unlabelled (47) - alpha log q(x|y), p(x) uniform over k labels, decoder variance 1/2.

    Args:
        w: weights.
        x, y: one-hot labels (B, 1, k), data.
        known, unknown: noise of v in (46), and in (47), where all labels share it.
        unlabelled, alpha: weights.
    """
    half, k = torch.tensor(0.5, dtype=y.dtype), x.shape[-1]

    def bound(label: Tensor, noise: Tensor) -> Tensor:
        q = w.gaussian("q(v|y,x)", y, label)
        rec = -log_normal(y, w.network("p(y|v,x)", draw(q, noise), label), half)
        return rec + kl_prior(*q, w.prior("p(v)")) + math.log(k)

    log_q = torch.log_softmax(w.network("q(x|y)", y), 1)
    summed = torch.zeros(len(y), dtype=y.dtype)
    for i in range(k):
        label = torch.eye(k, dtype=y.dtype)[i].expand(len(y), 1, k)
        summed = summed + log_q[:, i].exp() * (bound(label, unknown) + log_q[:, i])
    classify = -(log_q * x[:, 0]).sum(1)
    return (bound(x, known) + unlabelled * summed + alpha * classify).mean()


def wvae_codes(
    w: Weights, factor: str, parents: tuple[Tensor, ...], gumbel: Tensor, tau: float
) -> tuple[Tensor, Tensor]:
    """A relaxed draw softmax((logits + g)/tau), (B, N, K), and KL to the uniform prior: sum_n (log
    K - H(q_n))."""
    logits = w.network(factor, *parents).reshape(gumbel.shape)
    p = torch.softmax(logits, -1)
    entropy = -(p * torch.log(p)).sum(-1)
    return torch.softmax((logits + gumbel) / tau, -1), (math.log(gumbel.shape[-1]) - entropy).sum(1)


def wvae(
    w: Weights, x: Tensor, y: Tensor, e: dict[str, Tensor], lam: float, tau: float, eps2: float
) -> Tensor:
    """loss1 of the W-VAE, with the constants of the two densities: (1+lam) KL_z + KL_u + KL_v +
    (squared errors) / (2 eps^2)."""
    z, kl_z = wvae_codes(w, "q(z|x,y)", (x, y), e["z"], tau)
    u, kl_u = wvae_codes(w, "q(u|x,y)", (x, y), e["u"], tau)
    v, kl_v = wvae_codes(w, "q(v|x,y)", (x, y), e["v"], tau)
    square = ((x - w.network("p(x|u,z)", u, z)) ** 2).sum(1) + (
        (y - w.network("p(y|v,z)", v, z)) ** 2
    ).sum(1)
    constant = 0.5 * (x.shape[1] + y.shape[1]) * math.log(2 * math.pi * eps2)
    return ((1 + lam) * kl_z + kl_u + kl_v + square / (2 * eps2) + constant).mean()


def iiae(
    w: Weights, x: Tensor, y: Tensor, e: dict[str, Tensor], lam: float, beta: float, reg: float
) -> Tensor:
    """The loss of the code, section 8 of the variational Wyner specification; standard priors,
    decoder variance 1/2."""
    q_z, q_u, q_v = w.gaussian("q(z|x,y)", x, y), w.gaussian("q(u|x)", x), w.gaussian("q(v|y)", y)
    z, one, half = (
        draw(q_z, e["z"]),
        torch.tensor(1.0, dtype=x.dtype),
        torch.tensor(0.5, dtype=x.dtype),
    )
    rec_x = -log_normal(x, w.network("p(x|u,z)", draw(q_u, e["u"]), z), half)
    rec_y = -log_normal(y, w.network("p(y|v,z)", draw(q_v, e["v"]), z), half)
    apart = kl(*q_z, *w.gaussian("q(z|x)", x)) + kl(*q_z, *w.gaussian("q(z|y)", y))
    exclusive, shared = kl_prior(*q_u, one) + kl_prior(*q_v, one), kl_prior(*q_z, one)
    return (
        (beta + lam) * (rec_x + rec_y)
        + reg * (beta + lam) * exclusive
        + reg * beta * shared
        + lam * apart
    ).mean()


def product(*experts: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and variance of the normalised product of Gaussians: T = sum 1/s2, m = sum (m_i/s2_i) /
    T."""
    t = sum(1 / s2 for _, s2 in experts)
    return sum(m / s2 for m, s2 in experts) / t, 1 / t


def rec(w: Weights, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """-log p(x|z) - log p(y|z), decoder variance 1/2."""
    half = torch.tensor(0.5, dtype=x.dtype)
    return -log_normal(x, w.network("p(x|z)", z), half) - log_normal(
        y, w.network("p(y|z)", z), half
    )


def mvae(w: Weights, x: Tensor, y: Tensor, e: dict[str, Tensor]) -> Tensor:
    """Wu and Goodman: ELBO(x,y) + ELBO(x) + ELBO(y), q(z|S) ~ p(z) prod e(z|x_i)."""
    half, s02 = torch.tensor(0.5, dtype=x.dtype), w.prior("p(z)")
    prior = torch.zeros_like(e["z"]), s02.expand_as(e["z"])
    e_x, e_y = w.gaussian("e(z|x)", x), w.gaussian("e(z|y)", y)
    q, q_x, q_y = product(prior, e_x, e_y), product(prior, e_x), product(prior, e_y)
    loss = rec(w, x, y, draw(q, e["z"])) + kl_prior(*q, s02)
    loss = loss - log_normal(x, w.network("p(x|z)", draw(q_x, e["z1"])), half) + kl_prior(*q_x, s02)
    loss = loss - log_normal(y, w.network("p(y|z)", draw(q_y, e["z2"])), half) + kl_prior(*q_y, s02)
    return loss.mean()


def mmvae(w: Weights, x: Tensor, y: Tensor, e: dict[str, Tensor]) -> Tensor:
    """Shi et al., one stratified draw of each expert: 1/M sum_m [ log q(z_m|x,y) - log p(z_m) - log
    p(x|z_m) - log p(y|z_m) ].

    log q is the log-sum-exp of the experts less log M. The library takes KL(q_m || p) in closed
    form and the rest, log q(z_m|x,y) - log q_m(z_m), at the draw; this function does the same, so
    that the same draws give the same number.
    """
    experts, total = (
        [w.gaussian("q(z|x)", x), w.gaussian("q(z|y)", y)],
        torch.zeros(len(x), dtype=x.dtype),
    )
    for own, noise in zip(experts, (e["z1"], e["z2"]), strict=True):
        z = draw(own, noise)
        log_mixture = torch.logsumexp(
            torch.stack([log_normal(z, *q) for q in experts]), 0
        ) - math.log(2)
        total = (
            total
            + rec(w, x, y, z)
            + kl_prior(*own, w.prior("p(z)"))
            + log_mixture
            - log_normal(z, *own)
        )
    return (total / 2).mean()


def mvtcae(w: Weights, x: Tensor, y: Tensor, noise: Tensor, alpha: float, beta: float) -> Tensor:
    """Hwang et al. 2021: (M-a)/M REC + beta [ (1-a) KL(q || p) + a/M sum_i KL(q || e_i) ], q the
    product of the e_i, M = 2."""
    e_x, e_y = w.gaussian("e(z|x)", x), w.gaussian("e(z|y)", y)
    q = product(e_x, e_y)
    apart = kl(*q, *e_x) + kl(*q, *e_y)
    rates = (1 - alpha) * kl_prior(*q, w.prior("p(z)")) + alpha / 2 * apart
    return ((2 - alpha) / 2 * rec(w, x, y, draw(q, noise)) + beta * rates).mean()


def dmvae(w: Weights, x: Tensor, y: Tensor, e: dict[str, Tensor]) -> Tensor:
    """Lee and Pavlovic, three ELBOs: shared part from the product with the prior, from x alone,
    from y alone; all say both sides.

    In log variances: l = -log(1/s0^2 + exp(-l_x) + exp(-l_y)), m = (m_x exp(-l_x) + m_y exp(-l_y))
        exp(l).
    """
    half, s02 = torch.tensor(0.5, dtype=x.dtype), w.prior("p(z)")
    (m_x, v_x), (m_y, v_y) = w.gaussian("q(z|x)", x), w.gaussian("q(z|y)", y)
    l = -torch.log(1 / s02 + 1 / v_x + 1 / v_y)  # noqa: E741
    joint = (m_x / v_x + m_y / v_y) * l.exp(), l.exp()
    q_u, q_v = w.gaussian("q(u|x)", x), w.gaussian("q(v|y)", y)
    u, v = draw(q_u, e["u"]), draw(q_v, e["v"])
    private = kl_prior(*q_u, w.prior("p(u)")) + kl_prior(*q_v, w.prior("p(v)"))
    loss = 3 * private
    for q, noise in ((joint, e["z"]), ((m_x, v_x), e["z1"]), ((m_y, v_y), e["z2"])):
        z = draw(q, noise)
        loss = loss + kl_prior(*q, s02)
        loss = (
            loss
            - log_normal(x, w.network("p(x|z,u)", z, u), half)
            - log_normal(y, w.network("p(y|z,v)", z, v), half)
        )
    return loss.mean()
