"""Features of pictures for Frechet distances: the code of an autoencoder, once for each data set.

The extractor of the variational Wyner paper (specification of metrics, section 2; its encoder:
`variational-wyner.md`, section 4): four convolutions 5x5 of stride 2 with BatchNorm and
LeakyReLU(0.2), 32-64-128-256 channels, so that 32x32 pictures have 1024 features; a mirrored
decoder with tanh; L1 loss, Adam with AMSGrad 1e-3, batches of 64, at most 50 epochs, until 10
percent held-out pictures have not improved for 5.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from wyner.data.fetch import cache as cache_folder
from wyner.errors import ShapeError
from wyner.metrics.checks import finite
from wyner.metrics.stored import stored
from wyner.seeds import DATA, mix
from wyner.variables import unit

SLOPE, VERSION, BLOCK = 0.2, 1, 1000


class FeatureEncoder(nn.Module):
    """Pictures `(N, C, H, W)` in [-1, 1] to features `(N, 8 width * H/16 * W/16)`."""

    def __init__(self, channels: int, width: int = 32) -> None:
        super().__init__()
        sizes = [channels, width, 2 * width, 4 * width, 8 * width]
        layers: list[nn.Module] = []
        for i, o in zip(sizes[:-1], sizes[1:], strict=True):
            layers += [nn.Conv2d(i, o, 5, 2, 2), nn.BatchNorm2d(o), nn.LeakyReLU(SLOPE)]
        self.body = nn.Sequential(*layers, nn.Flatten())

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class FeatureDecoder(nn.Module):
    """The mirror image: features to pictures in [-1, 1]."""

    def __init__(self, shape: tuple[int, int, int], width: int = 32) -> None:
        super().__init__()
        c, h, w = shape
        sizes = [8 * width, 4 * width, 2 * width, width, c]
        layers: list[nn.Module] = [nn.Unflatten(1, (8 * width, h // 16, w // 16))]
        for i, o in zip(sizes[:-1], sizes[1:], strict=True):
            up = nn.ConvTranspose2d(i, o, 5, 2, 2, output_padding=1)
            layers += [up, nn.BatchNorm2d(o), nn.LeakyReLU(SLOPE)]
        self.body = nn.Sequential(*layers[:-2], nn.Tanh())

    def forward(self, h: Tensor) -> Tensor:
        return self.body(h)


@dataclass(frozen=True)
class Features:
    """A trained encoder; its autoencoder's mean absolute error on held-out pictures in [-1, 1]."""

    encoder: nn.Module
    error: float

    def __call__(self, images: Tensor, block: int = BLOCK) -> Tensor:
        """Features `(N, d)`, float32, of pictures `(N, C, H, W)` in [0, 1] or uint8."""
        device = next(self.encoder.parameters()).device
        with torch.no_grad():
            return torch.cat([self.encoder(_signed(b.to(device))) for b in images.split(block)])


def _signed(images: Tensor) -> Tensor:
    """[0, 1] or 0..255 to [-1, 1]."""
    return unit(images).float().mul(2).sub(1)


def train_features(
    images: Tensor,
    *,
    width: int = 32,
    epochs: int = 50,
    patience: int = 5,
    lr: float = 1e-3,
    batch_size: int = 64,
    seed: int = 0,
) -> Features:
    """The encoder of an autoencoder, its weights with the best held-out error (our choice).

    Args:
        images: `(N, C, H, W)` in [0, 1] or uint8, H and W multiples of 16, N >= 20.
        width: channels after the first convolution.
        epochs: at most.
        patience: epochs without improvement on the held-out tenth before it ends.
        lr, batch_size, seed: of the training.

    Raises:
        ShapeError: other shapes, or fewer pictures. DataError: numbers that are not finite.
    """
    if images.ndim != 4 or images.shape[2] % 16 or images.shape[3] % 16 or len(images) < 20:
        raise ShapeError(
            "images: expected at least 20 of shape (channels, height, width) with height and width"
            f" multiples of 16, got {tuple(images.shape)}"
        )
    device, (c, h, w) = finite(images, "images").device, images.shape[1:]
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(mix(seed, DATA))
        encoder, decoder = FeatureEncoder(c, width), FeatureDecoder((c, h, w), width)
        both = nn.Sequential(encoder.to(device), decoder.to(device))
        adam = torch.optim.Adam(both.parameters(), lr=lr, amsgrad=True)
        order = torch.randperm(len(images)).to(device)
        validation, rest = order[: len(images) // 10], order[len(images) // 10 :]
        best, weights, waited = math.inf, {}, 0
        for _ in range(epochs):
            both.train()
            for rows in rest[torch.randperm(len(rest)).to(device)].split(batch_size):
                if len(rows) > 1:  # a single picture has no batch statistics
                    loss = _loss(both, images[rows])
                    adam.zero_grad()
                    loss.backward()
                    adam.step()
            with torch.no_grad():
                parts = [
                    (len(r), float(_loss(both.eval(), images[r]))) for r in validation.split(BLOCK)
                ]
            error = sum(n * e for n, e in parts) / len(validation)
            waited = 0 if error < best else waited + 1
            if error < best:
                best = error
                weights = {k: v.detach().clone() for k, v in encoder.state_dict().items()}
            elif waited >= patience:
                break
        encoder.load_state_dict(weights or encoder.state_dict())
    return Features(encoder.requires_grad_(False).eval(), best)


def _loss(both: nn.Module, images: Tensor) -> Tensor:
    """Mean absolute error of an autoencoder."""
    x = _signed(images)
    return (both(x) - x).abs().mean()


def features_of(
    images: Tensor | np.ndarray, cache: Path | None = None, epochs: int = 50, seed: int = 0
) -> Features:
    """The extractor for a set of training pictures: trained once, then read from the cache.

    Args:
        images: training pictures of one modality, `(N, C, H, W)`, in [0, 1] or uint8.
        cache: folder; by default below `wyner` in the user's cache, or `$WYNER_CACHE_DIR`.
        epochs, seed: as in `train_features`; part of the name in the cache, as the pictures are.
    """
    pictures = torch.as_tensor(images).contiguous()
    how = (VERSION, tuple(pictures.shape), str(pictures.dtype), epochs, seed)
    digest = hashlib.blake2b(repr(how).encode(), digest_size=8)
    digest.update(pictures.cpu().numpy().reshape(-1).view(np.uint8).data)

    def train() -> tuple[nn.Module, dict[str, float]]:
        made = train_features(pictures, epochs=epochs, seed=seed)
        return made.encoder, {"error": made.error, "width": 32}

    path = (cache or cache_folder("features")) / f"{digest.hexdigest()}.safetensors"
    fresh = lambda meta: FeatureEncoder(pictures.shape[1], int(meta["width"]))
    encoder, error = stored(path, fresh, "error", train)
    return Features(encoder.requires_grad_(False).to(pictures.device), error)
