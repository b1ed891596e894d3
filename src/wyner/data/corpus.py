"""A corpus: recordings of several speakers as normalised log-magnitude frames, in three parts, and
windows of them to train on.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from wyner.data import audio
from wyner.data.dataset import PARTS, Dataset
from wyner.data.fetch import cache
from wyner.data.spectra import Spectra
from wyner.errors import DataError
from wyner.families import StepGaussian, Trainable
from wyner.files import write_bytes
from wyner.ragged import Ragged
from wyner.variables import Sequence as Frames


@dataclass(frozen=True)
class Recording:
    """One utterance: its frames `(t, bins)`, normalised, who speaks, and what else is known."""

    name: str
    speaker: str
    part: str
    frames: np.ndarray
    gender: str = ""
    about: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Corpus:
    """Recordings of several speakers.

    Attributes:
        name: of the corpus.
        recordings: in the order of their names.
        spectra: how frames were made.
        mean, deviation: of each bin over the training frames, taken out of all; `(bins,)`.
        notes: what a reader of a report should know.
        source: what makes the same corpus again.
    """

    name: str
    recordings: tuple[Recording, ...]
    spectra: Spectra
    mean: np.ndarray
    deviation: np.ndarray
    notes: tuple[str, ...] = ()
    source: dict[str, Any] = field(default_factory=dict)

    def part(self, name: str) -> list[Recording]:
        """The recordings of one part."""
        return [r for r in self.recordings if r.part == name]

    def log_magnitude(self, frames: np.ndarray) -> np.ndarray:
        """Log magnitudes of normalised frames."""
        return frames * self.deviation + self.mean

    def features(self) -> dict[str, Any]:
        """How frames are made, as plain values: what a run keeps to turn sound into frames and
        back.
        """
        return dict(
            **asdict(self.spectra), mean=self.mean.tolist(), deviation=self.deviation.tolist()
        )

    def dataset(self, steps: int = 20) -> Dataset:
        """Windows of `steps` frames: cut anew in every epoch to train on, consecutive to validate
        and test.

        The decoder has one trained variance a bin.
        """
        held: dict[str, Any] = {}
        for part in PARTS[1:]:
            cut = [
                (segments(r.frames, steps), r) for r in self.part(part) if len(r.frames) >= steps
            ]
            if cut:
                speakers = sorted({r.speaker for r in self.recordings})
                label = np.concatenate([np.full(len(w), speakers.index(r.speaker)) for w, r in cut])
                held[part] = {
                    "x": np.concatenate([w for w, _ in cut]),
                    "label": label.astype(np.int64),
                }
        train = {"x": Ragged([r.frames for r in self.part("train")], steps)}
        return Dataset.of(
            {"name": self.name, **self.source, "steps": steps},
            {"train": train, **held},
            {"x": Frames(steps, self.spectra.bins)},
            families={"x": StepGaussian(Trainable())},
            notes=self.notes,
            about={"spectra": self.features(), "text": f"{self}."},
            sides={part: self.part(part) for part in PARTS},
        )

    def __str__(self) -> str:
        parts = ", ".join(
            f"{len(rs)} {p} ({len({r.speaker for r in rs})} speakers,"
            f" {sum(len(r.frames) for r in rs) * self.spectra.shift / 60:.1f} min)"
            for p in PARTS
            if (rs := self.part(p))
        )
        return f"{self.name}: {parts}; {self.spectra.bins} bins"


def segments(frames: np.ndarray, steps: int) -> np.ndarray:
    """Consecutive windows `(n, steps, bins)` from the start; what is left at the end is dropped."""
    n = len(frames) // steps
    return frames[: n * steps].reshape(n, steps, frames.shape[1])


@dataclass(frozen=True)
class Found:
    """A recording before it is read: how to get its bytes, and what is known of it."""

    name: str
    read: Callable[[], bytes]
    speaker: str
    part: str
    gender: str = ""
    about: dict[str, str] = field(default_factory=dict)


def built(
    name: str,
    found: Iterable[Found],
    spectra: Spectra,
    notes: tuple[str, ...],
    source: dict[str, Any],
) -> Corpus:
    """Reads all recordings, or takes their frames from the cache, and takes mean and deviation of
    the training frames out.
    """
    found = list(found)
    if missing := [p for p in ("train", "test") if not any(f.part == p for f in found)]:
        who = sorted({f.speaker for f in found})
        raise DataError(
            f"{name}: no recording is left for the part {missing[0]}, with the speakers"
            f" {', '.join(who[:5])}; name parts in a column part, or split by utterances"
        )
    raw = _cached(name, found, spectra)
    train = np.concatenate(
        [f for f, about in zip(raw, found, strict=True) if about.part == "train"]
    )
    mean = train.mean(0, dtype=np.float64).astype(np.float32)
    deviation = np.maximum(train.std(0, dtype=np.float64), 1e-3).astype(np.float32)
    recordings = tuple(
        Recording(f.name, f.speaker, f.part, (frames - mean) / deviation, f.gender, f.about)
        for f, frames in zip(found, raw, strict=True)
    )
    return Corpus(name, recordings, spectra, mean, deviation, notes, source)


def _cached(name: str, found: Sequence[Found], spectra: Spectra) -> list[np.ndarray]:
    """Log magnitudes of all recordings; kept in the cache as one file, under a name made of what
    they were made from.
    """
    key = hashlib.blake2b(repr((spectra, [f.name for f in found])).encode(), digest_size=8)
    for f in found:
        key.update(hashlib.blake2b(f.read(), digest_size=16).digest())
    path = cache("spectra", f"{name}-{key.hexdigest()}.npz")
    if (kept := _kept(path, len(found))) is not None:
        return kept
    parts = []
    for f in found:
        sound, rate = audio.read(f.read(), f.name)
        try:
            parts.append(spectra.of(audio.resampled(sound, rate, spectra.rate)))
        except DataError as e:
            raise DataError(f"{f.name}: {e}") from e
    out = io.BytesIO()
    np.savez(out, frames=np.concatenate(parts), lengths=np.array([len(p) for p in parts]))
    write_bytes(path, out.getvalue())
    return parts


def _kept(path: Path, recordings: int) -> list[np.ndarray] | None:
    """The frames in a file of the cache; None if there is none, or a damaged one, which is then
    made again.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            frames, lengths = stored["frames"], stored["lengths"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    whole = len(lengths) == recordings and lengths.sum() == len(frames)
    return np.split(frames, np.cumsum(lengths)[:-1]) if whole else None
