"""Which experiment takes which options of `wyner reproduce`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wyner import cli
from wyner.commands import reproducing
from wyner.errors import OptionError

NONE: dict[str, Any] = dict.fromkeys(("rows", "seeds", "epochs", "samples", "test_rows", "data"))


@pytest.mark.parametrize(
    ("experiment", "asked", "sentence"),
    [
        (
            "dsae",
            {"samples": 5},
            "dsae takes --rows, --seeds, --epochs and --data; leave out --samples",
        ),
        (
            "pixelcnn",
            {"data": "mnist", "samples": 1},
            (
                "pixelcnn takes --rows, --seeds, --epochs and --test-rows; leave out --samples and"
                " --data"
            ),
        ),
        (
            "sketchy",
            {"test_rows": 5},
            "sketchy takes --rows, --seeds, --epochs and --data; leave out --test-rows",
        ),
        (
            "common-information",
            {"epochs": 2},
            (
                r"common-information takes --rows \(tasks\), --seeds and --samples \(pairs a"
                r" task\); leave out --epochs"
            ),
        ),
        ("nothing", {}, "unknown experiment 'nothing'"),
        ("mog", {"rows": ["no-row"]}, "unknown row 'no-row'"),
    ],
)
def test_options_that_an_experiment_does_not_have_are_refused(
    tmp_path: Path, experiment, asked, sentence
):
    where = {
        "out": tmp_path / "out",
        "runs": tmp_path / "runs",
        "figures": False,
        "progress": False,
    }
    with pytest.raises(OptionError, match=sentence):
        reproducing.reproduced(experiment, "short", NONE | asked, **where)
    assert not list(tmp_path.iterdir())


def test_a_study_is_told_what_was_asked(tmp_path: Path, monkeypatch):
    seen: dict[str, Any] = {}
    monkeypatch.setattr(
        reproducing, "reproduce", lambda study, **options: seen.update({study.name: options})
    )
    for name in ("mog", "celeba"):
        asked = NONE | {"seeds": 2, "rows": ["jvae"]}
        reproducing.reproduced(name, "paper", asked, on="validation", out=tmp_path)
        options = seen[name]
        assert (options["seeds"], options["rows"], options["on"]) == (2, ["jvae"], "validation")
        assert (options["out"], options["epochs"]) == (tmp_path, None)


def test_a_table_is_drawn_again_on_the_command_line(tmp_path: Path, monkeypatch, capsys):
    results = Path(__file__).parents[2] / "results" / "mog"
    (tmp_path / "mog").mkdir()
    (tmp_path / "mog" / "short.json").write_bytes((results / "short.json").read_bytes())
    monkeypatch.setattr(sys, "argv", ["wyner", "reproduce", "all", "--redraw", "-o", str(tmp_path)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code in (None, 0)
    assert capsys.readouterr().out == f"drawn again: {tmp_path / 'mog' / 'short.md'}\n"
    assert (tmp_path / "mog" / "short.md").read_text() == (results / "short.md").read_text()


def test_the_package_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "wyner", "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "reproduce" in done.stdout
