"""Spaces: shapes, and which arrays they take and refuse."""

from __future__ import annotations

import pytest
import torch

from wyner import codec
from wyner.errors import DataError, ShapeError
from wyner.variables import Binary, Categorical, Counts, Image, Mixed, Positive, Real


@pytest.mark.parametrize(
    ("space", "shape", "size", "text"),
    [
        (Real(10), (10,), 10, "Real(10)"),
        (Real(3, 4), (3, 4), 12, "Real(3, 4)"),
        (Real((3, 4)), (3, 4), 12, "Real(3, 4)"),
        (Image(3, 8, 4), (3, 8, 4), 96, "Image(3, 8, 4)"),
        (Binary(28, 14), (28, 14), 392, "Binary(28, 14)"),
        (Categorical(2, 5), (2, 5), 10, "Categorical(2, 5)"),
        (Categorical(k=7), (1, 7), 7, "Categorical(1, 7)"),
        (Counts(4), (4,), 4, "Counts(4)"),
        (Positive(2, 3), (2, 3), 6, "Positive(2, 3)"),
        (Mixed(Real(2), Categorical(2, 3)), (4,), 4, "Mixed(Real(2), Categorical(2, 3))"),
    ],
)
def test_shapes(space, shape, size, text):
    assert (space.event_shape, space.size, repr(space)) == (shape, size, text)


def test_equal_means_same_kind_and_shape():
    assert Real(3) == Real(3)
    assert hash(Real(3)) == hash(Real(3))
    assert Real(3) != Real(4)
    assert Real(3) != Binary(3)
    assert Real(2, 5) != Categorical(2, 5)


@pytest.mark.parametrize(
    "make",
    [lambda: Real(), lambda: Real(0), lambda: Real(-2), lambda: Real(2.5), lambda: Real(True)],
)
def test_sizes_must_be_positive_whole_numbers(make):
    with pytest.raises(ShapeError, match=r"positive whole numbers, for example Real\(10\)"):
        make()


def test_an_image_has_three_axes():
    with pytest.raises(ShapeError, match=r"\(channels, height, width\)"):
        Image(32, 32)


def test_integers_become_floats():
    out = Real(2).prepare(torch.tensor([[1, 2], [3, 4]]))
    assert out.dtype == torch.get_default_dtype()
    assert out.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_floats_keep_their_type_and_any_leading_shape():
    value = torch.randn(5, 2, 3, 4, dtype=torch.float64)
    assert Real(3, 4).prepare(value) is value


@pytest.mark.parametrize("shape", [(5, 3), (2,), (5, 2, 2), ()])
def test_wrong_shape_names_the_variable_and_both_shapes(shape):
    with pytest.raises(
        ShapeError, match=r"x: expected shape \(\.\.\., 3, 2\) for Real\(3, 2\), got"
    ):
        Real(3, 2).prepare(torch.zeros(shape), "x")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_found_with_row_and_column(bad):
    value = torch.zeros(4, 3)
    value[2, 1] = bad
    value[3, 0] = bad
    with pytest.raises(
        DataError, match=rf"x: found {bad} at row 2, column 1 \(counting from 0\).*x_mask"
    ):
        Real(3).prepare(value, "x")


@pytest.mark.parametrize("bad", [-0.01, 1.01, 255.0])
def test_binary_values_lie_between_0_and_1(bad):
    with pytest.raises(DataError, match=r"x: a Bernoulli decoder needs values in \[0, 1\]"):
        Binary(2).prepare(torch.tensor([[0.0, bad]]), "x")
    torch.testing.assert_close(
        Binary(2).prepare(torch.tensor([[0.0, 0.7], [1.0, 0.0]])),
        torch.tensor([[0.0, 0.7], [1.0, 0.0]]),
    )


def test_codes_become_one_hot_rows():
    eye = torch.eye(3)
    codes = torch.tensor([2, 0, 1, 1])
    torch.testing.assert_close(Categorical(1, 3).prepare(codes), eye[codes][:, None])
    torch.testing.assert_close(Categorical(1, 3).prepare(codes[:, None]), eye[codes][:, None])
    torch.testing.assert_close(Categorical(1, 3).prepare(codes.double()), eye[codes][:, None])
    pair = torch.tensor([[2, 0], [1, 1], [0, 0], [2, 2]])
    torch.testing.assert_close(Categorical(2, 3).prepare(pair), eye[pair])


