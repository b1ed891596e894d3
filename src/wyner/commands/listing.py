"""What there is: the command `wyner list`."""

from __future__ import annotations

import inspect

from wyner import data, models
from wyner.errors import OptionError, unknown
from wyner.experiments import read, shipped
from wyner.tasks import abilities
from wyner.variables import Real

WHAT = ("models", "data", "experiments")


def show(what: str) -> None:
    """Prints one of the tables."""
    if what not in WHAT:
        raise OptionError(unknown("list", what, WHAT))
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None)
    if what == "models":
        table = Table(
            "model",
            "generate",
            "translate",
            "restyle",
            "encode",
            "log_likelihood",
            "common_information",
            box=None,
            header_style="bold",
            pad_edge=False,
        )
        for name, kind in models.TABLE.items():
            can = abilities(kind(x=Real(2), y=Real(2)))  # type: ignore[call-arg]
            table.add_row(name, *can.values())
        console.print(table)
        console.print("x->y: y given x. (x): from x alone. Questions that a model has no law for say so.")
        return
    table = Table(
        what.rstrip("s") if what == "experiments" else "data set", "what", box=None, header_style="bold", pad_edge=False
    )
    if what == "data":
        for name, make in data.TABLE.items():
            table.add_row(name, _first_line(make))
        table.add_row(
            "FILE.npz",
            "Your own pairs: arrays x and y (or any names), one row an example; label and x_mask are optional.",
        )
    else:
        for name in shipped():
            e = read(name)
            table.add_row(
                name,
                f"{e.model.get('name', 'WynerVAE')} on {e.data['name']}, {e.fit.get('epochs', 50)} epochs: wyner train {name}",
            )
    console.print(table)


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").splitlines()[0]
