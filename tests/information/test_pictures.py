"""Figures of common information show the numbers that they are given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from wyner.canvas import figure
from wyner.information import pmf
from wyner.information.pictures import curve_panel, heat


@dataclass
class Given:
    """What a curve needs: anything with these numbers can be drawn."""

    unit: str = "bits"
    wyner: float = 0.9
    mutual_information: float = 0.5
    gacs_korner: float = 0.1

    def curve(self) -> np.ndarray:
        return np.array([[0.0, 0.0, 0.9], [1.0, 0.5, 0.0], [0.5, 0.2, 0.4]])


def test_a_curve_goes_from_j_to_i():
    ax = figure(3, 3).subplots()
    curve_panel(ax, Given())
    best, j, i, common = ax.get_lines()
    assert best.get_xydata().tolist() == [[0, 0.9], [0.2, 0.4], [0.5, 0]]
    assert j.get_xydata().tolist() == [[0, 0.9]]
    assert i.get_xydata().tolist() == [[0, 0.5], [0.5, 0]]
    assert set(common.get_ydata()) == {0.1}
    assert "(bits)" in ax.get_xlabel()


def test_a_table_is_drawn_with_its_numbers():
    ax, p = figure(3, 3).subplots(), np.array([[0.5, 0.25], [0.0, 0.25]])
    heat(ax, p, "y", "x", "p")
    assert [t.get_text() for t in ax.texts] == ["0.50", "0.25", "0.00", "0.25"]
    assert ax.get_images()[0].get_clim() == pytest.approx((0, 0.7))


def test_the_figure_of_a_table_shows_its_latent():
    found = pmf(np.diag([0.2, 0.3, 0.5]))
    axes = found.plot().axes
    assert len(axes) == 4
    assert [bar.get_width() for bar in axes[1].patches] == pytest.approx([0.5, 0.3, 0.2])
    np.testing.assert_allclose(axes[2].get_images()[0].get_array(), found.latent.given_z[0])
