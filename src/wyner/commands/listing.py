"""What there is: the command `wyner list`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from wyner import data, models
from wyner.codec import known
from wyner.errors import TaskError, refuse_unknown
from wyner.experiments import grammar, read, shipped
from wyner.families import Combination, Family
from wyner.models import Model
from wyner.tasks import abilities
from wyner.tasks.retrieval import searchable
from wyner.variables import Binary, Real, Sequence, Space

if TYPE_CHECKING:
    from rich.table import Table

STORED: dict[str, tuple[type, ...]] = {"spaces": (Space,), "families": (Family, Combination)}
"""Lists of what may stand in a configuration."""
WHAT = ("models", "data", "experiments", *STORED)
PAIR: dict[str, Space] = {"x": Real(2), "y": Real(2)}
ALONE: dict[str, dict[str, Space]] = {
    "DSAE": {"x": Sequence(8, 2)},
    "PixelCNNVAE": {"x": Binary(1, 28, 28)},
}
"""Models that are not of a pair, each with a small variable."""
COLUMNS = {k: k for k in ("generate", "translate", "restyle", "encode", "retrieve")}
COLUMNS |= {"log_likelihood": "score", "common_information": "measure"}
"""Tasks in the order of the table, and the words above its columns."""


def show(what: str) -> None:
    """Prints one of the tables."""
    refuse_unknown("list", what, WHAT)
    from rich.console import Console

    console = Console(width=None)
    if what == "models":
        kinds: dict[str, Any] = dict(models.TABLE)
        built: dict[str, Model] = {k: kind(**ALONE.get(k, PAIR)) for k, kind in kinds.items()}
        table = _table("model", *COLUMNS.values())
        for name, model in built.items():
            can = abilities(model)
            table.add_row(name, *(can[task] for task in COLUMNS))
        console.print(table)
        console.print(
            "\nx->y: y given x. (x): from x alone. Under retrieve: what can be searched by and for."
            " p(y|x): by importance sampling. What is missing, and why:\n"
        )
        for name, model in built.items():
            for reason in why_not(model):
                console.print(f"  {name} {reason}", markup=False, highlight=False)
        return
    if what in STORED:
        table = _table("name", "in configurations", "what")
        for base in STORED[what]:
            for name, kind in sorted(known(base).items()):
                table.add_row(kind.__name__, name, _first_line(kind))
        console.print(table)
        return
    table = _table(what.rstrip("s") if what == "experiments" else "data set", "what")
    if what == "data":
        for name, make in data.TABLE.items():
            table.add_row(name, _first_line(make))
        table.add_row(
            "FILE",
            "Your own table: .csv, .npz, .parquet, .xlsx, .h5ad, ...; columns x:NAME and y:NAME, or"
            " arrays x and y, one row an example. x=a.csv,y=b.csv for a file each.",
        )
    else:
        for name in shipped():
            e = read(name)
            on = f"{e.model.get('name', 'WynerVAE')} on {e.data['name']}"
            table.add_row(name, f"{on}, {e.fit.get('epochs', 50)} epochs: wyner train {name}")
        for name in grammar.names():
            which = ", ".join(grammar.protocols(name))
            title = grammar.read(name, grammar.protocols(name)[0]).title
            table.add_row(name, f"{title} ({which}): wyner reproduce {name}")
    console.print(table)


def why_not(model: Model) -> list[str]:
    """Why a model cannot be asked something: each task is tried on two rows of zeros."""
    zero: dict[str, Any] = {k: torch.zeros(2, *s.event_shape) for k, s in model.observed.items()}
    tries: list[Callable[[], Any]] = [lambda: model.generate(2)]
    if len(zero) > 1:
        x, y = zero["x"], zero["y"]
        tries += [
            lambda: model.translate(x=x, to="y"),
            lambda: model.translate(y=y, to="x"),
            lambda: model.restyle(x=x, like=zero, to="y"),
            lambda: model.encode(x=x),
            lambda: model.encode(y=y),
        ]
    tries += [lambda: searchable(model), *(lambda k=k: searchable(model, k) for k in zero)]
    tries += [
        lambda: model.log_likelihood(**zero, samples=1),
        lambda: model.common_information(**zero),
    ]
    found = []
    for attempt in tries:
        try:
            attempt()
        except TaskError as e:
            found.append(str(e).removeprefix(f"{model.title} "))
    return list(dict.fromkeys(found))


def _table(*columns: str) -> Table:
    from rich.table import Table

    return Table(*columns, box=None, header_style="bold", pad_edge=False)


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").splitlines()[0]
