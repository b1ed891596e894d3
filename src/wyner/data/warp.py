"""Pictures changed at random, each by itself: more of them where there are few."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def warped(
    x: Tensor, turn: float = 0.12, zoom: float = 0.12, shear: float = 0.1, shift: float = 0.08
) -> Tensor:
    """Turns, zooms, shears and moves every picture by itself; half of them become negatives.

    Args:
        x: `(N, C, H, W)` in [0, 1].
        turn, zoom, shear, shift: largest angle in radians, change of size, shear, and move in
            halves of a side.
    """
    n = len(x)
    draw = lambda size: (2 * torch.rand(n, device=x.device) - 1) * size
    angle, sx, sy, k = draw(turn), 1 + draw(zoom), 1 + draw(zoom), draw(shear)
    rows = [
        torch.stack([sx * angle.cos(), -sy * angle.sin() + k, draw(shift)], 1),
        torch.stack([sx * angle.sin(), sy * angle.cos(), draw(shift)], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
    moved = F.grid_sample(x, grid.to(x), padding_mode="reflection", align_corners=False)
    negative = (torch.rand(n, 1, 1, 1, device=x.device) < 0.5).to(x)
    return negative * (1 - moved) + (1 - negative) * moved


def warped_bytes(images: np.ndarray, seed: int, block: int = 5000) -> np.ndarray:
    """The same for pictures uint8 `(N, C, H, W)`: a function of the seed."""
    out = np.empty_like(images)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        for i in range(0, len(images), block):
            part = torch.from_numpy(images[i : i + block]).float().div_(255)
            out[i : i + block] = warped(part).clamp_(0, 1).mul_(255).round_().byte().numpy()
    return out
