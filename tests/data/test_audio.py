"""Wav files as they come, and corpora whose recordings change or whose parts are empty."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from wyner.commands.voices import names_of
from wyner.data import audio
from wyner.data.speech import from_csv
from wyner.errors import DataError, OptionError

SOUND = np.round(12000 * np.sin(np.arange(800) / 7)).astype(np.int16)


def wav(samples: np.ndarray, rate: int = 8000) -> bytes:
    out = io.BytesIO()
    wavfile.write(out, rate, samples)
    return out.getvalue()


def extensible(samples: np.ndarray, rate: int = 8000) -> bytes:
    """16-bit PCM under the extensible format, as recorders of many channels write it."""
    raw = samples.astype("<i2").tobytes()
    guid = struct.pack("<H", 1) + bytes.fromhex("000000001000800000aa00389b71")
    head = struct.pack("<HHIIHHHHI", 0xFFFE, 1, rate, 2 * rate, 2, 16, 22, 16, 4) + guid
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(raw))
    return b"RIFF" + struct.pack("<I", len(body) + len(raw)) + body + raw


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (wav(SOUND), SOUND / 32768),
        (wav(SOUND)[:-1], SOUND[:-1] / 32768),
        (extensible(SOUND), SOUND / 32768),
        (wav(np.stack([SOUND, -SOUND // 2], 1)), (SOUND / 32768 + -SOUND // 2 / 32768) / 2),
        (wav((SOUND // 256 + 128).astype(np.uint8)), (SOUND // 256) / 128),
        (wav(SOUND.astype(np.int32) * 65536), SOUND / 32768),
        (wav((SOUND / 32768).astype(np.float32)), SOUND / 32768),
    ],
    ids=["plain", "one byte short", "extensible", "stereo", "8 bits", "32 bits", "floats"],
)
def test_wav_files(content: bytes, expected: np.ndarray) -> None:
    samples, rate = audio.read(content)
    assert rate == 8000
    np.testing.assert_allclose(samples, expected, atol=1e-6)


def corpus(folder: Path, speakers: list[str], shift: int = 0) -> Path:
    rows = ["file,speaker"]
    for i, who in enumerate(speakers):
        (folder / f"{i}.wav").write_bytes(wav(np.roll(SOUND, shift * i)[: 800 - 10 * i]))
        rows.append(f"{i}.wav,{who}")
    (folder / "t.csv").write_text("\n".join(rows))
    return folder / "t.csv"


def test_the_cache_knows_the_bytes_of_every_recording(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    speakers = ["ann", "ann", "ben", "ben", "cat", "cat"]
    first = from_csv(corpus(tmp_path, speakers), split="utterances")
    again = from_csv(corpus(tmp_path, speakers, shift=3), split="utterances")
    same = [np.array_equal(a.frames, b.frames) for a, b in zip(first.recordings, again.recordings)]
    assert not any(same[1:])


def test_a_corpus_of_one_speaker_has_no_other_to_test_on(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(
        DataError, match="no recording is left for the part train.* ann; name parts"
    ):
        from_csv(corpus(tmp_path, ["ann"] * 4))


def test_outputs_of_a_conversion_have_names_of_their_own(tmp_path) -> None:
    one, other = tmp_path / "spk0" / "SA0.wav", tmp_path / "spk1" / "SA0.wav"
    assert names_of(one, other) == ("spk0-SA0", "spk1-SA0")
    assert names_of(one, tmp_path / "SA1.wav") == ("SA0", "SA1")
    assert len(set(names_of(tmp_path / "a" / "x" / "1.wav", tmp_path / "b" / "x" / "1.wav"))) == 2
    with pytest.raises(OptionError, match="expected two recordings, got .* twice"):
        names_of(one, one)
