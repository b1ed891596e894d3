"""Sound files: NIST SPHERE and PCM wav without further packages, everything else through soundfile
(`wyner[audio]`).
"""

from __future__ import annotations

import io
import struct
import warnings
import wave
from pathlib import Path

import numpy as np

from wyner.errors import DataError
from wyner.files import write_bytes


def read(source: str | Path | bytes, name: str = "") -> tuple[np.ndarray, int]:
    """Samples in [-1, 1] as float32 `(n,)`, channels averaged, and the sampling rate in Hz.

    Args:
        source: a path, or the content of a file.
        name: what to call content in errors.

    Raises:
        DataError: no such file, a format that cannot be read, or no sample.
    """
    name = name or (str(source) if not isinstance(source, bytes) else "sound")
    try:
        content = source if isinstance(source, bytes) else Path(source).read_bytes()
    except OSError as e:
        raise DataError(f"{name}: cannot be read: {e.strerror or e}") from e
    if content.startswith(b"NIST_1A"):
        samples, rate = _sphere(content, name)
    elif content.startswith(b"RIFF"):
        samples, rate = _wav(content, name)
    else:
        samples, rate = _other(content, name)
    if not len(samples):
        raise DataError(f"{name}: holds no sample")
    if not np.isfinite(samples).all():
        raise DataError(f"{name}: holds samples that are no numbers")
    return samples.astype(np.float32), rate


def _sphere(content: bytes, name: str) -> tuple[np.ndarray, int]:
    """NIST SPHERE with uncompressed PCM of 16 bits, as TIMIT has it."""
    try:
        size = int(content[8:16])
        lines = content[16:size].decode("ascii").split("end_head")[0].splitlines()
        fields = {
            k: v for k, _, v in (line.split(" ", 2) for line in lines if line.count(" ") >= 2)
        }
        rate, width = int(fields["sample_rate"]), int(fields.get("sample_n_bytes", "2"))
        channels = int(fields.get("channel_count", "1"))
        coding = fields.get("sample_coding", "pcm").strip()
    except (ValueError, KeyError, UnicodeDecodeError) as e:
        raise DataError(f"{name}: its SPHERE header cannot be read: {e}") from e
    if coding != "pcm" or width != 2:
        raise DataError(
            f"{name}: expected 16-bit PCM in the SPHERE file, got {coding} of {width} bytes;"
            " convert it to wav first"
        )
    order = "<i2" if fields.get("sample_byte_format", "01").strip() == "01" else ">i2"
    whole = content[size : size + (len(content) - size) // 2 * 2]
    return _mixed(np.frombuffer(whole, order), channels) / 32768, rate


def _wav(content: bytes, name: str) -> tuple[np.ndarray, int]:
    """PCM of 8 to 32 bits or floats, plain or extensible; frames that are cut off are left out."""
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)
            rate, found = wavfile.read(io.BytesIO(_whole(content)))
    except (ValueError, EOFError, struct.error):
        return _other(content, name)
    samples, channels = found.astype(np.float64), 1 if found.ndim == 1 else found.shape[1]
    if found.dtype == np.uint8:
        samples = (samples - 128) / 128
    elif found.dtype.kind == "i":
        samples /= -float(np.iinfo(found.dtype).min)
    return _mixed(samples, channels), rate


def _whole(content: bytes) -> bytes:
    """The file with as many frames as it has, whatever its head says."""
    at, frame = 12, 1
    while at + 8 <= len(content):
        kind, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        start = at + 8
        if kind == b"fmt ":
            frame = max(1, int.from_bytes(content[start + 12 : start + 14], "little"))
        if kind == b"data":
            there = min(size, len(content) - start) // frame * frame
            head = content[: at + 4] + there.to_bytes(4, "little")
            return head + content[start : start + there]
        at = start + size + size % 2
    return content


def _other(content: bytes, name: str) -> tuple[np.ndarray, int]:
    try:
        import soundfile
    except ImportError as e:
        raise DataError(
            f"{name}: expected a 16-bit wav or SPHERE file; other formats need soundfile: pip"
            " install 'wyner[audio]'"
        ) from e
    try:
        samples, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    except (RuntimeError, TypeError) as e:
        raise DataError(f"{name}: cannot be read as sound: {e}") from e
    return samples.mean(1), int(rate)


def _mixed(samples: np.ndarray, channels: int) -> np.ndarray:
    samples = samples.reshape(-1)
    whole = samples[: len(samples) // channels * channels]
    return whole.reshape(-1, channels).astype(np.float32).mean(1)


def resampled(samples: np.ndarray, rate: int, to: int) -> np.ndarray:
    """Samples at another rate: the spectrum cut off or continued with zeros, block by block (FFT
    resampling of the whole signal).
    """
    if rate == to:
        return samples
    count = round(len(samples) * to / rate)
    spectrum = np.fft.rfft(samples)
    kept = np.zeros(count // 2 + 1, spectrum.dtype)
    n = min(len(kept), len(spectrum))
    kept[:n] = spectrum[:n]
    return (np.fft.irfft(kept, count) * (count / len(samples))).astype(np.float32)


def write_wav(path: Path, samples: np.ndarray, rate: int) -> None:
    """Writes 16-bit mono PCM atomically; louder samples than 1 are scaled down together.

    Raises:
        DataError: samples that are no numbers. RunError: the file cannot be written.
    """
    samples = np.asarray(samples, np.float32)
    if samples.ndim != 1 or not np.isfinite(samples).all():
        raise DataError(
            f"{path}: expected finite samples of one channel, got shape {samples.shape}"
        )
    samples = samples / max(1.0, float(np.abs(samples).max(initial=0.0)))
    out = io.BytesIO()
    with wave.open(out, "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(rate)
        f.writeframes(np.round(samples * 32767).astype("<i2").tobytes())
    write_bytes(path, out.getvalue())
