"""Classifiers that judge generated images: LeNet-5, trained on demand and kept with its accuracy."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wyner.errors import ShapeError, WynerError
from wyner.files import read_tensors, write_tensors
from wyner.seeds import DATA, mix


class LeNet5(nn.Module):
    """LeNet-5 (LeCun et al. 1998) with ReLU and max-pooling: `(N, C, 32, 32)` or `(N, C, 28, 28)` to logits `(N, classes)`.

    Pictures of 28x28 are padded with zeros to 32x32.
    """

    def __init__(self, channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, classes),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        border = (32 - x.shape[-1]) // 2
        return self.body(F.pad(x, (border,) * 4) if border else x)


@dataclass(frozen=True)
class Classifier:
    """A trained network and its share of right labels on held-out images."""

    network: nn.Module
    accuracy: float

    def __call__(self, images: Tensor) -> Tensor:
        """Labels `(N,)` of images `(N, C, H, W)`."""
        with torch.no_grad():
            device = next(self.network.parameters()).device
            return torch.cat([self.network(b.to(device).float()).argmax(1) for b in images.split(1000)])


def train_classifier(
    images: Tensor, labels: Tensor, test_images: Tensor, test_labels: Tensor, *, epochs: int = 12, lr: float = 2e-3, batch_size: int = 100, shift: int = 2, seed: int = 0
) -> Classifier:  # fmt: skip
    """LeNet-5 on labelled images, Adam with a one-cycle rate, pictures shifted by up to `shift` pixels.

    Args:
        images, labels: `(N, C, H, W)` in [0, 1] and `(N,)`.
        test_images, test_labels: what `accuracy` is measured on.
        epochs, lr, batch_size, seed: of the training.
        shift: pixels; 0 for none.

    Raises:
        ShapeError: images that are neither 28x28 nor 32x32.
    """
    if images.ndim != 4 or images.shape[-1] != images.shape[-2] or images.shape[-1] not in (28, 32):
        raise ShapeError(f"images: expected (N, channels, 28, 28) or (N, channels, 32, 32), got {tuple(images.shape)}")
    cuda = [images.device] if images.device.type == "cuda" else []
    with torch.random.fork_rng(cuda):
        torch.manual_seed(mix(seed, DATA))
        network = LeNet5(images.shape[1], int(labels.max()) + 1).to(images.device)
        steps = -(-len(images) // batch_size)
        adam = torch.optim.Adam(network.parameters(), lr=lr)
        cycle = torch.optim.lr_scheduler.OneCycleLR(adam, lr, total_steps=epochs * steps)
        for _ in range(epochs):
            for rows in torch.randperm(len(images)).to(images.device).split(batch_size):
                x = images[rows]
                if shift:
                    dx, dy = torch.randint(-shift, shift + 1, (2,)).tolist()
                    x = torch.roll(x, (dy, dx), (-2, -1))
                loss = F.cross_entropy(network(x), labels[rows])
                adam.zero_grad()
                loss.backward()
                adam.step()
                cycle.step()
    network.eval()
    judge = Classifier(network, 0.0)
    return Classifier(network, float((judge(test_images) == test_labels).double().mean()))


def digit_classifier(full: bool = False, cache: Path | None = None) -> Classifier:
    """LeNet-5 for digits: trained once on the embedded digits, or on all of MNIST, then read from the cache.

    Args:
        full: train on all of MNIST (about 99 percent) instead of the 6,000 embedded digits (about 97).
        cache: folder; by default `wyner` in the user's cache, or `$WYNER_CACHE_DIR`.
    """
    from wyner.data.digits import embedded
    from wyner.data.mnist import mnist

    if cache is None:
        import pooch

        cache = Path(os.environ.get("WYNER_CACHE_DIR") or pooch.os_cache("wyner"))
    path = cache / f"lenet5-{'mnist' if full else 'digits'}-1.safetensors"
    try:
        weights, meta = read_tensors(path)
        network = LeNet5()
        network.load_state_dict(weights)
        return Classifier(network.eval(), float(meta["accuracy"]))
    except (WynerError, OSError, KeyError, RuntimeError):  # not there, or damaged: train it again
        pass
    digits = mnist() if full else embedded()
    ready = lambda a: torch.from_numpy(np.ascontiguousarray(a[:, None])).float() / 255
    trained = train_classifier(
        ready(digits.train_images), torch.from_numpy(digits.train_labels), ready(digits.test_images),
        torch.from_numpy(digits.test_labels), epochs=6 if full else 20,
    )  # fmt: skip
    write_tensors(path, trained.network.state_dict(), {"accuracy": trained.accuracy})
    return trained
