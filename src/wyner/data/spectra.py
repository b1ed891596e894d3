"""Log-magnitude spectra of sound, and back by Griffin and Lim's iteration. Specification of
sequence models, 2.1.

Windows of 25 ms every 10 ms: at 16 kHz 400 samples, 160 apart, 201 bins; at 8 kHz 200, 80 and 101.
A square-root Hann window, as in the FHVAE code; natural logarithm of the magnitude, floored at 1e-5
(our choice).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wyner.errors import DataError, OptionError

FRAMES = 4096
"""Frames that are transformed at a time, so that an hour of sound needs no more memory than its
spectra."""


@dataclass(frozen=True)
class Spectra:
    """How sound becomes frames.

    Args:
        rate: sampling rate in Hz.
        window, shift: in seconds.
        floor: smallest magnitude.
    """

    rate: int = 16_000
    window: float = 0.025
    shift: float = 0.01
    floor: float = 1e-5

    def __post_init__(self) -> None:
        if self.rate < 1 or not 0 < self.shift <= self.window or not self.floor > 0:
            raise OptionError(
                f"Spectra: expected rate > 0, 0 < shift <= window and floor > 0, got {self}"
            )
        if self.length < 2 or self.hop < 1:
            raise OptionError(
                f"Spectra: windows of {self.window} s have fewer than two samples at {self.rate} Hz"
            )

    @property
    def length(self) -> int:
        """Samples of a window."""
        return round(self.rate * self.window)

    @property
    def hop(self) -> int:
        """Samples from one window to the next."""
        return round(self.rate * self.shift)

    @property
    def bins(self) -> int:
        """Frequencies of a frame."""
        return self.length // 2 + 1

    def frames(self, samples: int) -> int:
        """Whole windows in a number of samples."""
        return max(0, 1 + (samples - self.length) // self.hop)

    def of(self, sound: np.ndarray) -> np.ndarray:
        """Log max(|S|, floor), float32 `(frames, bins)`, frame k from sample k * hop.

        Raises:
            DataError: less sound than one window.
        """
        count = self.frames(len(sound))
        if not count:
            raise DataError(
                f"expected at least {self.length} samples ({self.window * 1000:g} ms), got"
                f" {len(sound)}"
            )
        out = np.empty((count, self.bins), np.float32)
        signal, taper = torch.from_numpy(np.ascontiguousarray(sound, np.float32)), self._taper()
        for k in range(0, count, FRAMES):
            n = min(FRAMES, count - k)
            part = signal[k * self.hop : (k + n - 1) * self.hop + self.length].unfold(
                0, self.length, self.hop
            )
            out[k : k + n] = torch.fft.rfft(part * taper).abs().clamp_min(self.floor).log().numpy()
        return out

    def _taper(self) -> Tensor:
        return torch.hann_window(self.length).sqrt()

    def sound(
        self, frames: np.ndarray, steps: int = 60, momentum: float = 0.99, seed: int = 0
    ) -> np.ndarray:
        """Sound whose spectra have nearly these magnitudes: Griffin and Lim 1984, with the momentum
        of Perraudin et al. 2013.

        Args:
            frames: log magnitudes `(frames, bins)`.
            steps: of the iteration.
            momentum: 0 for the plain one.
            seed: of the first phases.

        Returns:
            float32, `((frames - 1) hop + length,)`.
        """
        magnitude = torch.from_numpy(np.asarray(frames, np.float32)).exp()
        generator = torch.Generator().manual_seed(seed)
        phase = torch.polar(
            torch.ones(()), 2 * math.pi * torch.rand(magnitude.shape, generator=generator)
        )
        last = torch.zeros_like(phase)
        for _ in range(steps):
            again = self._transform(self._back(magnitude * phase))
            moved = again + momentum * (again - last)
            phase, last = moved / moved.abs().clamp_min(1e-12), again
        return self._back(magnitude * phase).numpy()

    def _transform(self, sound: Tensor) -> Tensor:
        return torch.fft.rfft(sound.unfold(0, self.length, self.hop) * self._taper())

    def _back(self, spectrum: Tensor) -> Tensor:
        """The sound nearest to a spectrum, by least squares: windowed pieces added up, over the sum
        of squared windows.
        """
        taper, count = self._taper(), len(spectrum)
        parts = torch.fft.irfft(spectrum, self.length) * taper
        size = (count - 1) * self.hop + self.length
        fold = lambda rows: torch.nn.functional.fold(
            rows.T[None], (1, size), (1, self.length), stride=(1, self.hop)
        ).flatten()
        weight = fold(taper.square().expand(count, -1))
        return fold(parts) / weight.clamp_min(1e-6)
