"""Speech: sound files, spectra and back, corpora and their splits. All sounds are made here."""

from __future__ import annotations

import csv
import wave
import zipfile

import numpy as np
import pytest

from wyner.data import audio, speech
from wyner.data.spectra import Spectra
from wyner.errors import DataError, OptionError

RATE = 8000


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("WYNER_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("WYNER_DATA_DIR", raising=False)


def tone(hertz: float, seconds: float = 0.4, rate: int = RATE) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(
        np.float32
    )


def sphere(samples: np.ndarray, rate: int, order: str = "01", coding: str = "pcm") -> bytes:
    """A NIST SPHERE file."""
    head = (
        "NIST_1A\n   1024\n"
        + "".join(
            f"{k} {v}\n"
            for k, v in (
                ("channel_count", "-i 1"),
                ("sample_count", f"-i {len(samples)}"),
                ("sample_rate", f"-i {rate}"),
                ("sample_n_bytes", "-i 2"),
                ("sample_byte_format", f"-s2 {order}"),
                ("sample_coding", f"-s{len(coding)} {coding}"),
            )
        )
        + "end_head\n"
    )
    return (
        head.encode().ljust(1024)
        + np.round(samples * 32767).astype("<i2" if order == "01" else ">i2").tobytes()
    )


# sound files


@pytest.mark.parametrize("order", ["01", "10"])
def test_sphere_files(order):
    sound = tone(440)
    found, rate = audio.read(sphere(sound, 16_000, order))
    assert rate == 16_000
    np.testing.assert_allclose(found, sound, atol=1e-4)


def test_wav_files(tmp_path):
    sound = tone(440)
    audio.write_wav(tmp_path / "a.wav", sound, RATE)
    found, rate = audio.read(tmp_path / "a.wav")
    assert rate == RATE
    np.testing.assert_allclose(found, sound, atol=1e-4)
    with wave.open(str(tmp_path / "b.wav"), "wb") as f:
        f.setnchannels(2)
        f.setsampwidth(2)
        f.setframerate(RATE)
        f.writeframes(np.stack([np.full(10, 8000), np.full(10, 0)], 1).astype("<i2").tobytes())
    np.testing.assert_allclose(audio.read(tmp_path / "b.wav")[0], 4000 / 32768)
    audio.write_wav(tmp_path / "loud.wav", 4 * sound, RATE)
    assert np.abs(audio.read(tmp_path / "loud.wav")[0]).max() <= 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "wav or SPHERE|cannot be read as sound"),
        (b"fLaC but no more", "wav or SPHERE|cannot be read as sound"),
        (b"NIST_1A\n   1024\nsample_rate\n", "SPHERE header"),
        (sphere(np.zeros(10), 16_000, coding="pcm,embedded-shorten-v2.00"), "16-bit PCM"),
        (sphere(np.zeros(0), 16_000), "no sample"),
    ],
)
def test_what_is_no_sound(content, words):
    with pytest.raises(DataError, match=words):
        audio.read(content, "a.wav")


def test_missing_files_and_bad_samples_write_nothing(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        audio.read(tmp_path / "none.wav")
    with pytest.raises(DataError, match="finite"):
        audio.write_wav(tmp_path / "a.wav", np.array([0.0, np.nan]), RATE)
    assert not list(tmp_path.iterdir())


def test_resampling_keeps_a_tone():
    found = audio.resampled(tone(440, rate=RATE), RATE, 16_000)
    np.testing.assert_allclose(found[200:-200], tone(440, rate=16_000)[200:-200], atol=5e-3)
    assert len(audio.resampled(tone(440), RATE, RATE)) == len(tone(440))


# spectra


def test_sizes_are_those_of_the_specification():
    assert [(s.length, s.hop, s.bins) for s in (Spectra(16_000), Spectra(8000))] == [
        (400, 160, 201),
        (200, 80, 101),
    ]
    assert Spectra(16_000).frames(400 + 19 * 160) == 20  # 215 ms
    assert Spectra(16_000).frames(399) == 0


def test_frames_are_the_transform_written_out():
    spectra, sound = Spectra(RATE), tone(1000) + 0.1 * tone(60)
    found = spectra.of(sound)
    assert found.shape == (spectra.frames(len(sound)), 101)
    assert (found.argmax(1) == 25).all()  # 1000 Hz at 40 Hz a bin
    taper = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(200) / 200))
    direct = np.abs(np.fft.rfft(sound[7 * 80 : 7 * 80 + 200] * taper))
    np.testing.assert_allclose(np.exp(found[7]), np.maximum(direct, 1e-5), atol=1e-5)
    assert spectra.of(np.zeros(1000)).max() == pytest.approx(np.log(1e-5))


