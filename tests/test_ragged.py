"""Sequences of different lengths: whole rows, windows, batches of similar lengths; the space of
sequences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import wyner
from wyner import codec
from wyner.errors import DataError, ShapeError
from wyner.ragged import Ragged, bucketed, waste
from wyner.variables import Real, Sequence

NAN = float("nan")


def _numbered(lengths):
    """Frames that say where they come from: (sequence, step)."""
    return [
        np.stack([np.full(n, i), np.arange(n)], 1).astype(np.float32) for i, n in enumerate(lengths)
    ]


def test_whole_rows_are_filled_up_to_the_longest():
    rows = Ragged(_numbered([3, 1, 5]))
    assert (len(rows), rows.shape) == (3, (3, 5, 2))
    found = rows.index_select(0, torch.tensor([1, 0]))
    assert found.shape == (2, 3, 2)
    assert found[1].tolist() == [[0, 0], [0, 1], [0, 2]]
    assert found[0, 0].tolist() == [1, 0]
    assert torch.isnan(found[0, 1:]).all()


def test_windows_cover_all_offsets_and_stay_inside():
    rows, t = Ragged(_numbered([4, 5, 6, 23, 3]), window=4), 4
    assert rows.shape == (
        3 + 5,
        4,
        2,
    )  # the last is too short; 23 frames hold 5 windows at any offset below 4
    generator, seen = torch.Generator().manual_seed(0), set()
    for _ in range(60):
        rows.turn(generator)
        found = rows.index_select(0, torch.arange(len(rows)))
        assert (found[:, :, 0] == found[:, :1, 0]).all()
        assert (found[:, 1:, 1] - found[:, :-1, 1] == 1).all()
        long = found[found[:, 0, 0] == 3]
        assert (long[1:, 0, 1] - long[:-1, 0, 1] == t).all()  # consecutive: one offset a sequence
        seen |= {(int(w[0, 0]), int(w[0, 1])) for w in found}
    assert {s for i, s in seen if i == 3} == set(range(20))
    assert {s for i, s in seen if i == 1} == {0, 1}
    assert {s for i, s in seen if i == 0} == {0}


def test_batches_of_similar_lengths_waste_little():
    lengths = torch.randint(5, 501, (6400,), generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    order = torch.randperm(6405, generator=generator)[:6400]
    order = order.argsort()  # a permutation
    found = bucketed(order, lengths, 64, generator)
    assert sorted(found.tolist()) == list(range(6400))
    assert waste(order, lengths, 64) > 0.4
    assert waste(found, lengths, 64) < 0.02
    few = lengths[:128]
    assert (
        waste(bucketed(torch.randperm(128, generator=generator), few, 16, generator), few, 16) < 0.2
    )


def test_rows_that_fill_no_batch_are_not_always_the_longest():
    lengths = torch.arange(10)
    g = torch.Generator().manual_seed(0)
    left = {
        int(k)
        for _ in range(40)
        for k in bucketed(torch.randperm(10, generator=g), lengths, 4, g)[8:]
    }
    assert len(left) > 5


def test_fit_takes_them_and_repeats_itself():
    torch.manual_seed(0)
    rows = [torch.randn(int(n), 3) for n in torch.randint(2, 9, (40,))]
    make = lambda: wyner.models.DSAE(
        x=Sequence(8, 3),
        z=2,
        s=2,
        objective="elbo",
        watch=False,
        networks=wyner.networks.Sequences((4,), 4, 4, (4,)),
    )
    torch.manual_seed(1)
    first, second = make(), make()
    second.load_state_dict(first.keep_weights().state_dict())
    held = {"x": torch.randn(5, 8, 3)}
    losses = [
        [
            r["loss"]
            for r in wyner.fit(
                m, {"x": Ragged(rows)}, validation=held, epochs=2, batch_size=8, progress=False
            ).history
        ]
        for m in (first, second)
    ]
    assert losses[0] == losses[1]
    assert np.isfinite(losses[0]).all()
    windows = wyner.fit(
        make(), {"x": Ragged(rows, window=4)}, epochs=2, batch_size=8, progress=False
    )
    assert np.isfinite(windows.history[-1]["loss"])


def test_what_rows_are_refused():
    with pytest.raises(DataError, match="at least 9 steps"):
        Ragged(_numbered([3, 4]), window=9)
    with pytest.raises(ShapeError, match="sequence 1: expected shape"):
        Ragged([np.zeros((3, 2)), np.zeros((3, 4))])
    bad = Ragged([np.zeros((3, 2)), np.full((2, 2), np.nan)])
    model = wyner.Model(
        observed={"x": Sequence(5, 2)},
        latent={"z": Real(1)},
        laws={"elbo": ("q(x) q(z|x)", "p(z) p(x|z)")},
        objective=wyner.KL("elbo"),
        modules={"p(x|z)": _Repeat()},
        networks=wyner.networks.Sequences((4,), 4, 4, (4,)),
    )
    with pytest.raises(DataError, match="frames: found nan"):
        wyner.fit(model, {"x": bad}, epochs=1, progress=False)
    with pytest.raises(ShapeError, match="up to 5 steps"):
        wyner.fit(
            model, {"x": Ragged([np.zeros((9, 2)), np.zeros((2, 2))])}, epochs=1, progress=False
        )
    with pytest.raises(wyner.WynerError, match="validation arrays of their own"):
        wyner.fit(
            model, {"x": Ragged([np.zeros((3, 2))] * 4)}, validation=0.5, epochs=1, progress=False
        )


class _Repeat(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last = torch.nn.Linear(1, 2)

    def forward(self, z):
        return self.last(z)[..., None, :].expand(*z.shape[:-1], 5, 2)


def test_the_space_takes_shorter_and_padded_values():
    space = Sequence(5, Real(2))
    assert space == Sequence(5, 2)
    assert (space.event_shape, space.size, repr(space)) == ((5, 2), 10, "Sequence(5, 2)")
    x = torch.zeros(3, 5, 2)
    x[1, 2:] = NAN
    assert space.prepare(x) is x
    assert space.prepare(torch.zeros(3, 4, 2)).shape == (3, 4, 2)
    assert space.prepare(torch.zeros(3, 4, 2, dtype=torch.int64)).dtype == torch.float32
    assert codec.decode(codec.encode(space)) == space


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ((1, 2), "row 1 has no number in step 2"),
        ((1, slice(0, 2)), "row 1 has no number in step 0"),
        ((2,), "row 2 has no number in step 0"),
        ((1, 4, 1), "found nan at row 1, column 4, 1"),
    ],
)
def test_holes_are_refused(where, words):
    x = torch.zeros(3, 5, 2)
    x[where] = NAN
    with pytest.raises(DataError, match=words):
        Sequence(5, 2).prepare(x, "x")


def test_wrong_shapes_and_infinities_are_refused():
    for shape in ((3, 6, 2), (3, 5, 3), (5,)):
        with pytest.raises(ShapeError, match="up to 5 steps"):
            Sequence(5, 2).prepare(torch.zeros(shape))
    x = torch.zeros(3, 5, 2)
    x[0, 1, 1] = float("inf")
    with pytest.raises(DataError, match="found inf at row 0"):
        Sequence(5, 2).prepare(x)
    with pytest.raises(ShapeError, match="expected vectors"):
        Sequence(5, Real(2, 3))
