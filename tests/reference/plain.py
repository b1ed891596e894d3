"""Losses as one would write them from the papers: plain torch, section 3 of the specification, no wyner in the arithmetic.

The networks' weights are taken out of a model by name; everything else, layers, draws, densities and KLs, is written here again.
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
        """Mean and variance of an encoder: the network's halves are m and log s, with log s^2 kept in [-12, 8]."""
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
    w: Weights, x: Tensor, y: Tensor, e: dict[str, Tensor], lam: float, a: dict[str, float], d_x: Tensor, d_y: Tensor
) -> Tensor:
    """Equation (15), entropies dropped: one number, the mean over the batch.

    Args:
        w: weights.
        x, y: the pair.
        e: noise by the name of what is drawn: z, u, v of the joint posterior; z1, u1 from x alone; z2, v2 from y alone.
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
    loss = loss + a["xx"] * (rec_x(z1, draw(q_u1, e["u1"])) + kl_prior(*q_z1, p_z) + kl_prior(*q_u1, p_u))

    q_z2 = w.gaussian("q(z|y)", y)
    z2 = draw(q_z2, e["z2"])
    q_v2 = w.gaussian("q(v|z,y)", z2, y)
    loss = loss + a["yy"] * (rec_y(z2, draw(q_v2, e["v2"])) + kl_prior(*q_z2, p_z) + kl_prior(*q_v2, p_v))

    loss = loss + a["xy"] * (rec_y(z, v) + kl(*q_z, *q_z1) + kl_v)
    loss = loss + a["yx"] * (rec_x(z, u) + kl(*q_z, *q_z2) + kl_u)
    return loss.mean()


def jmvae(w: Weights, x: Tensor, y: Tensor, noise: Tensor, c: float) -> Tensor:
    """(42) + c (43): REC_x + REC_y + KL(q(w|x,y)||p(w)) + c [KL(q(w|x,y)||q(w|x)) + KL(q(w|x,y)||q(w|y))], decoder variance 1/2."""
    q = w.gaussian("q(w|x,y)", x, y)
    code, half = draw(q, noise), torch.tensor(0.5, dtype=x.dtype)
    rec = -log_normal(x, w.network("p(x|w)", code), half) - log_normal(y, w.network("p(y|w)", code), half)
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
    x_th, y_th = w.network("p(x|z,u)", z, draw(q_u, e["u"])), w.network("p(y|z,v)", z, draw(q_v, e["v"]))
    rec = -log_normal(x, x_th, half) - log_normal(y, y_th, half)
    rate = kl_prior(*q_z, w.prior("p(z)")) + kl_prior(*q_u, w.prior("p(u)")) + kl_prior(*q_v, w.prior("p(v)"))
    return (rec + rate).mean()


def beta_image_vae(w: Weights, x: Tensor, bits: Tensor, noise: Tensor, beta: float) -> Tensor:
    """A VAE of an image with one trained variance per channel and of bits: REC + beta KL, every pixel and bit summed."""
    q = w.gaussian("q(z|x,b)", x, bits)
    z = draw(q, noise)
    mean = w.network("p(x|z)", z).reshape(x.shape)
    variance = torch.exp(2 * w.state["p(x|z).head.log_scale"]).clamp_min(1e-4)  # (C, 1, 1)
    p = torch.sigmoid(w.network("p(b|z)", z)).reshape(bits.shape)
    cross_entropy = -(bits * torch.log(p) + (1 - bits) * torch.log(1 - p)).flatten(1).sum(1)
    return (-log_normal(x, mean, variance) + cross_entropy + beta * kl_prior(*q, w.prior("p(z)"))).mean()