def test_blocks_change_nothing(monkeypatch):
    sound = np.random.default_rng(0).standard_normal(4000).astype(np.float32)
    whole = Spectra(RATE).of(sound)
    monkeypatch.setattr("wyner.data.spectra.FRAMES", 7)
    np.testing.assert_array_equal(Spectra(RATE).of(sound), whole)


def test_back_to_sound_of_nearly_these_spectra():
    """Griffin and Lim's iteration comes near to the magnitudes, and nearer with more steps."""
    rng = np.random.default_rng(0)
    sound = (
        tone(300) * np.linspace(0.2, 1, len(tone(300)))
        + 0.3 * tone(900)
        + 0.01 * rng.standard_normal(len(tone(300)))
    )
    spectra = Spectra(RATE)
    frames = spectra.of(sound.astype(np.float32))

    def off(steps: int) -> float:
        again = np.exp(spectra.of(spectra.sound(frames, steps)))
        return float(np.linalg.norm(again - np.exp(frames)) / np.linalg.norm(np.exp(frames)))

    assert len(spectra.sound(frames, 1)) == 200 + 80 * (len(frames) - 1)
    assert off(60) < 0.1
    assert off(60) < 0.5 * off(1)


def test_options_and_short_sounds_are_refused():
    with pytest.raises(OptionError, match="shift"):
        Spectra(window=0.01, shift=0.02)
    with pytest.raises(DataError, match="at least 200 samples"):
        Spectra(RATE).of(np.zeros(199))


# corpora


