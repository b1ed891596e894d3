"""Paired data: named sets with exact answers where they exist, and users' own arrays."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from wyner.data import (
    binary,
    celeba,
    class_features,
    digits,
    emoji,
    fashion,
    folders,
    linear_sequences,
    mnist_svhn,
    sketchy,
    speech,
    synthetic,
)
from wyner.data.corpus import Corpus
from wyner.data.dataset import Dataset
from wyner.data.files import is_file, source_of
from wyner.data.readers import read
from wyner.data.table import Table, View
from wyner.data.tables import from_arrays, from_tables
from wyner.errors import OptionError, unknown


def _full(make: Callable[..., Dataset]) -> Callable[..., Dataset]:
    def made(**options: Any) -> Dataset:
        return make(full=True, **options)

    made.__doc__ = make.__doc__
    signature = inspect.signature(make)
    kept = [p for n, p in signature.parameters.items() if n != "full"]
    made.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    return made


def _cut(make: Callable[..., Corpus]) -> Callable[..., Dataset]:
    def made(steps: int = 20, **options: Any) -> Dataset:
        return make(**options).dataset(steps)

    made.__doc__ = make.__doc__
    signature = inspect.signature(make)
    steps = inspect.signature(made).parameters["steps"].replace(kind=inspect.Parameter.KEYWORD_ONLY)
    every = [*signature.parameters.values(), steps]
    made.__signature__ = signature.replace(parameters=every)  # type: ignore[attr-defined]
    return made


TABLE: dict[str, Callable[..., Dataset]] = {
    "mog": synthetic.mog,
    "gaussian": synthetic.gaussian,
    "digits-halves": digits.halves,
    "digits-add1": digits.add1,
    "mnist-halves": _full(digits.halves),
    "mnist-add1": _full(digits.add1),
    **{name: partial(binary.binary, name) for name in binary.SETS},
    "mnist-svhn": mnist_svhn.same,
    "mnist-svhn-add1": mnist_svhn.add1,
    "fashion-mnist": fashion.pairs,
    "celeba": celeba.celeba,
    "emoji": emoji.emoji,
    "sketchy": sketchy.sketchy,
    "sketchy-features": class_features.sketchy_features,
    "image-pairs": folders.image_pairs,
    "tables": from_tables,
    "linear-sequences": linear_sequences.linear_sequences,
    "timit": _cut(speech.timit),
    "speech": _cut(speech.from_csv),
    "ravdess": _cut(speech.ravdess),
    "fsdd": _cut(speech.fsdd),
}
"""Every named data set. A new one is a function that returns a `Dataset`, and a line here."""


def load(name: str, **options: Any) -> Dataset:
    """A named data set, or the pairs in a user's own file.

    Args:
        name: from `wyner list data`, or the path of a file that `read` takes, such as `.csv` or
            `.npz`.
        **options: of the function that makes it, for example `train=1000` or `correlations=[0.9,
            0.5]`.

    Returns:
        A record with `.train`, `.validation`, `.test` (arrays by name), `.spaces`, `.truth` (exact
        values in nats).

    Raises:
        OptionError: an unknown name or option. DataError: files that are missing or damaged.

    Example:
        >>> import wyner
        >>> mog = wyner.data.load("mog", train=100, validation=10, test=10)
        >>> round(mog.truth["common_information"], 6)
        0.500402
    """
    if is_file(name):
        found = source_of(name)
        make: Callable[..., Dataset] = partial(from_tables, found.get("files", name))
        known = set(inspect.signature(from_tables).parameters) - {"source", "files"}
    elif name in TABLE:
        make = TABLE[name]
        known = set(inspect.signature(make).parameters) - (
            {"full"} if name.startswith("digits-") else set()
        )
    else:
        raise OptionError(
            unknown("data set", name, TABLE) + "; or give the path of a file, such as data.csv"
        )
    for option in options:
        if option not in known:
            raise OptionError(f"{name}: {unknown('option', option, known)}")
    return make(**options)


from_npz = from_tables
"""The name of version 0.1.0."""

__all__ = [
    "TABLE",
    "Dataset",
    "Table",
    "View",
    "from_arrays",
    "from_npz",
    "from_tables",
    "load",
    "read",
]
