"""The benchmark with known answers: cells are estimated once, the table says what failed, claims
can fail."""

from __future__ import annotations

import dataclasses
import json
import sys

import pytest

from wyner import cli
from wyner.errors import OptionError
from wyner.experiments.common_information import cells, protocol, reproduce, table

ROWS = ["dsbs-0.1", "independent-8x8"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_cells_are_estimated_once(here, monkeypatch):
    plan = protocol("short", ROWS, [1000], 1)
    assert plan.tasks == ("independent-8x8", "dsbs-0.1")
    folder = reproduce(plan, progress=False)
    assert {p.name for p in folder.iterdir()} == {
        "short.json",
        "short.md",
        "short.png",
        "short.pdf",
    }
    made = json.loads((folder / "short.json").read_text())
    assert {(r["model"], r["settings"]["quantity"]) for r in made["rows"]} >= {
        ("best", "J"),
        ("plug-in", "I"),
    }
    assert made["tasks"]["dsbs-0.1"]["J"] == pytest.approx(0.604952, abs=1e-6)
    before = (folder / "short.md").read_text(), (folder / "short.png").read_bytes()
    monkeypatch.setattr(cells, "measure", None)
    reproduce(plan, progress=False)
    assert ((folder / "short.md").read_text(), (folder / "short.png").read_bytes()) == before
    monkeypatch.setattr(cells, "VERSION", cells.VERSION + 1)
    assert cells.stored(cells.path_of(here / "runs" / "reproduce", "dsbs-0.1", 1000, 0)) is None


def cell(task, value, interval, truth, quantity="J", estimator="best"):
    rows = [
        {
            "estimator": estimator,
            "quantity": q,
            "value": value,
            "interval": list(interval),
            "kind": "estimate",
            "seconds": 1.0,
            "note": "by x",
            "explains": None,
        }
        for q in ("I", "J", "C_GK")
    ]
    return cells.Cell(task, 10_000, 0, {"I": truth, "J": truth, "C_GK": truth}, rows, 1.0)


def test_claims_hold_and_fail():
    good = [cell("mog", 0.52, (0.4, 0.6), 0.5004), cell("gaussian-4-0.9", 5.5, (5.0, 6.0), 5.889)]
    assert [ok for _, ok, _ in table.claims(good)] == [True] * 5
    bad = [
        cell("mog", 0.62, (0.61, 0.63), 0.5004),
        cell("gaussian-4-0.9", 5.2, (5.0, 5.3), 5.889),
        cell("independent", 0.06, (0.0, None), 0.0),
    ]
    found = {text: (ok, numbers) for text, ok, numbers in table.claims(bad)}
    assert not any(ok for ok, _ in found.values())
    assert found["J of Gaussian tasks within 10%"][1].endswith(
        "worst 0.117 (gaussian-4-0.9, seed 0)"
    )
    text = table.markdown(
        protocol("short", ["mog", "gaussian-4-0.9", "independent"]), bad, "wyner", "here"
    )
    failures = text.split("## Failures")[1]
    assert "[0.610, 0.630]" in failures
    assert "independent" not in failures.split("## Seconds")[0]
    assert not table.holds({"interval": [0.1, 0.2]}, 0.3)
    assert table.holds({"interval": [0.1, None]}, 0.3)


def test_what_is_refused():
    for bad, says in (
        (dict(name="paper"), "unknown protocol"),
        (dict(tasks=["mgo"]), "did you mean 'mog'"),
        (dict(seeds=0), "at least one seed"),
        (dict(sizes=[10]), "100 pairs"),
    ):
        with pytest.raises(OptionError, match=says):
            protocol(**bad)


def test_interruption_says_how_to_go_on(here, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cells, "measure", stop)
    with pytest.raises(KeyboardInterrupt, match="interrupted after 0 of 1 cells"):
        reproduce(protocol("short", ["mog"], [1000], 1), progress=False)


def test_command_line(here, monkeypatch, capsys):
    args = [
        "wyner",
        "reproduce",
        "common-information",
        "--rows",
        "independent-8x8",
        "--samples",
        "500",
        "--seeds",
        "1",
        "--quiet",
    ]
    monkeypatch.setattr(sys, "argv", args)
    with pytest.raises(SystemExit) as done:
        cli.main()
    assert done.value.code == 0
    assert "independent uniform categories" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", [*args, "--epochs", "3"])
    with pytest.raises(SystemExit) as done:
        cli.main()
    assert done.value.code == 2
    assert "common-information takes --rows (tasks)" in capsys.readouterr().err


def test_a_cell_survives_its_file(here):
    one = cells.measure("independent-8x8", 500, 0)
    path = cells.path_of(here, one.task, one.n, one.seed)
    cells.write_json(path, {"version": cells.VERSION, "cell": dataclasses.asdict(one)})
    assert cells.stored(path) == one
