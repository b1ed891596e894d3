"""Tables from files and frames: rows paired by their ids, missing cells, what is left out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from wyner.data import from_tables, read
from wyner.errors import DataError, OptionError
from wyner.variables import Binary, Image, Real

G = np.random.default_rng(0)
A, B = G.normal(size=(6, 2)), G.normal(size=(6, 3))


def csv(path, columns, sep=","):
    names = list(columns)
    rows = zip(*columns.values(), strict=True)
    path.write_text("\n".join([sep.join(names), *(sep.join(map(str, r)) for r in rows)]) + "\n")
    return str(path)


def side(name, values, ids):
    return {"id": ids, **{f"{name}{i}": v for i, v in enumerate(values.T)}}


def test_tables_with_ids_are_paired_by_them_whatever_their_order(tmp_path) -> None:
    ids = np.array([f"p{i}" for i in range(6)])
    order = np.array([3, 1, 5, 0, 2, 4])
    x = csv(tmp_path / "x.csv", side("a", A, ids))
    y = csv(tmp_path / "y.csv", side("b", B[order], ids[order]))
    table = read({"x": x, "y": y})
    assert table.ids.tolist() == ids.tolist()
    np.testing.assert_array_equal(table.views["x"].values, A)
    np.testing.assert_array_equal(table.views["y"].values, B)
    assert table.views["y"].columns == ("b0", "b1", "b2")


def test_rows_in_one_table_only_and_twice_are_counted(tmp_path) -> None:
    x = csv(tmp_path / "x.csv", side("a", A, ["p0", "p1", "p2", "p3", "p4", "p5"]))
    y = csv(tmp_path / "y.csv", side("b", B, ["p1", "p2", "p3", "p4", "q", "p4"]))
    with pytest.raises(DataError, match=r"do not overlap, the first are p0, r0"):
        read({"x": x, "y": csv(tmp_path / "z.csv", side("c", B, [f"r{i}" for i in range(6)]))})
    table = read({"x": x, "y": y}, ids="id")
    assert table.ids.tolist() == ["p1", "p2", "p3"]
    np.testing.assert_array_equal(table.views["x"].values, A[1:4])
    np.testing.assert_array_equal(table.views["y"].values, B[:3])
    assert table.notes[-1] == (
        "tables: 3 rows are in all of x, y, paired by id; left out: 2 in x only, 1 in y only, 1"
        " that stand twice."
    )


def test_tables_without_ids_are_paired_by_position_if_their_lengths_agree(tmp_path) -> None:
    plain = lambda name, v: csv(
        tmp_path / f"{name}.csv", {f"{name}{i}": c for i, c in enumerate(v.T)}
    )
    table = read({"x": plain("a", A), "y": plain("b", B)})
    np.testing.assert_array_equal(table.views["y"].values, B)
    with pytest.raises(
        DataError, match="expected the same number of rows in every array, got 6 of"
    ):
        read({"x": plain("a", A), "y": plain("b", B[:4])})
    with pytest.raises(DataError, match="x has ids of its rows and y has none"):
        read({"x": csv(tmp_path / "i.csv", side("a", A, list("uvwxyz"))), "y": plain("b", B)})


def test_one_file_with_views_by_prefix_by_pattern_or_by_name(tmp_path) -> None:
    rna, size = ({f"{k}:{c}": v for c, v in zip("pqr", m.T)} for k, m in (("rna", B), ("size", A)))
    path = csv(tmp_path / "t.csv", {"sample": list("abcdef"), **rna, **size, "batch": [0, 1] * 3})
    table = read(path)
    assert {k: v.columns for k, v in table.views.items()} == {
        "rna": ("p", "q", "r"),
        "size": ("p", "q"),
    }
    assert table.left_out == ("batch",)
    assert "left out, because nobody named them: batch" in table.notes[0]
    assert table.ids.tolist() == list("abcdef")
    table = read(path, {"x": ["rna:*"], "y": "size:p"}, label="batch")
    assert table.views["x"].columns == ("rna:p", "rna:q", "rna:r")
    assert table.label.tolist() == [0, 1] * 3
    assert table.left_out == ("size:q",)
    with pytest.raises(OptionError, match="views: unknown column 'rna:s'"):
        read(path, {"x": ["rna:s"]})
    with pytest.raises(OptionError, match="label: unknown column 'batches': did you mean 'batch'"):
        read(path, label="batches")
    with pytest.raises(OptionError, match="rna:p is in two views"):
        read(path, {"x": ["rna:*"], "y": ["rna:p"]})


def test_what_nobody_named_is_no_modality() -> None:
    """Outcomes and names of samples beside the arrays do not leak into z."""
    arrays = {"x": A, "y": B, "batch": np.arange(6), "subtype": np.array(list("aabbcc"))}
    table = read({**arrays, "genes": np.array(["g1", "g2"])})
    assert list(table.views) == ["x", "y"]
    assert table.left_out == ("batch", "subtype")
    table = read(arrays, label="subtype", covariates="batch")
    assert table.label.tolist() == list("aabbcc")
    assert table.covariates["batch"].tolist() == list(range(6))
    assert table.left_out == ()
    data = from_tables(arrays, label="subtype", test=0.0, validation=0.0)
    assert data.spaces == {"x": Real(2), "y": Real(3)}
    assert data.train["label"].tolist() == [0, 0, 1, 1, 2, 2]
    assert any("0 is a, 1 is b, 2 is c" in n for n in data.notes)


def test_masked_cells_are_missing_never_values() -> None:
    x = np.ma.masked_array(np.where(np.eye(6, 2) > 0, -9999.0, A), np.eye(6, 2) > 0)
    data = from_tables({"x": x, "y": B}, test=0.0, validation=0.0)
    assert data.train["x_mask"].tolist() == [0, 0, 1, 1, 1, 1]
    assert float(data.train["x"].min()) > -100
    mean, deviation = data.scale["x"]
    np.testing.assert_allclose(mean, A[2:].mean(0), rtol=1e-12)
    np.testing.assert_allclose(deviation, A[2:].std(0), rtol=1e-12)
    assert data.notes[0] == "x: 2 of 6 rows have a missing cell and count as rows without x."


def test_columns_that_would_cost_most_rows_are_named() -> None:
    x = A.copy()
    x[:4, 1] = np.nan
    with pytest.raises(DataError, match="4 of 6 rows of x lack a cell, most of them column 1"):
        from_tables({"x": x, "y": B})
    x[:, 1] = np.nan
    data = from_tables({"x": x, "y": B}, test=0.0)
    assert data.spaces["x"] == Real(1)
    assert "x: left out, because no row has a value: 1." in data.notes


def test_masks_of_rows_and_of_cells() -> None:
    cells = np.ones((6, 2))
    cells[2, 1] = 0
    for mask in (cells, cells.min(1), cells.min(1)[:, None]):
        data = from_tables({"x": A, "y": B, "x_mask": mask}, test=0.0, validation=0.0)
        assert data.train["x_mask"].tolist() == [1, 1, 0, 1, 1, 1]
    with pytest.raises(DataError, match="x_mask must hold 0"):
        read({"x": A, "y": B, "x_mask": np.arange(6)})
    with pytest.raises(DataError, match="x_mask needs 6 entries"):
        read({"x": A, "y": B, "x_mask": np.ones(5)})


def test_large_and_small_columns_are_scaled_by_a_relative_test() -> None:
    """Columns of 1e-14 and of 1e160 change as much as others; one of rounding errors does not."""
    x = np.stack([A[:, 0] * 1e-14, A[:, 0] * 1e160, 3 + np.zeros(6), 1e300 * A[:, 0]], 1)
    data = from_tables({"x": x, "y": B}, test=0.0, validation=0.0)
    seen = data.preprocessing.arrays(data.train)["x"]
    expected = (A[:, 0] - A[:, 0].mean()) / A[:, 0].std()
    for column in (0, 1, 3):
        np.testing.assert_allclose(seen[:, column], expected, rtol=1e-5)
    assert (seen[:, 2] == 0).all()


def test_log1p_before_standardising() -> None:
    counts = G.poisson(20, (30, 2)).astype(float)
    data = from_tables(
        {"x": counts, "y": G.normal(size=(30, 1))}, standardise={"x": "log1p"}, test=0.0
    )
    seen = data.preprocessing.arrays(data.train)["x"]
    logs = np.log1p(data.train["x"])
    np.testing.assert_allclose(seen, (logs - logs.mean(0)) / logs.std(0), rtol=1e-5, atol=1e-6)
    with pytest.raises(DataError, match=r"log\(1 \+ x\) needs numbers from 0 up"):
        from_tables({"x": counts - 50, "y": counts}, standardise="log1p")
    with pytest.raises(OptionError, match="standardise: unknown step 'log2': did you mean 'log1p'"):
        from_tables({"x": counts, "y": counts}, standardise="log2")


def test_pictures_with_an_alpha_channel() -> None:
    """RGBA with a full alpha is RGB; channels stand first afterwards."""
    pictures = G.integers(0, 256, (8, 16, 16, 4)).astype(np.uint8)
    pictures[..., 3] = 255
    data = from_tables({"x": pictures, "y": G.normal(size=(8, 2))}, test=0.0, validation=0.0)
    assert data.spaces["x"] == Image(3, 16, 16)
    np.testing.assert_array_equal(
        data.train["x"], np.moveaxis(pictures[..., :3], -1, 1).astype(np.float32) / 255
    )
    pictures[0, 0, 0, 3] = 7
    with pytest.raises(DataError, match="a fourth channel"):
        from_tables({"x": pictures, "y": G.normal(size=(8, 2))})


def test_structured_arrays_are_tables() -> None:
    rows = np.zeros(5, [("x:a", "f8"), ("x:b", "i4"), ("y:a", "f4"), ("y:b", "f4"), ("who", "U3")])
    rows["who"], rows["x:a"] = [f"p{i}" for i in range(5)], np.arange(5)
    table = read(rows)
    assert {k: v.columns for k, v in table.views.items()} == {"x": ("a", "b"), "y": ("a", "b")}
    assert table.left_out == ("who",)
    assert [c.kind for c in table.views["y"].kinds().columns] == ["continuous", "continuous"]


def test_other_kinds_of_numbers(tmp_path) -> None:
    """Big-endian and long doubles are numbers like others."""
    np.savez(tmp_path / "d.npz", x=A.astype(">f8"), y=B.astype(np.longdouble))
    table = read(tmp_path / "d.npz")
    np.testing.assert_array_equal(table.views["x"].values, A)
    np.testing.assert_array_equal(table.views["y"].values, B)


def test_files_that_nothing_reads(tmp_path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        read(tmp_path / "none.csv")
    (tmp_path / "a.doc").write_text("x")
    with pytest.raises(DataError, match=r"expected a file that ends in \.csv"):
        read(tmp_path / "a.doc")
    with pytest.raises(DataError, match="expected a file, a frame, arrays by name"):
        read(3)


def test_binary_columns_and_scalars() -> None:
    data = from_tables({"x": np.arange(8) % 2.0, "y": np.arange(8.0)}, test=0.0)
    assert data.spaces == {"x": Binary(1), "y": Real(1)}


def test_sparse_rows_stay_sparse() -> None:
    dense = G.poisson(0.3, (6, 4)).astype(float)
    table = read({"x": sparse.csr_matrix(dense), "y": B})
    assert sparse.issparse(table.views["x"].values)
    np.testing.assert_array_equal(
        table.rows(np.array([4, 1])).views["x"].values.toarray(), dense[[4, 1]]
    )


pandas = pytest.importorskip("pandas")


def frames(shuffle=None):
    index = [f"p{i}" for i in range(6)]
    x = pandas.DataFrame(A, index=index, columns=["a", "b"])
    y = pandas.DataFrame(B, index=index, columns=list("pqr"))
    return {"x": x, "y": y if shuffle is None else y.iloc[shuffle]}


def test_frames_are_paired_by_their_index() -> None:
    table = read(frames([5, 3, 1, 0, 2, 4]))
    np.testing.assert_array_equal(table.views["y"].values, B)
    assert table.views["y"].columns == ("p", "q", "r")


def test_frames_with_a_default_index_are_paired_by_position_or_by_what_it_counts() -> None:
    x, y = (v.reset_index(drop=True) for v in frames().values())
    np.testing.assert_array_equal(read({"x": x, "y": y}).views["y"].values, B)
    shuffled = y.sample(frac=1, random_state=0)
    np.testing.assert_array_equal(read({"x": x, "y": shuffled}).views["y"].values, B)


def test_two_levels_of_columns_are_views() -> None:
    both = pandas.concat(frames(), axis=1)
    table = read(both)
    assert {k: v.columns for k, v in table.views.items()} == {"x": ("a", "b"), "y": ("p", "q", "r")}


def test_columns_of_frames_that_are_no_numbers_are_left_out_and_said() -> None:
    frame = frames()["x"].assign(sex=list("mfmfmf"), day=pandas.Timestamp("2020-01-01"))
    frame["n"] = pandas.array([1, 2, None, 4, 5, 6], dtype="Int64")
    table = read({"x": frame, "y": frames()["y"]})
    assert table.left_out == ("sex", "day")
    assert table.views["x"].columns == ("a", "b", "n")
    assert table.views["x"].missing[:, 2].tolist() == [False, False, True, False, False, False]
    with pytest.raises(DataError, match="two columns are called a"):
        read({"x": frame[["a", "a"]], "y": frames()["y"]})


@pytest.mark.parametrize("ending", [".parquet", ".feather", ".xlsx"])
def test_files_of_frames(tmp_path, ending: str) -> None:
    pytest.importorskip("openpyxl" if ending == ".xlsx" else "pyarrow")
    frame = pandas.DataFrame({"id": list("abcdef"), "x:p": A[:, 0], "x:q": A[:, 1], "y:p": B[:, 0]})
    path = tmp_path / f"t{ending}"
    kinds = {".parquet": "to_parquet", ".feather": "to_feather", ".xlsx": "to_excel"}
    getattr(frame, kinds[ending])(path, **({} if ending == ".feather" else {"index": False}))
    table = read(path)
    np.testing.assert_allclose(table.views["x"].values, A, rtol=1e-14)
    assert table.ids.tolist() == list("abcdef")


def test_polars_and_arrow() -> None:
    polars = pytest.importorskip("polars")
    columns = {"id": list("abcdef"), "p": A[:, 0].tolist(), "q": [1, None, 3, 4, 5, 6]}
    for frame in (polars.DataFrame(columns), pytest.importorskip("pyarrow").table(columns)):
        table = read({"x": frame, "y": frame.select(["q", "id"])})
        assert table.views["x"].columns == ("p", "q")
        assert table.views["x"].missing[:, 1].tolist() == [False, True, False, False, False, False]
        assert table.ids.tolist() == list("abcdef")


def test_anndata_and_mudata(tmp_path) -> None:
    anndata = pytest.importorskip("anndata")
    obs = pandas.DataFrame(
        {"donor": list("uvuvuv"), "age": range(6)}, index=[f"c{i}" for i in range(6)]
    )
    var = pandas.DataFrame(
        {"feature_types": ["Gene Expression"] * 2 + ["Antibody Capture"]}, index=["g1", "g2", "cd3"]
    )
    counts = sparse.csr_matrix(G.poisson(2.0, (6, 3)).astype(np.float32))
    data = anndata.AnnData(counts, obs=obs, var=var, layers={"log": np.log1p(counts.toarray())})
    data.write_h5ad(tmp_path / "d.h5ad")
    for source in (data, tmp_path / "d.h5ad"):
        table = read(source, label="donor")
        assert {k: v.columns for k, v in table.views.items()} == {
            "Gene_Expression": ("g1", "g2"),
            "Antibody_Capture": ("cd3",),
        }
        assert sparse.issparse(table.views["Gene_Expression"].values)
        assert table.label.tolist() == list("uvuvuv")
        assert table.left_out == ("age",)
    table = read(data, layer="log")
    np.testing.assert_allclose(
        table.views["Antibody_Capture"].values, np.log1p(counts.toarray()[:, 2:])
    )
    mudata = pytest.importorskip("mudata")
    other = anndata.AnnData(B, obs=pandas.DataFrame(index=[f"c{i}" for i in reversed(range(6))]))
    both = read(mudata.MuData({"rna": data[:, :2].copy(), "size": other}))
    assert both.ids.tolist() == [f"c{i}" for i in range(6)]
    np.testing.assert_array_equal(both.views["size"].values, B[::-1])
