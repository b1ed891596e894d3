"""Text files: decimal commas, blanks, byte-order marks and names that stand twice."""

from __future__ import annotations

import numpy as np
import pytest

from wyner.data.text import columns_of, matrix_of
from wyner.errors import DataError


def written(tmp_path, text: str, encoding: str = "utf-8"):
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("0,4;0,05\n0,3;0,25\n", [[0.4, 0.05], [0.3, 0.25]]),
        ("0.4,0.05\n0.3,0.25\n", [[0.4, 0.05], [0.3, 0.25]]),
        ("0.4\t0.05\n", [[0.4, 0.05]]),
        ("# counts\n4 5\n3 2\n", [[4, 5], [3, 2]]),
        ("1, 2\n3, 4\n", [[1, 2], [3, 4]]),
    ],
)
def test_numbers_without_names(tmp_path, text: str, table) -> None:
    assert matrix_of(written(tmp_path, text)).tolist() == table


def test_a_byte_order_mark_is_no_text(tmp_path) -> None:
    assert matrix_of(written(tmp_path, "1;2\n", "utf-8-sig")).tolist() == [[1, 2]]
    found = columns_of(written(tmp_path, "a,b\n1,2\n", "utf-8-sig"))
    assert list(found) == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.3,,0.2\n", "line 1: expected numbers only, got a blank"),
        ("a,b\n1,2\n", "expected numbers only, got 'a,b'"),
        ("1,2\n3\n", "line 2: expected 2 numbers as in the first row, got 1"),
        ("1,234;5,678\n", "'1,234' may be a thousand and more"),
        ("", "holds no numbers"),
    ],
)
def test_what_is_no_table_of_numbers(tmp_path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        matrix_of(written(tmp_path, text))


def test_columns_are_numbers_or_texts_and_blanks_are_missing(tmp_path) -> None:
    text = "id;age;size;kind\np1;41;1,75;a\np2;NA;1,5;b\np3;;0,125;\n"
    found = columns_of(written(tmp_path, text))
    np.testing.assert_array_equal(found["age"], [41, np.nan, np.nan])
    assert found["size"].tolist() == [1.75, 1.5, 0.125]
    assert found["id"].tolist() == ["p1", "p2", "p3"]
    assert found["kind"].tolist() == ["a", "b", ""]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b,a\n1,2,3\n", "two columns are called 'a'"),
        ("1,2\n3,4\n", "expected the names of the columns in the first line"),
        ("a,b\n", "no rows below the names"),
        ("a\n1\n2\nhigh\n", "column a: 2 numbers, but 'high' in row 3 below the names"),
        ("a;b\n1,234;1\n2,345;2\n", "column a: '1,234' may be a thousand and more"),
    ],
)
def test_columns_that_say_nothing_clear(tmp_path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        columns_of(written(tmp_path, text))


def test_no_file_and_no_text(tmp_path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        columns_of(tmp_path / "none.csv")
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(DataError, match="expected text in UTF-8"):
        columns_of(tmp_path / "t.csv")
