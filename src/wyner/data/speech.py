"""Speech with known speakers: TIMIT from its folder, and any corpus from a csv file beside its
recordings.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from wyner.data import audio
from wyner.data.corpus import Corpus, Found, built
from wyner.data.dataset import PARTS
from wyner.data.fetch import local
from wyner.data.spectra import Spectra
from wyner.errors import DataError, OptionError, unknown
from wyner.seeds import DATA, SPLIT, mix

SPLITS = {
    "speakers": "speakers of the test part are in no other",
    "utterances": "the same speakers, other utterances",
}
CORE = set(
    [
        "MDAB0",
        "MWBT0",
        "FELC0",
        "MTAS1",
        "MWEW0",
        "FPAS0",
        "MJMP0",
        "MLNT0",
        "FPKT0",
        "MLLL0",
        "MTLS0",
        "FJLM0",
        "MBPM0",
        "MKLT0",
        "FNLP0",
        "MCMJ0",
        "MJDH0",
        "FMGD0",
        "MGRT0",
        "MNJM0",
        "FDHC0",
        "MJLN0",
        "MPAM0",
        "FMLD0",
    ]
)
"""The 24 speakers of TIMIT's core test set: two men and a woman of each dialect."""


def timit(folder: str | Path | None = None, core: bool = True, seed: int = 0) -> Corpus:
    """TIMIT from its folder, with TRAIN and TEST below it: the official split, a tenth of the
    training utterances to validate on.

    Args:
        folder: by default `$WYNER_DATA_DIR/timit`.
        core: test on the 24 speakers of the core test set without the SA sentences, as the FHVAE
            lineage does; else on all 168 speakers and all sentences.
        seed: of the validation utterances.

    Raises:
        DataError: no such folder, or files that cannot be read.
    """
    base = Path(folder) if folder else local("timit", "TRAIN", "train")
    base = base.parent if base is not None and base.name.lower() == "train" else base
    if base is None or not base.is_dir():
        raise DataError(
            f"TIMIT is not at {folder or '$WYNER_DATA_DIR/timit'}; it is sold by the LDC (LDC93S1):"
            " give the folder with TRAIN and TEST"
        )
    found = []
    for path in sorted(p for p in base.rglob("*") if p.suffix.lower() == ".wav"):
        *_, split, dialect, speaker, file = path.parts
        split, sentence, who = split.lower(), file.split(".")[0].upper(), speaker.upper()
        if split not in ("train", "test") or (
            split == "test" and core and (who not in CORE or sentence.startswith("SA"))
        ):
            continue
        about = {"dialect": dialect.upper(), "sentence": sentence}
        name = f"{split}/{dialect}/{speaker}/{sentence}"
        found.append(Found(name, path.read_bytes, who, split, who[0], about))
    if not any(f.part == "train" for f in found) or not any(f.part == "test" for f in found):
        raise DataError(
            f"{base}: expected wav files as TRAIN/DR1/FCJF0/SA1.WAV and TEST/...; found"
            f" {len(found)} of them"
        )
    trials = "core test: 24 speakers, 8" if core else "full test: 168 speakers, 10"
    source = dict(
        name="timit", folder=None if folder is None else str(folder), core=core, seed=seed
    )
    notes = (f"TIMIT, {trials} sentences each.",)
    return built("timit", _validated(found, 0.1, seed), Spectra(16_000), notes, source)


def from_csv(
    table: str | Path,
    sounds: str | Path | None = None,
    split: str = "speakers",
    test: float | Sequence[str] = 0.25,
    rate: int | None = None,
    seed: int = 0,
    name: str | None = None,
    notes: Sequence[str] = (),
) -> Corpus:
    """A corpus from a csv file with columns file and speaker, perhaps gender and part ("train",
    "validation", "test").

    Args:
        table: the csv file.
        sounds: folder or zip file with the recordings; by default the csv file's folder.
        split: where the csv has no column part: "speakers", of which a share is held out whole, men
            and women alike; or "utterances", a share of those of every speaker.
        test: the share, or names of speakers.
        rate: sampling rate in Hz, by default that of the first recording.
        seed: of the split.
        name, notes: of the corpus.

    Raises:
        DataError: files or columns that are missing. OptionError: an unknown split.
    """
    table = Path(table)
    if split not in SPLITS:
        raise OptionError(unknown("split", split, SPLITS))
    try:
        rows = list(csv.DictReader(io.StringIO(table.read_text())))
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(f"{table}: cannot be read: {e}") from e
    if not rows or not {"file", "speaker"} <= set(rows[0]):
        raise DataError(
            f"{table}: expected columns file and speaker, got"
            f" {', '.join(rows[0]) if rows else 'no row'}"
        )
    read = _reader(Path(sounds) if sounds else table.parent)
    listed = "part" in rows[0]
    chosen = [r.get("part", "") for r in rows] if listed else _parts(rows, split, test, seed)
    found = []
    for row, part in zip(rows, chosen, strict=True):
        file, who, gender = row["file"], row["speaker"], row.get("gender", "")
        if part not in PARTS:
            raise DataError(f"{table}: {file}: {unknown('part', part, PARTS)}")
        about = {k: v for k, v in row.items() if k not in ("file", "speaker", "gender", "part")}
        found.append(Found(file, partial(read, file), who, part, gender, about))
    if not listed:
        found = _validated(found, 0.1, seed)
    rate = rate or audio.read(found[0].read(), found[0].name)[1]
    where = None if sounds is None else str(sounds)
    source = dict(name="speech", table=str(table), sounds=where, split=split, test=test)
    notes = (*notes, f"Test part: {SPLITS[split]}.")
    return built(
        name or table.stem, found, Spectra(rate), notes, source | dict(rate=rate, seed=seed)
    )


