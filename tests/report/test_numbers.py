"""What diagrams and sheets show, against numbers known by other means."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wyner.canvas import limits, plane
from wyner.report.charts import Chart, Level, Line, charts
from wyner.report.clouds import clouds
from wyner.report.estimates import inside, seconds
from wyner.report.facts import Facts
from wyner.report.latents import _apart, _ticks
from wyner.report.looks import boards
from wyner.report.panel import beside, centred, coloured
from wyner.report.sweep import ArmResult, Outcome, figure_of
from wyner.report.vectors import _chosen, _correlation


def test_a_plane_is_that_of_the_covariance():
    rng = np.random.default_rng(0)
    rows, other = rng.normal(size=(50, 4)) * [3.0, 2.0, 1.0, 0.5], rng.normal(size=(7, 2, 2))
    (points, moved), shares = plane(rows, other)
    values, vectors = np.linalg.eigh(np.cov(rows.T))
    np.testing.assert_allclose(shares, values[::-1][:2] / values.sum(), rtol=1e-9)
    np.testing.assert_allclose(points.var(0, ddof=1), values[::-1][:2], rtol=1e-9)
    for k in (0, 1):
        along = vectors[:, ::-1][:, k]
        along = along * np.sign(along[np.abs(along).argmax()])
        np.testing.assert_allclose(points[:, k], (rows - rows.mean(0)) @ along, atol=1e-9)
        shifted = (other.reshape(7, 4) - rows.mean(0)) @ along
        np.testing.assert_allclose(moved[:, k], shifted, atol=1e-9)


def test_one_coordinate_has_no_second_direction():
    (points,), shares = plane(np.array([[1.0], [3.0]]))
    np.testing.assert_allclose(points, [[-1.0, 0.0], [1.0, 0.0]], atol=1e-12)
    assert shares == pytest.approx([1.0, 0.0])


def test_a_steep_start_is_left_out():
    assert limits([np.array([3.0, 2.0, 1.5, 1.0])]) is None
    low, top = limits([np.array([1000.0, 900.0, 2.0, 1.0])])
    assert top == pytest.approx(2.0 + 20 * 1.0)
    assert low == pytest.approx(1.0 - 0.05 * (top - 1.0))


def test_correlations_are_those_of_numpy():
    rows = np.random.default_rng(1).normal(size=(40, 3)) @ np.array(
        [[1, 0.5, 0], [0, 1, 2], [0, 0, 1]]
    )
    np.testing.assert_allclose(_correlation(rows), np.corrcoef(rows.T), atol=1e-12)
    still = np.concatenate([rows, np.full((40, 1), 7.0)], 1)
    np.testing.assert_allclose(_correlation(still)[3], 0.0, atol=1e-12)


def test_coordinates_are_evenly_spread():
    np.testing.assert_allclose(_chosen(3), [0, 1, 2])
    np.testing.assert_allclose(np.diff(_chosen(40 * 5 - 4)), 5, atol=1e-12)
    assert _ticks(5) == [1, 2, 3, 4, 5]
    assert _ticks(20) == [1, 4, 8, 12, 16, 20]


def test_labels_are_moved_apart():
    found = _apart(np.array([[0.5, 0.5], [0.5, 0.5], [0.9, 0.2]]))
    assert np.linalg.norm(found[0] - found[1]) == pytest.approx(0.085, abs=1e-3)
    np.testing.assert_allclose(found[:2].mean(0), 0.5, atol=1e-2)
    np.testing.assert_allclose(found[2], [0.9, 0.2], atol=2e-3)


def test_colours_are_shares_of_the_range():
    cells = coloured(np.array([[[-1.0, 0.0, 3.0, 9.0]]]), False, -1.0, 3.0)
    np.testing.assert_allclose(cells[0, 0, :, 0], [0.0, 0.25, 1.0, 1.0], rtol=1e-6)
    np.testing.assert_allclose(cells[..., 3], 1.0)
    drawn = coloured(np.full((1, 2, 2), 0.5), True)
    np.testing.assert_allclose(drawn[0, 0, 0], [0.21, 0.4, 0.5, 1.0], rtol=1e-6)


def test_cells_beside_each_other():
    one, two = np.ones((3, 4, 2, 4)), np.full((3, 2, 5, 4), 0.5)
    both = beside(one, two, 1)
    assert both.shape == (3, 4, 8, 4)
    np.testing.assert_allclose(both.sum((1, 2, 3)), one[0].sum() + two[0].sum())
    np.testing.assert_allclose(both[:, 1:3, 3:], 0.5)
    np.testing.assert_allclose(centred(two, 4, 7)[:, 1:3, 1:6], 0.5)


def test_boards_show_every_bit():
    made = boards(np.array([[0.0, 1.0, 0.4, 1.0]]), 8, 8)
    assert made.shape == (1, 8, 8)
    inner = made.reshape(2, 4, 2, 4)[:, :3, :, :3].mean((1, 3))
    np.testing.assert_allclose(inner, [[0.0, 1.0], [0.4, 1.0]], rtol=1e-6)
    np.testing.assert_allclose(made[0, 3::4], 0.25)


def test_a_chart_shows_its_numbers():
    x, y = np.arange(8.0), np.array([90.0, 40.0, 9.0, 5.0, 4.0, 3.5, 3.2, 3.0])
    late = Chart([Line(x, y, "#000000", "a", np.full(8, 0.5))], [Level(2.0)], settled=True)
    logs = Chart([Line(x, y, "#000000", "b")], log_y=True)
    first, second = charts([late, logs], 2, 3.0, 3.0).axes
    np.testing.assert_allclose(first.lines[0].get_xydata(), np.stack([x, y], 1))
    room = 9.5 - 2.0  # the highest value after a quarter with its band, down to the level
    np.testing.assert_allclose(first.get_ylim(), [2.0 - 0.1 * room, 9.5 + 0.05 * room])
    assert second.get_yscale() == "log"
    np.testing.assert_allclose(second.get_ylim(), [0.7 * 3.0, 1.3 * 90.0])


def test_clouds_share_their_frame():
    x, true, drawn = np.array([1.0, -2.0]), np.array([0.5, 1.5]), np.array([4.0, 5.0])
    shown = [("true", true, "#111111"), ("model", drawn, "#222222")]
    left, right = clouds(x, shown, true, ["x", "y"]).axes
    np.testing.assert_allclose(left.get_xlim(), [-2.16, 2.16])
    np.testing.assert_allclose(left.lines[0].get_ydata(), true)
    np.testing.assert_allclose([line.get_ydata() for line in right.lines], [true, drawn])


def arm(lam: float, state: str, *nll: float) -> ArmResult:
    members = [{"seed": k, "metrics": {"nll_conditional": v}} for k, v in enumerate(nll)]
    return ArmResult({"lam": lam}, state, "", members)


def test_a_sweep_is_drawn_at_its_means(tmp_path):
    arms = [
        arm(0.0, "finished", 2.0, 2.2),
        arm(0.1, "finished", 1.0, 1.4),
        arm(0.4, "dropped", 9.0),
    ]
    assert arms[1].spreads["nll_conditional"].mean == pytest.approx(1.2)
    assert arms[1].spreads["nll_conditional"].error == pytest.approx(
        0.4 / math.sqrt(2) / math.sqrt(2)
    )
    (ax,) = figure_of(Outcome(arms, arms[1], arms[0], tmp_path, {"seeds": 2})).axes
    solid, hollow, star = (
        line for line in ax.lines if len(line.get_xdata()) and line.get_marker() in "o*"
    )
    np.testing.assert_allclose(solid.get_xydata(), [[0.0, 2.1], [0.1, 1.2]])
    np.testing.assert_allclose(hollow.get_xydata(), [[0.4, 2.1 + 0.2]])  # at the edge
    np.testing.assert_allclose(star.get_xydata(), [[0.1, 1.2]])


def test_seconds_are_counted_once_a_cell():
    cell = {"estimator": "copula", "task": "mog", "n": 100}
    some = [cell | {"seed": 0, "seconds": 2.0, "quantity": q} for q in "IJ"]
    some += [cell | {"seed": 1, "seconds": 5.0, "quantity": "I"}]
    assert seconds(some).splitlines()[-1] == "| copula | 3.5 | 5.0 |"


@pytest.mark.parametrize(
    ("interval", "holds"), [((0.1, 0.2), False), ((0.3, None), True), ((0.2, 0.3), True)]
)
def test_an_interval_holds_its_ends(interval, holds):
    assert inside({"interval": interval, "truth": 0.3}) is holds


def test_facts_of_a_data_set():
    assert str(Facts("d", {"binarisation": "static"}, {"training": 5, "test": 2})) == (
        "`d` (binarisation = static), 5 training, 2 test rows."
    )
