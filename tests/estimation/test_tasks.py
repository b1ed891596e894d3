"""Tasks: their truths against other sources of the same numbers, their draws against their
truths."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wyner.errors import OptionError
from wyner.information import canonical_correlations, pmf, tasks

BITS = math.log(2)


@pytest.mark.parametrize(
    ("flip", "wyner", "mutual"),
    [(0.05, 0.942141, 0.713603), (0.1, 0.872761, 0.531004), (0.25, 0.609526, 0.188722)],
)
def test_binary_sources_have_the_values_of_the_specification(flip, wyner, mutual):
    found = tasks.symmetric_binary(flip)
    assert found[1] / BITS == pytest.approx(wyner, abs=1e-6)
    assert found[0] / BITS == pytest.approx(mutual, abs=1e-6)


@pytest.mark.parametrize(("p", "wyner"), [(0.2, 1.0), (0.5, 1.0), (0.7, 0.881291), (0.9, 0.468996)])
def test_erasures_have_the_values_of_the_specification(p, wyner):
    assert tasks.erasure_pair(p)[1] / BITS == pytest.approx(wyner, abs=1e-6)


def test_blocks_add_up_as_the_solver_says():
    task = tasks.blocks([(0.7, 0.1), (0.3, 0.25)])
    p = np.kron(np.diag([0.7, 0.0]), tasks.flips(0.1)) + np.kron(
        np.diag([0.0, 0.3]), tasks.flips(0.25)
    )
    exact = pmf(p, starts=2, prove=False)
    assert task.wyner == pytest.approx(exact.wyner, rel=1e-4)
    assert task.mutual == pytest.approx(exact.mutual_information, rel=1e-9)
    assert task.gacs_korner == pytest.approx(exact.gacs_korner, rel=1e-9)


@pytest.mark.parametrize("task", tasks.TASKS, ids=lambda t: t.name)
def test_order_of_the_three(task):
    assert 0 <= task.gacs_korner <= task.mutual + 1e-12 <= task.wyner + 2e-12
    assert math.copysign(1, task.mutual) == 1
    assert tasks.task(task.name) is task


def test_turned_gaussians_keep_their_correlations():
    x, y = tasks.task("gaussian-nuisance").sample(40_000, 1)
    assert x.shape == y.shape == (40_000, 8)
    found = canonical_correlations(np.cov(np.hstack([x, y]).T), (8, 8))
    assert found[:3] == pytest.approx([0.9, 0.6, 0.3], abs=0.02)
    assert found[3] < 0.05


def test_images_are_invertible():
    s = np.random.default_rng(0).standard_normal((200, 4))
    bent = tasks.shears(s)
    first, second = bent[:, :2].copy(), bent[:, 2:].copy()
    second -= 0.5 * first**2
    first -= np.sin(2 * second)
    turned = np.empty_like(s)
    turned[:, ::2], turned[:, 1::2] = first, second
    assert turned @ tasks.rotation(4, 3).T == pytest.approx(s, abs=1e-10)
    bent = tasks.cubes(s)
    assert all((np.argsort(bent[:, k]) == np.argsort(s[:, k])).all() for k in range(4))


@pytest.mark.parametrize(("k", "d"), [(10, 8), (4, 4), (3, 3)])
def test_labels_can_be_read_from_both_sides(k, d):
    x, y = tasks.label_task("labels", k, d).sample(5000, 0)
    read = [
        np.linalg.norm(v[:, None] - tasks.centres(k, d, s), axis=2) for v, s in ((x, 4), (y, 5))
    ]
    assert all(v.min(1).max() < 4 for v in read)
    assert (read[0].argmin(1) == read[1].argmin(1)).all()
    assert len(np.unique(read[0].argmin(1))) == k


def test_equal_seeds_give_equal_pairs_and_names_differ():
    task = tasks.task("dsbs-0.1")
    assert (task.sample(100, 3)[0] == task.sample(100, 3)[0]).all()
    assert (task.sample(100, 3)[0] != task.sample(100, 4)[0]).any()
    assert (
        tasks.task("labels-10").sample(100, 3)[0][:, :4]
        != tasks.task("labels-4-bent").sample(100, 3)[0]
    ).any()
    with pytest.raises(OptionError, match="did you mean 'dsbs-0.1'"):
        tasks.task("dsbs-0.11")
