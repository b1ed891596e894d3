"""`wyner convert`: two recordings exchange their voices."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wyner.data import audio
from wyner.data.spectra import Spectra
from wyner.errors import OptionError, RunError
from wyner.files import write_bytes
from wyner.models.stored import load
from wyner.runs import read_config
from wyner.tasks import voices


def features_of(run: Path) -> tuple[Spectra, np.ndarray, np.ndarray]:
    """How the sound of a run became frames: the transform, and mean and deviation of each bin.

    Raises:
        RunError: a run that was not trained on speech.
    """
    about = read_config(run).get("about", {})
    found = about.get("spectra")
    if not isinstance(found, dict) or not {"rate", "mean", "deviation"} <= set(found):
        raise RunError(
            f"{run} does not say how its sound became frames; expected a run on speech, as `wyner"
            " reproduce dsae` makes them"
        )
    options = {k: v for k, v in found.items() if k not in ("mean", "deviation")}
    return (
        Spectra(**options),
        np.array(found["mean"], np.float32),
        np.array(found["deviation"], np.float32),
    )


def convert(
    run: Path, first: Path, second: Path, out: Path, samples: int = 0, seed: int = 0
) -> list[Path]:
    """Writes the first recording in the voice of the second and the other way round, as wav files
    with a picture of the spectra.

    Args:
        run: folder of a trained DSAE.
        first, second: sound files.
        out: a folder.
        samples: besides, how often what the first says is put in a made-up voice, and its voice
            given made-up sounds.
        seed: of these.

    Raises:
        RunError, DataError: runs or files that cannot be read.
    """
    one, other = names_of(first, second)
    spectra, mean, deviation = features_of(run)
    model = load(run)
    frames = {}
    for path in (first, second):
        sound, rate = audio.read(path)
        frames[path] = (spectra.of(audio.resampled(sound, rate, spectra.rate)) - mean) / deviation
    a, b = frames[first], frames[second]
    made = {
        f"{one}-again": voices.convert(model, a, a),
        f"{one}-as-{other}": voices.convert(model, a, b),
        f"{other}-as-{one}": voices.convert(model, b, a),
    }
    for k in range(samples):
        made[f"{one}-any-voice-{k}"] = voices.any_voice(model, a, seed + k)
        made[f"{one}-any-words-{k}"] = voices.any_words(model, a, seed=seed + k)
    written = []
    for name, found in made.items():
        path = out / f"{name}.wav"
        audio.write_wav(path, spectra.sound(found * deviation + mean), spectra.rate)
        written.append(path)
    shown = {one: a, other: b, **made}
    picture = out / "spectra.png"
    write_bytes(picture, draw({k: v * deviation + mean for k, v in list(shown.items())}, spectra))
    return [*written, picture]


def names_of(first: Path, second: Path) -> tuple[str, str]:
    """Names of two recordings that differ: of the files, with those of their folders if need be.

    Raises:
        OptionError: one recording twice.
    """
    if first.resolve() == second.resolve():
        raise OptionError(f"expected two recordings, got {first} twice")
    if first.stem != second.stem:
        return first.stem, second.stem
    one, other = (f"{p.resolve().parent.name}-{p.stem}" for p in (first, second))
    return (one, other) if one != other else (f"{one}-1", f"{other}-2")


def draw(frames: dict[str, np.ndarray], spectra: Spectra) -> bytes:
    """Log magnitudes `(t, bins)` by name, below each other on one scale, as PNG."""
    from wyner.canvas import dress, figure, png

    longest = max(len(f) for f in frames.values()) * spectra.shift
    low, high = np.quantile(np.concatenate([f.ravel() for f in frames.values()]), (0.02, 0.998))
    made = figure(7.0, 1.35 * len(frames) + 0.4)
    axes = np.atleast_1d(made.subplots(len(frames), 1, sharex=True))
    for ax, (name, f) in zip(axes, frames.items(), strict=True):
        dress(ax, ylabel="kHz", title=name, grid=False)
        extent = (0.0, len(f) * spectra.shift, 0.0, spectra.rate / 2000)
        ax.imshow(
            f.T,
            origin="lower",
            aspect="auto",
            extent=extent,
            cmap="magma",
            vmin=low,
            vmax=high,
            interpolation="nearest",
        )
        ax.set_xlim(0, longest)
    axes[-1].set_xlabel("seconds")
    return png(made)
