"""Drawing from a PixelCNN without caches: one pass through the whole network for every pixel."""

from __future__ import annotations

import torch


@torch.no_grad()
def draw_slowly(network, maps, uniform, most=None):
    """The pictures of `wyner.networks.pixel_by_pixel.draw`, of which `most` pixels are drawn."""
    x = torch.zeros_like(uniform)
    height, width = uniform.shape[-2:]
    modes = [(m, m.training) for m in network.modules()]
    network.eval()
    for t in range(height * width if most is None else most):
        i, j = divmod(t, width)
        p = torch.sigmoid(network(x, maps)[..., i, j])
        x[..., i, j] = (uniform[..., i, j] < p).to(x)
    for m, mode in modes:
        m.training = mode
    return x
