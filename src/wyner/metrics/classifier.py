"""Classifiers that judge generated images: LeNet-5 for digits, another for house numbers.

They are trained on demand and kept with their accuracy, which bounds what label accuracies can
mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wyner.data.digits import embedded
from wyner.data.fetch import cache as cache_folder
from wyner.data.mnist import mnist
from wyner.data.svhn import svhn
from wyner.data.warp import warped
from wyner.errors import DataError, ShapeError
from wyner.metrics.checks import finite
from wyner.metrics.stored import stored
from wyner.seeds import DATA, mix
from wyner.variables import unit

LEAST = {"mnist": 0.99, "svhn": 0.90}
"""Accuracies below which another seed is tried (the paper's LeNet-5 has 99.1 percent)."""


class LeNet5(nn.Module):
    """LeNet-5 (LeCun et al. 1998) with ReLU and max-pooling: `(N, C, H, H)` to `(N, classes)`.

    Pictures of 28x28 are padded with zeros to 32x32, smaller ones enlarged.
    """

    def __init__(self, channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        block = lambda i, o: [nn.Conv2d(i, o, 5), nn.ReLU(), nn.MaxPool2d(2)]
        dense = lambda i, o: [nn.Linear(i, o), nn.ReLU()]
        self.body = nn.Sequential(
            *block(channels, 6),
            *block(6, 16),
            nn.Flatten(),
            *dense(400, 120),
            *dense(120, 84),
            nn.Linear(84, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = enlarged(x)
        border = (32 - x.shape[-1]) // 2
        return self.body(F.pad(x, (border,) * 4) if border else x)


class HouseNumberNet(nn.Module):
    """Five convolutions with BatchNorm, `(N, 3, 32, 32)` to logits `(N, 10)` (our choice).

    Pictures are centred and scaled one by one, so that brightness and contrast do not count. Those
    smaller than 28x28 are enlarged.
    """

    def __init__(self, width: int = 24, classes: int = 10, dropout: float = 0.2) -> None:
        super().__init__()

        def block(i: int, o: int, k: int = 3) -> list[nn.Module]:
            return [nn.Conv2d(i, o, k, 1, k // 2, bias=False), nn.BatchNorm2d(o), nn.ReLU()]

        w = width
        self.body = nn.Sequential(
            *(*block(3, w, 5), nn.MaxPool2d(2)),
            *(*block(w, 2 * w), *block(2 * w, 2 * w), nn.MaxPool2d(2)),
            *(*block(2 * w, 4 * w), *block(4 * w, 4 * w), nn.MaxPool2d(2)),
            *(nn.Dropout(dropout), nn.Flatten(), nn.Linear(64 * w, classes)),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = enlarged(x)
        mean = x.mean((1, 2, 3), keepdim=True)
        scale = (x - mean).square().mean((1, 2, 3), keepdim=True).sqrt()
        return self.body((x - mean) / (scale + 0.05))


def enlarged(x: Tensor) -> Tensor:
    """Pictures of less than 28x28 pixels at 32x32, bilinear; others as they are."""
    return F.interpolate(x, (32, 32), mode="bilinear") if x.shape[-1] < 28 else x


@dataclass(frozen=True)
class Classifier:
    """A trained network and its share of right labels on held-out images."""

    network: nn.Module
    accuracy: float

    def __call__(self, images: Tensor) -> Tensor:
        """Labels `(N,)` of images `(N, C, H, W)` in [0, 1] or uint8; all must be finite."""
        device, images = next(self.network.parameters()).device, finite(images, "images")
        with torch.no_grad():
            each = [self.network(unit(b.to(device)).float()) for b in images.split(1000)]
            return torch.cat([logits.argmax(1) for logits in each])


Augment = Callable[[Tensor], Tensor]


def shifted(pixels: int) -> Augment:
    """Moves a batch by up to so many pixels; what leaves on one side returns on the other."""

    def move(x: Tensor) -> Tensor:
        if not pixels:
            return x
        dx, dy = torch.randint(-pixels, pixels + 1, (2,)).tolist()
        return torch.roll(x, (dy, dx), (-2, -1))

    return move


def train_classifier(
    images: Tensor,
    labels: Tensor,
    test_images: Tensor,
    test_labels: Tensor,
    *,
    epochs: int = 12,
    lr: float = 2e-3,
    batch_size: int = 100,
    shift: int = 2,
    seed: int = 0,
    network: Callable[[], nn.Module] | None = None,
    augment: Augment | None = None,
    weight_decay: float = 0.0,
    bf16: bool = False,
) -> Classifier:
    """A classifier of labelled images by Adam with a one-cycle rate; LeNet-5 by default.

    Args:
        images, labels: `(N, C, H, W)` in [0, 1] or uint8, and whole numbers from 0 up, `(N,)`.
        test_images, test_labels: what `accuracy` is measured on.
        epochs, lr, batch_size, seed, weight_decay: of the training.
        shift: pixels by which a batch is moved at most; 0 for none.
        network: makes another network.
        augment: changes a batch at random, in place of the shift.
        bf16: convolve in bf16 while training.

    Raises:
        ShapeError: images that are neither 28x28 nor 32x32. DataError: labels that are no whole
            numbers, images that are not finite.
    """
    if images.ndim != 4 or images.shape[-1] != images.shape[-2] or images.shape[-1] not in (28, 32):
        raise ShapeError(
            "images: expected (N, channels, 28, 28) or (N, channels, 32, 32), got"
            f" {tuple(images.shape)}"
        )
    if labels.is_floating_point():
        raise DataError(f"labels: expected whole numbers from 0 up, got {labels.dtype}")
    device, change = finite(images, "images").device, augment or shifted(shift)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(mix(seed, DATA))
        made = LeNet5(images.shape[1], int(labels.max()) + 1) if network is None else network()
        made.to(device)
        steps = -(-len(images) // batch_size)
        adam = torch.optim.AdamW(made.parameters(), lr=lr, weight_decay=weight_decay)
        cycle = torch.optim.lr_scheduler.OneCycleLR(adam, lr, total_steps=epochs * steps)
        for _ in range(epochs):
            for rows in torch.randperm(len(images)).to(device).split(batch_size):
                x = change(unit(images[rows]).float())
                with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                    logits = made(x)
                loss = F.cross_entropy(logits.float(), labels[rows])
                adam.zero_grad()
                loss.backward()
                adam.step()
                cycle.step()
    made.eval()
    right = Classifier(made, 0.0)(test_images) == test_labels
    return Classifier(made, float(right.double().mean()))


def digit_classifier(full: bool = False, cache: Path | None = None) -> Classifier:
    """LeNet-5 for digits, trained once, then read from the cache.

    Args:
        full: train on all of MNIST (at least 99 percent) instead of the 6,000 embedded digits
            (about 97).
        cache: folder; by default `wyner` in the user's cache, or `$WYNER_CACHE_DIR`.
    """

    def train(seed: int) -> Classifier:
        data = _tensors(mnist() if full else embedded())
        images, labels, tests, truth = data
        return train_classifier(
            images[:, None], labels, tests[:, None], truth, epochs=12 if full else 20, seed=seed
        )

    name = f"lenet5-{'mnist' if full else 'digits'}-2"
    return kept(name, LeNet5, train, LEAST["mnist"] if full else 0.0, cache)


def svhn_classifier(
    split: str = "train", cache: Path | None = None, epochs: int | None = None
) -> Classifier:
    """A classifier of house numbers: trained once on what `wyner.data.svhn` finds, then cached.

    Args:
        split: of SVHN to train on.
        cache: folder; by default `wyner` in the user's cache, or `$WYNER_CACHE_DIR`.
        epochs: of the training; by default as many as 400,000 pictures make, at most 25.
    """
    found = svhn(split)
    n = len(found.train_images)
    options: dict[str, Any] = {
        "epochs": epochs or max(1, min(25, 400_000 // n)),
        "lr": 6e-3,
        "network": HouseNumberNet,
        "augment": warped,
        "weight_decay": 0.02,
        "bf16": True,
    }
    train = lambda seed: train_classifier(*_tensors(found), seed=seed, **options)
    name = f"svhn-{n}-1" + (f"-{epochs}" if epochs else "")
    return kept(name, HouseNumberNet, train, LEAST["svhn"], cache)


def _tensors(data: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images and labels to train on, and to test with."""
    arrays = (data.train_images, data.train_labels, data.test_images, data.test_labels)
    a, b, c, d = (torch.from_numpy(v if v.flags.writeable else v.copy()) for v in arrays)
    return a, b, c, d


def kept(
    name: str,
    network: Callable[[], nn.Module],
    train: Callable[[int], Classifier],
    least: float = 0.0,
    cache: Path | None = None,
    tries: int = 2,
) -> Classifier:
    """A classifier from the cache, or trained and put there with its accuracy.

    Args:
        name: of the file, without its ending.
        network: makes the network with fresh weights.
        train: from a seed.
        least: accuracy below which another seed is tried; the best is kept.
        cache: folder.
        tries: how many seeds, at most.
    """

    def best() -> tuple[nn.Module, dict[str, float]]:
        found = train(0)
        for seed in range(1, tries):
            if found.accuracy >= least:
                break
            found = max(found, train(seed), key=lambda c: c.accuracy)
        return found.network, {"accuracy": found.accuracy}

    path = (cache or cache_folder("classifiers")) / f"{name}.safetensors"
    return Classifier(*stored(path, lambda _: network(), "accuracy", best))
