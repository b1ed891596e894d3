"""Classifiers that judge generated images: LeNet-5 for digits, a small residual-free network for
house numbers.

They are trained on demand and kept with their accuracy, which bounds what label accuracies can
mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wyner.data.fetch import cache as cache_folder
from wyner.errors import ShapeError
from wyner.files import write_tensors
from wyner.metrics.stored import restored
from wyner.seeds import DATA, mix
from wyner.variables import unit

LEAST = {"mnist": 0.99, "svhn": 0.90}
"""Accuracies below which another seed is tried (the paper's LeNet-5 has 99.1 percent)."""


class LeNet5(nn.Module):
    """LeNet-5 (LeCun et al. 1998) with ReLU and max-pooling: `(N, C, 32, 32)` or `(N, C, 28, 28)`
    to logits `(N, classes)`.

    Pictures of 28x28 are padded with zeros to 32x32, smaller ones enlarged.
    """

    def __init__(self, channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, 6, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(400, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = enlarged(x)
        border = (32 - x.shape[-1]) // 2
        return self.body(F.pad(x, (border,) * 4) if border else x)


class HouseNumberNet(nn.Module):
    """Five convolutions with BatchNorm, `(N, 3, 32, 32)` to logits `(N, 10)` (our choice; house
    numbers are harder than digits).

    Pictures are centred and scaled one by one, so that brightness and contrast do not count. Those
    smaller than 28x28 are enlarged.
    """

    def __init__(self, width: int = 24, classes: int = 10, dropout: float = 0.2) -> None:
        super().__init__()
        block = lambda i, o, k=3: [
            nn.Conv2d(i, o, k, 1, k // 2, bias=False),
            nn.BatchNorm2d(o),
            nn.ReLU(),
        ]
        w = width
        self.body = nn.Sequential(
            *block(3, w, 5),
            nn.MaxPool2d(2),
            *block(w, 2 * w),
            *block(2 * w, 2 * w),
            nn.MaxPool2d(2),
            *block(2 * w, 4 * w),
            *block(4 * w, 4 * w),
            nn.MaxPool2d(2),
            nn.Dropout(dropout),
            nn.Flatten(),
            nn.Linear(64 * w, classes),
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
        """Labels `(N,)` of images `(N, C, H, W)` in [0, 1] or uint8."""
        with torch.no_grad():
            device = next(self.network.parameters()).device
            return torch.cat(
                [self.network(unit(b.to(device)).float()).argmax(1) for b in images.split(1000)]
            )


Augment = Callable[[Tensor], Tensor]


def shifted(pixels: int) -> Augment:
    """Moves a batch by up to so many pixels, all pictures alike; what leaves on one side returns on
    the other.
    """

    def move(x: Tensor) -> Tensor:
        if not pixels:
            return x
        dx, dy = torch.randint(-pixels, pixels + 1, (2,)).tolist()
        return torch.roll(x, (dy, dx), (-2, -1))

    return move


def warped(
    x: Tensor, turn: float = 0.12, zoom: float = 0.12, shear: float = 0.1, shift: float = 0.08
) -> Tensor:
    """Turns, zooms, shears and moves every picture by itself, and half of them become negatives:
    signs occur in both.

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
    """A classifier of labelled images: Adam with a one-cycle rate; by default LeNet-5 on pictures
    shifted by up to `shift` pixels.

    Args:
        images, labels: `(N, C, H, W)` in [0, 1] or uint8, and `(N,)`.
        test_images, test_labels: what `accuracy` is measured on.
        epochs, lr, batch_size, seed, weight_decay: of the training.
        shift: pixels; 0 for none.
        network: makes another network.
        augment: changes a batch at random, in place of the shift.
        bf16: convolve in bf16 while training.

    Raises:
        ShapeError: images that are neither 28x28 nor 32x32.
    """
    if images.ndim != 4 or images.shape[-1] != images.shape[-2] or images.shape[-1] not in (28, 32):
        raise ShapeError(
            "images: expected (N, channels, 28, 28) or (N, channels, 32, 32), got"
            f" {tuple(images.shape)}"
        )
    device, change = images.device, augment or shifted(shift)
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
    judge = Classifier(made, 0.0)
    return Classifier(made, float((judge(test_images) == test_labels).double().mean()))


def digit_classifier(full: bool = False, cache: Path | None = None) -> Classifier:
    """LeNet-5 for digits: trained once on the embedded digits, or on all of MNIST, then read from
    the cache.

    Args:
        full: train on all of MNIST (at least 99 percent) instead of the 6,000 embedded digits
            (about 97).
        cache: folder; by default `wyner` in the user's cache, or `$WYNER_CACHE_DIR`.
    """
    from wyner.data.digits import embedded
    from wyner.data.mnist import mnist

    def train(seed: int) -> Classifier:
        digits = mnist() if full else embedded()
        ready = lambda a: torch.from_numpy(np.array(a[:, None]))
        return train_classifier(
            ready(digits.train_images),
            torch.from_numpy(digits.train_labels),
            ready(digits.test_images),
            torch.from_numpy(digits.test_labels),
            epochs=12 if full else 20,
            seed=seed,
        )

    name = f"lenet5-{'mnist' if full else 'digits'}-2"
    return kept(name, LeNet5, train, LEAST["mnist"] if full else 0.0, cache)


def svhn_classifier(
    split: str = "train", cache: Path | None = None, epochs: int | None = None
) -> Classifier:
    """A classifier of house numbers: trained once on the pictures that `wyner.data.svhn` finds,
    then read from the cache.

    Args:
        split: of SVHN to train on.
        cache: folder; by default `wyner` in the user's cache, or `$WYNER_CACHE_DIR`.
        epochs: of the training; by default as many as 400,000 pictures make, at most 25.
    """
    from wyner.data.svhn import svhn

    found = svhn(split)

    def train(seed: int) -> Classifier:
        n = len(found.train_images)
        return train_classifier(
            torch.from_numpy(found.train_images),
            torch.from_numpy(found.train_labels),
            torch.from_numpy(found.test_images),
            torch.from_numpy(found.test_labels),
            epochs=epochs or max(1, min(25, 400_000 // n)),
            lr=6e-3,
            seed=seed,
            network=HouseNumberNet,
            augment=warped,
            weight_decay=0.02,
            bf16=True,
        )

    name = f"svhn-{len(found.train_images)}-1" + (f"-{epochs}" if epochs else "")
    return kept(name, HouseNumberNet, train, LEAST["svhn"], cache)


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
    path = (cache or cache_folder("classifiers")) / f"{name}.safetensors"
    if (found := restored(path, lambda _: network(), "accuracy")) is not None:
        return Classifier(*found)
    best = train(0)
    for seed in range(1, tries):
        if best.accuracy >= least:
            break
        best = max(best, train(seed), key=lambda c: c.accuracy)
    write_tensors(path, best.network.state_dict(), {"accuracy": best.accuracy})
    return best