def corpus_files(folder, speakers=("anna", "ben", "carla", "dan"), each=6, **columns):
    """A csv and wav files: every speaker has a pitch."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for k, who in enumerate(speakers):
        for i in range(each):
            audio.write_wav(
                folder / f"{who}-{i}.wav", tone(200 + 150 * k + 5 * i, 0.3 + 0.05 * i), RATE
            )
            rows.append(
                {"file": f"{who}-{i}.wav", "speaker": who, "gender": "FM"[k % 2], "word": str(i)}
            )
    for name, values in columns.items():
        for row, value in zip(rows, values, strict=True):
            row[name] = value
    with (folder / "table.csv").open("w", newline="") as f:
        writer = csv.DictWriter(f, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder / "table.csv"


def test_speakers_of_the_test_part_are_in_no_other(tmp_path):
    corpus = speech.from_csv(corpus_files(tmp_path), split="speakers", test=0.5)
    speakers = {p: {r.speaker for r in corpus.part(p)} for p in speech.PARTS}
    assert not speakers["test"] & (speakers["train"] | speakers["validation"])
    assert {r.gender for r in corpus.part("test")} == {"F", "M"}
    assert len(corpus.recordings) == 24
    assert "speakers of the test part are in no other" in corpus.notes[-1]
    train = np.concatenate([r.frames for r in corpus.part("train")])
    np.testing.assert_allclose(train.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(train.std(0), 1, atol=1e-2)
    r = corpus.recordings[0]
    raw = corpus.spectra.of(audio.read(tmp_path / r.name)[0])
    np.testing.assert_allclose(corpus.log_magnitude(r.frames), raw, atol=1e-4)
    assert r.about == {"word": "0"}


def test_utterances_of_the_test_part_are_in_no_other(tmp_path):
    corpus = speech.from_csv(corpus_files(tmp_path), split="utterances", test=0.34)
    names = {p: {r.name for r in corpus.part(p)} for p in speech.PARTS}
    assert sum(map(len, names.values())) == 24
    assert not names["test"] & names["train"]
    assert {r.speaker for r in corpus.part("test")} == {r.speaker for r in corpus.part("train")}
    assert len(names["test"]) == 8


def test_named_speakers_parts_and_archives(tmp_path):
    named = speech.from_csv(corpus_files(tmp_path / "a"), test=["dan"])
    assert {r.speaker for r in named.part("test")} == {"dan"}
    table = corpus_files(tmp_path / "b", part=["train"] * 12 + ["validation"] * 6 + ["test"] * 6)
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as z:
        for wav in (tmp_path / "b").glob("*.wav"):
            z.write(wav, wav.name)
    given = speech.from_csv(table, tmp_path / "b.zip")
    assert [len(given.part(p)) for p in speech.PARTS] == [12, 6, 6]


def test_windows_of_a_corpus(tmp_path):
    data = speech.from_csv(corpus_files(tmp_path), test=["dan"]).dataset(steps=10)
    assert data.spaces["x"].event_shape == (10, 101)
    assert data.test["x"].shape[1:] == (10, 101)
    assert set(data.test["label"]) == {3}
    assert data.train["x"].shape[1:] == (10, 101)
    assert data.about["spectra"]["rate"] == RATE
    assert len(data.about["spectra"]["mean"]) == 101


def test_frames_are_read_once(tmp_path, monkeypatch):
    table = corpus_files(tmp_path)
    first = speech.from_csv(table)
    monkeypatch.setattr(speech.Spectra, "of", lambda *_: pytest.fail("frames were made again"))
    again = speech.from_csv(table)
    np.testing.assert_array_equal(first.recordings[3].frames, again.recordings[3].frames)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: (f / "anna-0.wav").unlink(), "cannot be read"),
        (lambda f: (f / "anna-0.wav").write_bytes(b"RIFF"), "wav or SPHERE|as sound"),
        (lambda f: (f / "table.csv").write_text("name,who\n"), "columns file and speaker"),
        (lambda f: audio.write_wav(f / "anna-0.wav", np.zeros(50), RATE), "at least 200 samples"),
    ],
)
def test_damaged_corpora(tmp_path, change, words):
    table = corpus_files(tmp_path)
    change(tmp_path)
    with pytest.raises(DataError, match=words):
        speech.from_csv(table)


def test_unknown_options(tmp_path):
    table = corpus_files(tmp_path)
    with pytest.raises(OptionError, match="unknown split"):
        speech.from_csv(table, split="speaker")
    with pytest.raises(DataError, match="unknown speaker 'Anna'"):
        speech.from_csv(table, test=["Anna"])
    with pytest.raises(OptionError, match="share between 0 and 1"):
        speech.from_csv(table, test=1.5)
    for make in (speech.ravdess, speech.fsdd):
        with pytest.raises(DataError, match=r"speech/.*csv"):
            make()


def timit_folder(base):
    """Two training and three test speakers, one of whom is in the core test set."""
    for split, dialect, who in (
        ("TRAIN", "DR1", "FCJF0"),
        ("TRAIN", "DR2", "MABC0"),
        ("TEST", "DR1", "FELC0"),
        ("TEST", "DR1", "MDAB0"),
        ("TEST", "DR3", "FXYZ0"),
    ):
        for sentence in ("SA1", "SI1027", "SX37", "SX47", "SX57", "SX67"):
            path = base / split / dialect / who / f"{sentence}.WAV"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sphere(tone(300, 0.3, 16_000), 16_000))
    return base


def test_timit_from_its_folder(tmp_path):
    core = speech.timit(timit_folder(tmp_path / "timit"))
    assert {r.speaker for r in core.part("test")} == {"FELC0", "MDAB0"}
    assert not [r for r in core.part("test") if "SA" in r.name]
    assert (len(core.part("train")), len(core.part("validation"))) == (11, 1)
    first = core.part("test")[0]
    assert (first.gender, first.about["dialect"]) == ("F", "DR1")
    assert core.spectra.bins == 201
    full = speech.timit(tmp_path / "timit", core=False)
    assert len(full.part("test")) == 18
    assert "168 speakers" in full.notes[0]
    assert len(speech.CORE) == 24
    assert sum(s[0] == "F" for s in speech.CORE) == 8
    with pytest.raises(DataError, match="LDC93S1"):
        speech.timit()
    with pytest.raises(DataError, match="TRAIN/DR1"):
        speech.timit(tmp_path / "timit" / "TEST")
