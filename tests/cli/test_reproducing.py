"""Which experiment takes which options of `wyner reproduce`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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


def test_every_experiment_is_told_what_was_asked(tmp_path: Path, monkeypatch):
    seen: dict[str, Any] = {}

    def told(name):
        return lambda plan, **options: seen.update({name: (plan, options)}) or tmp_path

    for module in (
        reproducing.tables,
        reproducing.dsae,
        reproducing.pixelcnn,
        reproducing.retrieval,
        reproducing.common_information,
    ):
        monkeypatch.setattr(module, "reproduce", told(module.__name__))
    for experiment in ("mog", "dsae", "pixelcnn", "emoji", "common-information"):
        assert (
            reproducing.reproduced(experiment, "short", NONE | {"seeds": 2}, out=tmp_path)
            == tmp_path
        )
    assert len(seen) == 5
    for name, (plan, options) in seen.items():
        assert options["out"] == tmp_path
        assert 2 in (getattr(plan, "seeds", None), options.get("seeds")), name


def test_the_package_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "wyner", "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "reproduce" in done.stdout