def test_one_hot_rows_stay():
    value = torch.eye(3)[torch.tensor([[0, 2], [1, 1]])]
    assert Categorical(2, 3).prepare(value) is value


@pytest.mark.parametrize("codes", [[0, 3], [-1, 0], [0.5, 1.0]])
def test_codes_out_of_range_are_refused(codes):
    with pytest.raises(DataError, match=r"c: Categorical\(1, 3\) needs whole numbers from 0 to 2"):
        Categorical(1, 3).prepare(torch.tensor(codes), "c")


def test_codes_of_another_width_are_refused():
    with pytest.raises(ShapeError, match=r"c: expected shape \(\.\.\., 2, 3\)"):
        Categorical(2, 3).prepare(torch.zeros(5, 4), "c")


MIXED = Mixed([Real(2), Counts(1), Categorical(1, 3), Binary(1), Positive(1)])
ROW = torch.tensor([[0.5, -1.0, 4.0, 2.0, 1.0, 0.1], [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]])


def test_mixed_columns_stay_as_they_are_and_are_read_in_their_own_ways():
    assert Mixed(*MIXED.parts) == MIXED
    assert MIXED.prepare(ROW) is ROW
    code = MIXED.encode(ROW)
    assert code.shape == (2, *MIXED.encoded) == (2, 8)
    exact = torch.tensor([[0.5, -1.0, 5.0, 0.0, 0.0, 1.0, 1.0, 0.1], [0, 0, 1, 1, 0, 0, 0, 1.0]])
    exact[:, [2, 7]] = exact[:, [2, 7]].log()
    torch.testing.assert_close(code, exact)
    assert [i for i, a in enumerate(MIXED.logarithms) if a] == [2, 7]
    assert MIXED.encode(ROW.expand(3, 2, 6)).shape == (3, 2, 8)


def test_what_stands_in_missing_rows_is_allowed():
    for space in (Real(2), Binary(2), Counts(2), Positive(2), MIXED, Categorical(2, 3)):
        row = space.fill.expand(1, *space.event_shape)
        assert bool(torch.isfinite(space.encode(space.prepare(row))).all())


@pytest.mark.parametrize(
    ("space", "value", "words"),
    [
        (Counts(2), [[1.0, -1.0]], r"whole numbers from 0 up, got -1 at row 0, column 1"),
        (Counts(2), [[1.0, 0.0], [0.5, 1.0]], r"got 0.5 at row 1, column 0"),
        (Positive(2), [[1.0, 0.0]], r"Positive\(2\) needs numbers above 0, got 0 at row 0"),
        (MIXED, [[0.0, 0.0, 0.5, 0.0, 0.0, 1.0]], r"x, column 2 \(counting from 0\): Counts\(1\)"),
        (MIXED, [[0.0, 0.0, 0.0, 3.0, 0.0, 1.0]], r"x, column 3 .*whole numbers from 0 to 2"),
        (MIXED, [[0.0, 0.0, 0.0, 0.0, 2.0, 1.0]], r"x, column 4 .*Bernoulli"),
        (MIXED, [[0.0, 0.0, 0.0, 0.0, 0.0, 0.0]], r"x, column 5 .*above 0"),
        (MIXED, [[0.0, float("nan"), 0.0, 0.0, 0.0, 1.0]], r"x: found nan at row 0, column 1"),
    ],
)
def test_values_of_another_kind_are_refused_by_column(space, value, words):
    with pytest.raises(DataError, match=words):
        space.prepare(torch.tensor(value), "x")


@pytest.mark.parametrize("parts", [(), (Image(1, 2, 2),), (Real(2, 2),), (3,), (MIXED,)])
def test_mixed_takes_spaces_of_columns(parts):
    with pytest.raises(ShapeError, match="Mixed: expected"):
        Mixed(*parts)


@pytest.mark.parametrize("space", [Counts(3), Positive(2), MIXED, Mixed(Categorical(2, 4))])
def test_spaces_are_stored(space):
    assert codec.decode(codec.encode(space)) == space
