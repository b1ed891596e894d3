"""Features of pictures for Frechet distances: the code of a convolutional autoencoder, trained once
for each data set.

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
from wyner.files import write_tensors
from wyner.metrics.stored import restored
from wyner.seeds import DATA, mix
from wyner.variables import unit

SLOPE, VERSION = 0.2, 1


class FeatureEncoder(nn.Module):
    """Pictures `(N, C, H, W)` in [-1, 1] to features `(N, 8 width * H/16 * W/16)`, after BatchNorm
    and LeakyReLU.
    """

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
            layers += [
                nn.ConvTranspose2d(i, o, 5, 2, 2, output_padding=1),
                nn.BatchNorm2d(o),
                nn.LeakyReLU(SLOPE),
            ]
        self.body = nn.Sequential(*layers[:-2], nn.Tanh())

    def forward(self, h: Tensor) -> Tensor:
        return self.body(h)


@dataclass(frozen=True)
class Features:
    """A trained encoder, and the mean absolute error of its autoencoder on held-out pictures scaled
    to [-1, 1].
    """

    encoder: nn.Module
    error: float

    def __call__(self, images: Tensor, block: int = 1000) -> Tensor:
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
    """An encoder from the training of an autoencoder; its weights with the best held-out error (our
    choice).

    Args:
        images: `(N, C, H, W)` in [0, 1] or uint8, H and W multiples of 16, N >= 20.
        width: channels after the first convolution.
        epochs: at most.
        patience: epochs without improvement on the held-out tenth before it ends.
        lr, batch_size, seed: of the training.

    Raises:
        ShapeError: other shapes, or fewer pictures.
    """
    if images.ndim != 4 or images.shape[2] % 16 or images.shape[3] % 16 or len(images) < 20:
        raise ShapeError(
            "images: expected at least 20 of shape (channels, height, width) with height and width"
            f" multiples of 16, got {tuple(images.shape)}"
        )
    device = images.device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(mix(seed, DATA))
        shape = (images.shape[1], images.shape[2], images.shape[3])
        encoder, decoder = (
            FeatureEncoder(shape[0], width).to(device),
            FeatureDecoder(shape, width).to(device),
        )
        both = nn.Sequential(encoder, decoder)
        adam = torch.optim.Adam(both.parameters(), lr=lr, amsgrad=True)
        order = torch.randperm(len(images)).to(device)
        held, rest = order[: len(images) // 10], order[len(images) // 10 :]
        best, weights, waited = math.inf, {}, 0
        for _ in range(epochs):
            both.train()
            for rows in rest[torch.randperm(len(rest)).to(device)].split(batch_size):
                if len(rows) > 1:  # a single picture has no batch statistics
                    x = _signed(images[rows])
                    loss = (both(x) - x).abs().mean()
                    adam.zero_grad()
                    loss.backward()
                    adam.step()
            error = _error(both.eval(), images, held)
            if error < best:
                best, waited = error, 0
                weights = {k: v.detach().clone() for k, v in encoder.state_dict().items()}
            else:
                waited += 1
                if waited >= patience:
                    break
        encoder.load_state_dict(weights or encoder.state_dict())
    for p in encoder.parameters():
        p.requires_grad_(False)
    return Features(encoder.eval(), best)


@torch.no_grad()
def _error(both: nn.Module, images: Tensor, rows: Tensor) -> float:
    total = 0.0
    for part in rows.split(1000):
        x = _signed(images[part])
        total += float((both(x) - x).abs().mean()) * len(part)
    return total / len(rows)


def features_of(
    images: Tensor | np.ndarray, cache: Path | None = None, epochs: int = 50, seed: int = 0
) -> Features:
    """The extractor for a set of training pictures: trained once, then read from the cache.

    Args:
        images: training pictures of one modality, `(N, C, H, W)`, in [0, 1] or uint8.
        cache: folder; by default below `wyner` in the user's cache, or `$WYNER_CACHE_DIR`.
        epochs, seed: as in `train_features`; part of the name in the cache, as the pictures are.
    """
    pictures = (
        images if isinstance(images, Tensor) else torch.from_numpy(np.ascontiguousarray(images))
    )
    digest = hashlib.blake2b(digest_size=8)
    digest.update(
        repr((VERSION, tuple(pictures.shape), str(pictures.dtype), epochs, seed)).encode()
    )
    digest.update(pictures.cpu().contiguous().numpy().reshape(-1).view(np.uint8).data)
    path = (cache or cache_folder("features")) / f"{digest.hexdigest()}.safetensors"
    if found := restored(
        path, lambda meta: FeatureEncoder(pictures.shape[1], int(meta["width"])), "error"
    ):
        return Features(found[0].requires_grad_(False).to(pictures.device), found[1])
    made = train_features(pictures, epochs=epochs, seed=seed)
    write_tensors(path, made.encoder.state_dict(), {"error": made.error, "width": 32})
    return made
