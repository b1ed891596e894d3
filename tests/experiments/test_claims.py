"""One rule for claims: paired by seed, by rows where one seed is there, the same in both
directions. Every number by hand."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from wyner.experiments.claims import FAILS, HOLDS, MISSING, OPEN, Claim, decide, word
from wyner.metrics.differences import Difference, difference, difference_of

RESULTS = Path(__file__).parents[2] / "results"


@dataclass
class Cell:
    seed: int
    metrics: dict = field(default_factory=dict)
    rows: dict = field(default_factory=dict)


def cells(*values: float, se: float | None = None, start: int = 0) -> list[Cell]:
    error = {} if se is None else {"nll_se": se}
    return [Cell(start + k, {"nll": v} | error) for k, v in enumerate(values)]


def claim(relation: str, right: tuple[str, ...] = ("b",), margin: float = 0.0) -> Claim:
    return Claim("text", "a", right, "nll", relation, margin)


def test_differences_are_paired_by_seed():
    found = difference(cells(1.0, 2.0, 4.0), cells(0.5, 1.7, 3.2), "nll", "b")
    # 0.5, 0.3, 0.8: mean 8/15, deviation sqrt(0.19 / 3), error sqrt(0.19 / 9)
    assert found.value == pytest.approx(1.6 / 3, rel=1e-12)
    assert found.error == pytest.approx(math.sqrt(0.19 / 9), rel=1e-12)
    assert (found.left_mean, found.right_mean) == pytest.approx((7 / 3, 5.4 / 3), rel=1e-12)
    assert (found.seeds, found.by, found.right) == (3, "seeds", "b")


def test_what_seeds_share_does_not_count():
    luck = [0.0, 100.0, -50.0, 7.0]
    found = difference(cells(*luck), cells(*(v + 1 for v in luck)), "nll")
    assert (found.value, found.error) == (-1.0, 0.0)
    assert word(claim("below"), found) == HOLDS


def test_only_common_seeds_are_compared():
    found = difference(cells(1.0, 2.0, 9.0), cells(2.0, 5.0, start=1), "nll")
    assert (found.left_mean, found.right_mean, found.seeds) == (5.5, 3.5, 2)
    assert found.error == pytest.approx(2.0, rel=1e-12)  # 0 and 4: deviation sqrt(8) over sqrt(2)
    assert difference(cells(1.0), cells(1.0, start=1), "nll") is None
    assert difference(cells(1.0), cells(1.0), "I41") is None


def test_of_one_seed_rows_are_paired():
    rows = np.array([1.0, 2.0, 3.0, 6.0]), np.array([0.0, 2.0, 1.0, 1.0])
    a, b = ([Cell(0, {"nll": r.mean(), "nll_se": 9.0}, {"nll_rows": r})] for r in rows)
    found = difference(a, b, "nll")
    # 1, 0, 2, 5: mean 2, deviation sqrt(14 / 3), error sqrt(14 / 12)
    assert (found.value, found.by) == (2.0, "rows")
    assert found.error == pytest.approx(math.sqrt(14 / 12), rel=1e-12)


def test_of_one_seed_without_rows_both_errors_count():
    found = difference(cells(0.0, se=0.3), cells(0.9, se=0.4), "nll")
    assert (found.error, found.by) == (pytest.approx(0.5, rel=1e-12), "errors")
    assert math.isnan(difference(cells(0.0), cells(0.9, se=0.4), "nll").error)
    other = [Cell(0, {"nll": 1.0, "nll_se": 0.4}, {"nll_rows": np.ones(3)})]
    mine = [Cell(0, {"nll": 1.0, "nll_se": 0.3}, {"nll_rows": np.ones(4)})]
    assert difference(mine, other, "nll").by == "errors"


@pytest.mark.parametrize(
    ("value", "relation", "margin", "said"),
    [
        (-0.3, "below", 0.0, HOLDS),
        (-0.15, "below", 0.0, OPEN),
        (0.15, "below", 0.0, OPEN),
        (0.3, "below", 0.0, FAILS),
        (-0.3, "below", 0.25, OPEN),
        (-0.7, "below", 0.25, HOLDS),
        (0.0, "below", 0.25, FAILS),
        (0.3, "above", 0.0, HOLDS),
        (-0.3, "above", 0.0, FAILS),
        (5.1, "above", 5.0, OPEN),
        (5.3, "above", 5.0, HOLDS),
        (4.7, "above", 5.0, FAILS),
        (0.15, "at most", 0.0, OPEN),
        (-0.15, "at most", 0.0, OPEN),
        (-0.3, "at most", 0.0, HOLDS),
        (0.3, "at most", 0.0, FAILS),
        (0.3, "at most", 0.2, OPEN),
        (0.0, "at most", 0.25, HOLDS),
        (0.5, "at most", 0.25, FAILS),
        (0.3, "at least", 0.0, HOLDS),
        (-0.15, "at least", 0.0, OPEN),
        (-0.3, "at least", 0.0, FAILS),
        (0.0, "at least", 0.25, HOLDS),
        (-0.5, "at least", 0.25, FAILS),
    ],
)
def test_a_difference_beyond_twice_its_standard_error_decides(value, relation, margin, said):
    assert (
        word(claim(relation, margin=margin), Difference("b", value, 0.0, 0.1, 3, "seeds")) == said
    )


@pytest.mark.parametrize("value", np.linspace(-1, 1, 9))
@pytest.mark.parametrize(("one", "other"), [("below", "above"), ("at most", "at least")])
def test_the_rule_is_the_same_in_both_directions(value, one, other):
    for margin in (0.0, 0.3):
        here = word(claim(one, margin=margin), Difference("b", value, 0.0, 0.2, 3, "seeds"))
        there = word(claim(other, margin=margin), Difference("b", -value, 0.0, 0.2, 3, "seeds"))
        assert here == there


@pytest.mark.parametrize("relation", ["below", "above", "at most", "at least"])
def test_equal_numbers_and_unknown_errors_decide_nothing(relation):
    assert word(claim(relation), Difference("b", 1.0, 1.0, 0.0, 3, "seeds")) == OPEN
    assert word(claim(relation), Difference("b", 0.0, 9.0, math.nan, 1, "errors")) == OPEN


def test_a_claim_about_several_rows_needs_all_of_them():
    found = {k: cells(v, v + 0.01, v - 0.01) for k, v in {"a": 1.0, "b": 2.0, "c": 3.0}.items()}
    found["d"] = cells(0.0, 0.02, 0.0)
    assert decide(claim("below", ("b", "c")), found).word == HOLDS
    assert decide(claim("below", ("b", "d")), found).word == FAILS
    assert decide(claim("below", ("b", "e")), found).word == MISSING
    assert decide(claim("below", ("e",)), found).word == MISSING
    assert decide(claim("below", ("e",)), found).differences == ()


def test_a_verdict_says_its_numbers():
    found = {"a": cells(0.0, se=0.3), "b": cells(1.1, se=0.4)}
    verdict = decide(claim("below"), found, {"b": "B"})
    assert verdict.numbers == ("0.000 against 1.100 (B): difference -1.100, standard error 0.500",)
    assert verdict.word == HOLDS


def test_differences_by_rows_outlive_their_rows():
    kept = {
        "b": difference_of(
            {
                "right": "b",
                "left_mean": 0.0,
                "right_mean": 1.1,
                "error": 0.6,
                "seeds": 1,
                "by": "rows",
            }
        )
    }
    found = {"a": cells(0.0, se=0.3), "b": cells(1.1, se=0.4)}
    assert decide(claim("below"), found, kept=kept).word == OPEN
    assert decide(claim("below"), {k: v * 2 for k, v in found.items()}, kept=kept).word == OPEN
    unknown = {
        "right": "b",
        "left_mean": 0.0,
        "right_mean": 1.1,
        "error": None,
        "seeds": 1,
        "by": "errors",
    }
    assert math.isnan(difference_of(unknown).error)


LEFT = {"halves": "wyner-0.15", "celeba": "jvae", "add1": "wyner-0.1"}


@pytest.mark.parametrize(
    ("table", "text", "was", "said"),
    [
        ("halves", "With lambda = 0.15 the conditional nll is at least", 0.131, FAILS),
        ("celeba", "Attributes are told from faces at least as well", 0.003, OPEN),
        ("add1", "... and not lower for larger lambda", 0.051, OPEN),
    ],
)
def test_at_most_does_not_hold_for_want_of_numbers(table, text, was, said):
    """All three held in 0.1.0, although the means point the other way."""
    found = json.loads((RESULTS / table / "short.json").read_text())
    verdict = next(c for c in found["claims"] if c["text"].startswith(text))
    assert verdict["verdict"] == said
    first = verdict["differences"][0]
    assert first["left_mean"] - first["right_mean"] == pytest.approx(was, abs=6e-4)
    metric = "attributes" if table == "celeba" else "nll_conditional"
    one, other = (
        {r["seed"]: r["metrics"] for r in found["rows"] if r["settings"]["row"] == slug}
        for slug in (LEFT[table], first["right"])
    )
    if table == "halves":
        each = [one[s][metric] - other[s][metric] for s in (0, 1, 2)]
        error = np.std(each, ddof=1) / math.sqrt(3)
        assert was > 9 * error
    else:
        error = math.hypot(one[0][f"{metric}_se"], other[0][f"{metric}_se"])
        assert was < error
    assert first["error"] == pytest.approx(error, rel=1e-9)
