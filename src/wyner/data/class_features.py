"""Features for both sides of a zero-shot set, from training classes and at most an outside
network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wyner.data import sketchy
from wyner.data.dataset import PARTS, Dataset
from wyner.data.embeddings import Extractor, embedded, extractor
from wyner.data.zero_shot import Sides
from wyner.errors import DataError, OptionError
from wyner.seeds import INITIAL, mix
from wyner.variables import Real

OWN = "own"
"""Name of the network that is trained here, on the training classes."""


def sketchy_features(
    folder: str | None = None,
    split: str = "1",
    pixels: int = 96,
    size: int = 512,
    rounds: int = 8,
    validation: float = 0.15,
    invert: bool = True,
    networks: Sequence[Mapping[str, Any]] = ({"network": OWN},),
    seed: int = 0,
) -> Dataset:
    """Sketches x and photographs y as features, `Real(size)` each; relevant is the same class.

    Args:
        folder, split, rounds, validation, invert, seed: as of the data set `sketchy`.
        pixels: of a side of the pictures that networks read.
        size: of the features.
        networks: in order of preference; see `features`.
    """
    every = sketchy.sides(sketchy.place(folder), pixels, invert)
    chosen = sketchy.split_of(every.classes, split, validation, seed)
    part = {name: chosen.indices(every.classes, name) for name in PARTS}
    coded, how = features(every, part["train"], networks, size)
    sides = {name: coded.of(part[name]) for name in PARTS}
    plain = replace(every, x=255 - every.x) if invert else every
    source = dict(name="sketchy-features", split=split, pixels=pixels, size=size, rounds=rounds)
    source |= dict(validation=validation, invert=invert, seed=seed)
    train, test = sides["train"], sides["test"]
    text = (
        f"{len(part['train'])} classes to train ({len(train.x)} sketches, {len(train.y)}"
        f" photographs, every one with {rounds} random partners), {len(part['validation'])} held"
        f" out of them to choose settings and epochs, {len(part['test'])} others to test"
        f" ({len(test.x)} queries, a gallery of {len(test.y)})."
    )
    return Dataset.of(
        source | {"networks": [dict(n) for n in networks]},
        {"train": train.pairs(rounds, seed)},
        {"x": Real(size), "y": Real(size)},
        notes=(f"Features: {how}.", sketchy.CREDIT),
        about={"text": text},
        sides={**sides, "shown": plain.of(part["test"])},
    )


def features(
    every: Sides, train: Sequence[int], wanted: Sequence[Mapping[str, Any]], size: int = 512
) -> tuple[Sides, str]:
    """Both sides as features float32 `(N, size)`, and how they were made; mean 0 and variance 1
    over the training classes.

    The outputs of an outside network, standardised, go through one hidden layer of `size` ReLU
    units that was trained, for each side, to tell
    the training classes apart: in place of fine-tuning the network, which needs a GPU.

    Args:
        every: pictures uint8 of all classes.
        train: training classes; nothing is fitted to others.
        wanted: `{network = NAME, size = pixels}` in order of preference, as of `extractor`, or
            `{network = "own", epochs, ...}` for a classifier of pixels that is trained here; the
            first that can be had is taken. `tune = {epochs, ...}` are options of the hidden layer.
        size: of the features.

    Raises:
        DataError: none of them can be had; the reason is that of the last.
    """
    if not wanted:
        raise OptionError("features: expected at least one network")
    for i, options in enumerate(wanted):
        rest = dict(options)
        name, tune = rest.pop("network"), rest.pop("tune", {})
        try:
            nets = (
                _own(every, train, size, **rest) if name == OWN else [extractor(name, **rest)] * 2
            )
            break
        except DataError:
            if i + 1 == len(wanted):
                raise
    raw = [embedded(pictures, net) for pictures, net in zip((every.x, every.y), nets, strict=True)]
    how = f"{nets[0].name} at {nets[0].size} pixels"
    made = []
    for k, (rows, labels) in enumerate(zip(raw, (every.x_labels, every.y_labels), strict=True)):
        found = _standard(rows, labels, train)
        if name != OWN:
            found = _standard(_tuned(found, labels, train, size, k, **tune), labels, train)
        made.append(found)
    if name != OWN:
        how += (
            f", {raw[0].shape[1]} numbers, then a hidden layer of {size} trained to tell the"
            " training classes apart, one for each side"
        )
    return replace(every, x=made[0], y=made[1]), how


def _standard(rows: np.ndarray, labels: np.ndarray, train: Sequence[int]) -> np.ndarray:
    """Columns with mean 0 and variance 1 over the training classes; those that never change become
    0.
    """
    chosen = rows[np.isin(labels, train)].astype(np.float64)
    mean, scale = chosen.mean(0), chosen.std(0)
    return np.where(scale > 1e-6, (rows - mean) / np.where(scale > 1e-6, scale, 1.0), 0.0).astype(
        np.float32
    )


def _tuned(
    rows: np.ndarray,
    labels: np.ndarray,
    train: Sequence[int],
    size: int,
    side: int,
    epochs: int = 10,
    lr: float = 1e-3,
    dropout: float = 0.5,
    seed: int = 0,
) -> np.ndarray:
    """A hidden layer trained to tell the training classes apart; dropout before and after it."""
    chosen, code = np.isin(labels, train), _codes(labels, train)
    with torch.random.fork_rng([]):
        torch.manual_seed(mix(seed, INITIAL, 10 + side))
        hidden = nn.Sequential(nn.Dropout(dropout), nn.Linear(rows.shape[1], size), nn.ReLU())
        net = nn.Sequential(hidden, nn.Dropout(dropout), nn.Linear(size, len(train)))
        _classify(net, torch.from_numpy(rows[chosen]), code[chosen], epochs, lr, batch=100)
    with torch.no_grad():
        return hidden.eval()(torch.from_numpy(rows)).numpy()


def _codes(labels: np.ndarray, train: Sequence[int]) -> Tensor:
    """Places among the training classes, -1 for others."""
    place = {c: i for i, c in enumerate(train)}
    return torch.tensor([place.get(int(c), -1) for c in labels])


class Small(nn.Module):
    """Four convolutions of stride 2, then a layer of features."""

    def __init__(self, pixels: int, width: int, size: int) -> None:
        super().__init__()
        sizes = [3, width, 2 * width, 4 * width, 8 * width]
        layers: list[nn.Module] = []
        for i, o in pairwise(sizes):
            layers += [nn.Conv2d(i, o, 5, 2, 2), nn.BatchNorm2d(o), nn.LeakyReLU(0.2)]
        flat = sizes[-1] * (pixels // 16) ** 2
        last = (nn.Flatten(), nn.Dropout(0.5), nn.Linear(flat, size), nn.ReLU())
        self.body = nn.Sequential(*layers, *last)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def _own(
    every: Sides,
    train: Sequence[int],
    size: int,
    epochs: int = 20,
    pixels: int = 64,
    width: int = 16,
    lr: float = 1e-3,
    seed: int = 0,
) -> list[Extractor]:
    """A classifier of the training classes for each side, from nothing; its last hidden layer is
    the features.
    """
    chosen, out = every.of(train), []
    for k, (images, labels) in enumerate(
        ((chosen.x, chosen.x_labels), (chosen.y, chosen.y_labels))
    ):
        with torch.random.fork_rng([]):
            torch.manual_seed(mix(seed, INITIAL, k))
            body = Small(pixels, width, size)
            made = Extractor(
                body,
                f"a small network trained on {len(train)} classes",
                pixels,
                (0.5,) * 3,
                (0.5,) * 3,
            )
            blocks = np.array_split(np.arange(len(images)), -(-len(images) // 500))
            x = torch.cat([made.read(torch.from_numpy(np.array(images[b]))) for b in blocks])
            net = nn.Sequential(body, nn.Linear(size, len(train)))
            _classify(net, x, _codes(labels, train), epochs, lr)
        out.append(replace(made, network=body.eval().requires_grad_(False)))
    return out


def _classify(
    net: nn.Module, x: Tensor, labels: Tensor, epochs: int, lr: float, batch: int = 64
) -> None:
    """AdamW on the cross-entropy with labels smoothed by 0.1, over rows, or over pictures and their
    mirror images.
    """
    adam = torch.optim.AdamW(net.parameters(), lr=lr, weight_decay=0.01)
    net.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(batch):
            if len(rows) < 2:  # a single picture has no batch statistics
                continue
            some = x[rows]
            if some.ndim == 4:
                some = torch.where(torch.rand(len(rows), 1, 1, 1) < 0.5, some.flip(-1), some)
            loss = F.cross_entropy(net(some), labels[rows], label_smoothing=0.1)
            adam.zero_grad()
            loss.backward()
            adam.step()