def ravdess(split: str = "speakers", seed: int = 0) -> Corpus:
    """RAVDESS speech (Livingstone and Russo 2018, CC BY-NC-SA 4.0): 24 actors, 60 utterances each
    of two sentences, 16 kHz.

    Split by speakers, actors 17 to 24 (four women, four men) are the test part.

    Raises:
        DataError: `$WYNER_DATA_DIR/speech` has no ravdess_speech_16k.csv and zip.
    """
    test: Any = [f"actor_{k:02d}" for k in range(17, 25)] if split == "speakers" else 0.25
    note = "RAVDESS speech, CC BY-NC-SA 4.0, Livingstone and Russo 2018."
    return _named("ravdess", "ravdess_speech_16k", split, test, seed, note)


def fsdd(split: str = "speakers", seed: int = 0) -> Corpus:
    """The Free Spoken Digit Dataset (CC BY-SA 4.0): six men, 500 digits each, 8 kHz.

    Split by speakers, theo and yweweler are the test part; by utterances, takes 0 to 4 of every
    digit, the official one.

    Raises:
        DataError: `$WYNER_DATA_DIR/speech` has no fsdd_8k.csv and zip.
    """
    test: Any = ["theo", "yweweler"] if split == "speakers" else 0.1
    return _named("fsdd", "fsdd_8k", split, test, seed, "Free Spoken Digit Dataset, CC BY-SA 4.0.")


CORPORA: dict[str, Callable[..., Corpus]] = dict(
    timit=timit, speech=from_csv, ravdess=ravdess, fsdd=fsdd
)


def _named(name: str, stem: str, split: str, test: Any, seed: int, note: str) -> Corpus:
    table, sounds = local("speech", f"{stem}.csv"), local("speech", f"{stem}_flac.zip")
    if table is None or sounds is None:
        raise DataError(
            f"{name}: expected speech/{stem}.csv and speech/{stem}_flac.zip below $WYNER_DATA_DIR"
            " or the cache"
        )
    if name == "fsdd" and split == "utterances":
        test = "takes"
    found = from_csv(table, sounds, split, test, seed=seed, name=name, notes=(note,))
    return replace(found, source={"name": name, "split": split, "seed": seed})


def _parts(rows: Sequence[dict[str, str]], split: str, test: Any, seed: int) -> list[str]:
    """The part of every row, "train" or "test"."""
    rng = np.random.default_rng(mix(seed, SPLIT))
    speakers = sorted({r["speaker"] for r in rows})
    if test == "takes":  # the official test part of spoken digits
        return ["test" if int(r["take"]) < 5 else "train" for r in rows]
    if not isinstance(test, (int, float)):
        for who in test:
            if who not in speakers:
                raise DataError(unknown("speaker", who, speakers))
        return ["test" if r["speaker"] in test else "train" for r in rows]
    if not 0 < test < 1:
        raise OptionError(
            f"test: expected a share between 0 and 1 or names of speakers, got {test!r}"
        )
    if split == "speakers":
        gender = {r["speaker"]: r.get("gender", "") for r in rows}
        held: set[str] = set()
        for g in sorted(set(gender.values())):
            group = [s for s in speakers if gender[s] == g]
            held |= set(rng.permutation(group)[: max(1, round(test * len(group)))].tolist())
        return ["test" if r["speaker"] in held else "train" for r in rows]
    found = ["train"] * len(rows)
    for who in speakers:
        own = [i for i, r in enumerate(rows) if r["speaker"] == who]
        for i in rng.permutation(own)[: max(1, round(test * len(own)))]:
            found[i] = "test"
    return found


def _validated(found: Sequence[Found], share: float, seed: int) -> list[Found]:
    """A share of the training utterances becomes the validation part."""
    rng = np.random.default_rng(mix(seed, SPLIT, DATA))
    train = [i for i, f in enumerate(found) if f.part == "train"]
    held = set(rng.permutation(train)[: round(share * len(train))].tolist())
    return [replace(f, part="validation") if i in held else f for i, f in enumerate(found)]


def _reader(sounds: Path) -> Callable[[str], bytes]:
    if sounds.is_dir():
        return lambda name: _bytes(sounds / name)
    if not sounds.exists():
        raise DataError(f"{sounds}: there is no such folder or zip file")
    try:
        archive = zipfile.ZipFile(sounds)
    except (OSError, zipfile.BadZipFile) as e:
        raise DataError(f"{sounds}: expected a folder or a zip file of recordings: {e}") from e
    known = set(archive.namelist())

    def read(name: str) -> bytes:
        if name not in known:
            raise DataError(f"{sounds} has no file {name}, which the csv file names")
        return archive.read(name)

    return read


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as e:
        raise DataError(f"{path}: cannot be read: {e.strerror or e}") from e
