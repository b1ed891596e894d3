"""Means, the rule of dropped seeds, and claims, on rows made by hand."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from wyner.data import load
from wyner.experiments.legacy import plan
from wyner.experiments.legacy.claims import Claim
from wyner.experiments.legacy.rows import Member, best_of
from wyner.experiments.legacy.stats import Spread, decide, spread, trimmed
from wyner.experiments.legacy.table import Found, as_json, markdown


def test_mean_and_deviation():
    found = spread([1.0, 2.0, 4.0])
    assert found.mean == pytest.approx(7 / 3, rel=1e-12)
    assert found.std == pytest.approx(np.std([1, 2, 4], ddof=1), rel=1e-12)
    assert found.error == pytest.approx(found.std / math.sqrt(3), rel=1e-12)
    assert spread([]) is None


def test_one_seed_has_no_deviation_and_the_error_of_its_rows():
    assert spread([2.0], [0.3]) == Spread(2.0, None, 1, 0.3)


def test_two_best_and_two_worst_of_ten_are_dropped():
    values = [5.0, 100.0, -3.0, 1.0, 2.0, 3.0, 4.0, 6.0, -50.0, 70.0]
    assert trimmed(values) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    kept = spread(trimmed(values))
    assert (kept.mean, kept.n) == (3.5, 6)
    assert kept.std == pytest.approx(math.sqrt(17.5 / 5), rel=1e-12)
    assert trimmed([3.0, 1.0, 2.0]) == [1.0, 2.0, 3.0]
    assert trimmed([3.0, 1.0, 2.0, 9.0, 0.0]) == [1.0, 2.0, 3.0]


def test_the_best_of_a_run_is_read_off_its_curve():
    look = lambda **terms: {"split": "probe", "terms": terms}
    history = [
        look(nll_joint=3.0, I41=0.1),
        {"split": "train", "terms": {"nll_joint": -9.0}},
        look(nll_joint=2.0, I41=0.0),
        look(nll_joint=2.5),
    ]
    assert best_of(history) == {"nll_joint_best": 2.0}


def claim(relation: str, right: tuple[str, ...] = ("b",), margin: float = 0.0) -> Claim:
    return Claim("text", "a", right, "nll_joint", relation, margin)


def said(a: float, b: float, error: float, relation: str, margin: float = 0.0) -> str:
    found = {
        "a": {"nll_joint": Spread(a, 1.0, 4, error)},
        "b": {"nll_joint": Spread(b, 1.0, 4, 0.0)},
    }
    return decide(claim(relation, margin=margin), found, {"b": "B"}).word


@pytest.mark.parametrize(
    ("a", "relation", "margin", "word"),
    [
        (0.7, "below", 0.0, "holds"),
        (0.85, "below", 0.0, "undecided"),
        (1.15, "below", 0.0, "undecided"),
        (1.3, "below", 0.0, "does not hold"),
        (0.7, "below", 0.25, "undecided"),
        (0.3, "below", 0.25, "holds"),
        (1.3, "above", 0.0, "holds"),
        (0.7, "above", 0.0, "does not hold"),
        (6.1, "above", 5.0, "undecided"),
        (6.3, "above", 5.0, "holds"),
        (1.15, "at most", 0.0, "holds"),
        (1.3, "at most", 0.0, "does not hold"),
        (1.3, "at most", 0.2, "holds"),
        (-5.0, "at most", 0.0, "holds"),
    ],
)
def test_claims_by_twice_the_standard_error(a, relation, margin, word):
    assert said(a, 1.0, 0.1, relation, margin) == word


def test_both_sides_errors_count():
    found = {
        "a": {"nll_joint": Spread(0.0, 1.0, 4, 0.3)},
        "b": {"nll_joint": Spread(0.9, 1.0, 4, 0.4)},
    }
    assert (
        decide(claim("below"), found, {"b": "B"}).word == "undecided"
    )  # 2 * hypot(0.3, 0.4) = 1.0
    found["b"] = {"nll_joint": Spread(1.1, 1.0, 4, 0.4)}
    verdict = decide(claim("below"), found, {"b": "B"})
    assert verdict.word == "holds"
    assert verdict.numbers == ("0.000 against 1.100 (B): difference -1.100, standard error 0.500",)


def test_a_claim_about_several_rows_needs_all_of_them():
    spreads = {
        k: {"nll_joint": Spread(v, 1.0, 4, 0.1)}
        for k, v in {"a": 1.0, "b": 2.0, "c": 3.0, "d": 0.0}.items()
    }
    labels = dict.fromkeys("bcd", "x")
    assert decide(claim("below", ("b", "c")), spreads, labels).word == "holds"
    assert decide(claim("below", ("b", "d")), spreads, labels).word == "does not hold"
    assert decide(claim("below", ("b", "e")), spreads, labels).word == "not measured"
    assert decide(claim("below", ("e",)), spreads, labels).word == "not measured"


def test_a_row_without_an_error_decides_nothing():
    found = {
        "a": {"nll_joint": Spread(0.0, None, 1, math.nan)},
        "b": {"nll_joint": Spread(9.0, None, 1, 0.1)},
    }
    assert decide(claim("below"), found, {"b": "B"}).word == "undecided"


@pytest.fixture
def found() -> Found:
    p = plan.read("mog", "short")
    p = dataclasses.replace(p, seeds=10)
    values = {"wyner-0": (25.0, 12.5), "wyner-0.05": (25.2, 12.4), "cvae": (None, 12.6)}
    rng = np.random.default_rng(0)
    members = {}
    for row in p.rows:
        if row.slug not in values:
            members[row.slug] = []
            continue
        joint, conditional = values[row.slug]
        made = []
        for seed in range(10):
            noise = float(rng.standard_normal()) * 0.01
            metrics = {
                "nll_conditional": conditional + noise,
                "nll_conditional_se": 0.02,
                "nll_conditional_ess": 10.0,
            }
            if joint:
                metrics |= {"nll_joint": joint + noise, "nll_joint_se": 0.03, "I41": 1.0}
            made.append(Member(row, seed, Path("none"), metrics))
        members[row.slug] = made
    return Found(
        p,
        load("mog", train=20, validation=5, test=5),
        members,
        "wyner reproduce mog",
        "a device",
        {"cvae": 60.0},
        {"cvae": 1},
    )


def test_the_table_has_both_scales_floors_and_published_values(found):
    text = markdown(found)
    row = next(line for line in text.splitlines() if line.startswith("| Wyner VAE (lambda = 0) |"))
    cells = [c.strip() for c in row.split("|")[1:-1]]
    every = found.values("wyner-0", "nll_joint")
    shift = 10 * math.log(2)
    assert cells[2] == f"{np.mean(every) + shift:.3f} ± {np.std(every, ddof=1):.3f}"
    assert (
        cells[3] == f"{np.mean(trimmed(every)) + shift:.3f} ± {np.std(trimmed(every), ddof=1):.3f}"
    )
    assert "32.54 ± 0.11" in cells
    assert "16.16 ± 0.14" in cells
    for number in ("*31.920*", "*15.710*", "*24.988*", "*12.244*", "0.500402"):
        assert number in text
    assert "JVAE" not in text.split("## Proper")[1].split("##")[0]
    assert "1 diverged" in text


def test_claims_are_decided_by_the_rows(found):
    words = {v.claim.text[:40]: v.word for v in found.verdicts()}
    assert words["The Wyner VAE with lambda = 0.05 has a l"] == "holds"
    assert words["... with little loss of joint nll (margi"] == "holds"
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
    import json

    json.dumps(made)
