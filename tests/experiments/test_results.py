"""Means over seeds, the rule of dropped seeds, pages and JSON, on rows made by hand."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from wyner.data import load
from wyner.errors import RunError
from wyner.experiments import grammar
from wyner.experiments.reproduce import redraw
from wyner.experiments.results import Results, as_json, from_json
from wyner.experiments.store import Cell
from wyner.experiments.table import columns, markdown
from wyner.metrics.spread import Spread, spread, spreads, trimmed
from wyner.report.facts import Facts


def test_mean_and_deviation():
    found = spread([1.0, 2.0, 4.0])
    assert found.mean == pytest.approx(7 / 3, rel=1e-12)
    assert found.std == pytest.approx(np.std([1, 2, 4], ddof=1), rel=1e-12)
    assert found.error == pytest.approx(found.std / math.sqrt(3), rel=1e-12)
    assert found.text(2, 1.0) == "3.33 ± 1.53"
    assert spread([]) is None


def test_one_seed_has_no_deviation_and_the_error_of_its_rows():
    assert spread([2.0], [0.3]) == Spread(2.0, None, 1, 0.3)
    assert spread([2.0], [0.3]).text() == "2.000"
    assert math.isnan(spread([2.0]).error)


def test_two_best_and_two_worst_of_ten_are_dropped():
    values = [5.0, 100.0, -3.0, 1.0, 2.0, 3.0, 4.0, 6.0, -50.0, 70.0]
    assert trimmed(values) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    kept = spread(trimmed(values))
    assert (kept.mean, kept.n) == (3.5, 6)
    assert kept.std == pytest.approx(math.sqrt(17.5 / 5), rel=1e-12)
    assert trimmed([3.0, 1.0, 2.0]) == [1.0, 2.0, 3.0]
    assert trimmed([3.0, 1.0, 2.0, 9.0, 0.0]) == [1.0, 2.0, 3.0]


VALUES = {"wyner-0": (25.0, 12.5), "wyner-0.05": (25.2, 12.4), "cvae": (None, 12.6)}


@pytest.fixture
def found() -> Results:
    study, rng = grammar.read("mog"), np.random.default_rng(0)
    cells = {}
    for row in study.rows:
        joint, conditional = VALUES.get(row.slug, (None, None))
        made = []
        for seed in range(10) if conditional else ():
            noise = float(rng.standard_normal()) * 0.01
            metrics = {
                "nll_conditional": conditional + noise,
                "nll_conditional_se": 0.02,
                "nll_conditional_ess": 10.0,
            }
            if joint:
                metrics |= {"nll_joint": joint + noise, "nll_joint_se": 0.03, "I41": 1.0}
                metrics["nll_joint_plain"] = 0.0
            made.append(Cell(row, seed, None, metrics))
        cells[row.slug] = made
    facts = Facts.of(load("mog", train=20, validation=5, test=5))
    asked = {"command": "wyner reproduce mog", "device": "a device"}
    return Results(study, cells, {"": facts}, **asked, seconds={"cvae": 60.0}, lost={"cvae": 1})


def test_the_table_has_both_scales_floors_and_published_values(found):
    text = markdown(found)
    row = next(line for line in text.splitlines() if line.startswith("| Wyner VAE (lambda = 0) |"))
    cells = [c.strip() for c in row.split("|")[1:-1]]
    every, shift = found.values("wyner-0", "nll_joint"), 10 * math.log(2)
    assert cells[2] == f"{np.mean(every) + shift:.3f} ± {np.std(every, ddof=1):.3f}"
    kept = trimmed(every)
    assert cells[3] == f"{np.mean(kept) + shift:.3f} ± {np.std(kept, ddof=1):.3f}"
    assert "32.54 ± 0.11" in cells
    assert "16.16 ± 0.14" in cells
    for number in ("*31.920*", "*15.710*", "*24.988*", "*12.244*", "0.500402"):
        assert number in text
    assert "JVAE" not in text.split("## Proper")[1].split("##")[0]
    assert "CVAE, 1 diverged" in text
    assert "| 1.0 |" in text.split("CVAE, 1 diverged")[1].splitlines()[0]  # minutes
    assert "joint nll 0.030, conditional nll 0.020" in text
    assert "All rows: not recorded" in text.split("## What the settings were chosen on")[1]
    assert "20 training, 5 validation, 5 test rows" in text
    assert "the first 5 test rows" in text


def test_claims_are_decided_by_the_rows(found):
    words = {v.claim.text[:40]: v.word for v in found.verdicts()}
    assert words["The Wyner VAE with lambda = 0.05 has a l"] == "holds"
    assert words["... with little loss of joint nll (margi"] == "undecided"  # 0.2 against 0.2
    assert words["VCCA-private has the lowest conditional "] == "not measured"


def test_the_json_has_a_row_for_every_model(found):
    made = as_json(found)
    assert {"experiment", "protocol", "command", "versions", "device", "wall_s", "rows"} <= set(
        made
    )
    assert len(made["rows"]) == 30
    assert set(made["rows"][0]) == {"model", "settings", "seed", "metrics"}
    assert made["rows"][0]["settings"]["row"] == "wyner-0"
    assert made["truth"]["nll_joint"] == pytest.approx(24.98821, abs=1e-5)
    assert (made["wall_s"], made["evaluate"]) == (60.0, {"samples": 1000, "rows": 400})
    json.dumps(made, allow_nan=False)


def test_a_page_is_drawn_again_from_its_json(found):
    again = from_json(found.study, json.loads(json.dumps(as_json(found))))
    assert markdown(again) == markdown(found)
    assert json.dumps(as_json(again)) == json.dumps(as_json(found))


def test_json_of_another_study_is_refused(found):
    with pytest.raises(RunError, match="expected results of halves, short protocol, got mog"):
        from_json(grammar.read("halves"), as_json(found))
    made = as_json(found)
    made["rows"][0]["settings"]["row"] = "gone"
    with pytest.raises(RunError, match="cannot be drawn again: 'gone'"):
        from_json(found.study, made)


def test_columns_in_several_styles(found):
    tags = {r.slug: {"gamma": 0.3} for r in found.study.rows}
    rows = tuple(dataclasses.replace(r, tags=tags[r.slug]) for r in found.study.rows)
    found = dataclasses.replace(found, study=dataclasses.replace(found.study, rows=rows))
    names = ["gamma", "model", "seeds", "nll_joint", "nll_conditional"]
    text = columns(found, names, ["wyner-0"], "slash", 1, "floor", "Before.")
    lines = text.splitlines()
    assert lines[0] == "Before."
    assert lines[2] == "| gamma | model | seeds | joint nll | conditional nll |"
    assert lines[4] == "| 0.3 | Wyner VAE (lambda = 0) | 10 | 25.0 / 32.5 | 12.5 / 16.2 |"
    assert lines[5] == "| *floor* |  |  | *24.988* | *12.244* |"
    published = columns(found, ["name", "nll_joint"], [], "published").splitlines()
    assert published[2] == "| JVAE | 32.820 ± 0.140 |"
    assert len(published) == 2 + sum("nll_joint" in r.published for r in rows) + 2
    beside = columns(found, ["name", "nll_conditional"], ["cvae"], "beside", 2).splitlines()
    assert beside[0] == "| model | conditional nll, ours | conditional nll, published |"
    mean, std = (
        f(found.values("cvae", "nll_conditional")) for f in (np.mean, lambda v: np.std(v, ddof=1))
    )
    assert beside[2] == f"| CVAE | {mean:.2f} ± {std:.2f} | 16.11 ± 0.06 |"


TABLES = ("add1", "celeba", "halves", "mnist-svhn", "mnist-svhn-add1", "mog", "w-vae", "w-vae-mog")
PAGES = [(name, "short") for name in TABLES] + [("mnist-svhn", "medium"), ("mog", "medium")]


@pytest.mark.parametrize(("name", "protocol"), PAGES)
def test_committed_pages_are_what_their_json_gives(name, protocol, tmp_path, pytestconfig):
    folder = pytestconfig.rootpath / "results" / name
    (tmp_path / name).mkdir()
    (tmp_path / name / f"{protocol}.json").write_bytes((folder / f"{protocol}.json").read_bytes())
    assert redraw(name, protocol, tmp_path) == [tmp_path / name / f"{protocol}.md"]
    for file in (f"{protocol}.md", f"{protocol}.json"):
        assert (tmp_path / name / file).read_text() == (folder / file).read_text()


def test_numbers_that_some_models_lack():
    found = spreads([{"a": 1.0, "a_se": 0.3, "b": 4.0, "b_se": 0.5}, {"a": 3.0, "a_ess_min": 7.0}])
    assert list(found) == ["a", "b"]
    assert (found["a"].mean, found["a"].n) == (2.0, 2)
    assert found["a"].std == pytest.approx(math.sqrt(2))
    assert found["a"].error == pytest.approx(1.0)
    assert found["b"] == Spread(4.0, None, 1, 0.5)
