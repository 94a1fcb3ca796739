"""Tables as text: every refusal names the line."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.run.data.data_files import refusal
from tinyfoa_rt.errors import InputError, UsageError
from tinyfoa_rt.run.data import load_data, load_samples

ROWS = "".join(f"{i / 4},{-i}e-1,{i % 2}\n" for i in range(20))


def table(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("header", ["", "width,height,kind\n", "\ufeffwidth,height,kind\r\n", "\n"])
def test_a_header_is_optional(tmp_path: Path, header: str) -> None:
    data = load_data(str(table(tmp_path / "iris.csv", header + ROWS)))
    assert (data.x_train.shape, data.x_test.shape, data.num_classes, data.name) == ((16, 2), (4, 2), 2, "iris")
    assert np.bincount(data.y_test).tolist() == [2, 2]
    both = np.concatenate([data.x_train, data.x_test])
    order = np.argsort(both[:, 0])
    np.testing.assert_allclose(both[order], [[i / 4, -i / 10] for i in range(20)], rtol=1e-6)
    np.testing.assert_array_equal(np.concatenate([data.y_train, data.y_test])[order], [i % 2 for i in range(20)])


@pytest.mark.parametrize("separator", ",\t;|")
def test_separators_and_quotes(tmp_path: Path, separator: str) -> None:
    """What makes most fields of the first line separates; a quoted field may hold it."""
    text = f'"a{separator}b",c,kind\n'.replace(",", separator) + ROWS.replace(",", separator)
    data = load_data(table(tmp_path / "a.tsv", text))
    assert (len(data.x_train), data.x_train.shape[1], data.num_classes) == (16, 2, 2)


@pytest.mark.parametrize("label", ["kind", "1"])
def test_the_column_of_the_labels(tmp_path: Path, label: str) -> None:
    text = "kind,width,height\n" + "".join(f"{['no', 'yes'][i % 2]},{i},{-i}\n" for i in range(20))
    data = load_data(table(tmp_path / "a.csv", text), label)
    assert data.label_map is not None and data.label_map.labels == ("no", "yes")
    rows = np.concatenate([data.x_train, data.x_test])
    names = data.labels(np.concatenate([data.y_train, data.y_test]))
    assert sorted(map(tuple, rows.tolist())) == [(i, -i) for i in range(20)]
    assert all(name == ("no", "yes")[int(row[0]) % 2] for row, name in zip(rows, names))


def test_a_label_that_is_no_column(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "width,height,kind\n" + ROWS)
    with pytest.raises(UsageError, match=r"--label colour: is no column of a\.csv; give 1 to 3 or width, height, kind"):
        load_data(path, "colour")
    with pytest.raises(UsageError, match="--label 4: is no column"):
        load_data(path, "4")
    with pytest.raises(UsageError, match="is the column of a table"):
        load_data("digits", "4")


@pytest.mark.parametrize("has_labels", [True, False])
def test_all_rows_with_or_without_labels(tmp_path: Path, has_labels: bool) -> None:
    rows = [(0.5, 1.0, "x"), (2.0, -3.0, "y")]
    text = "".join(",".join(map(str, row[: 2 + has_labels])) + "\n" for row in rows)
    x, y = load_samples(table(tmp_path / "a.csv", text), 2)
    assert np.asarray(x).tolist() == [[0.5, 1.0], [2.0, -3.0]]
    assert (None if y is None else y.tolist()) == (["x", "y"] if has_labels else None)


def test_columns_are_normalized_apart(tmp_path: Path) -> None:
    data = load_data(str(table(tmp_path / "a.csv", ROWS)))
    normalized = data.normalization.apply(data.x_train)
    np.testing.assert_allclose(normalized.mean(axis=0), [0, 0], atol=1e-6)
    np.testing.assert_allclose(normalized.std(axis=0), [1, 1], rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "a.csv: holds no rows of numbers"),
        ("a,b,c\n", "a.csv: holds no rows of numbers"),
        ("1\n2\n", "a.csv: has one column"),
        ("1;2;0\n3,4,1\n", "a.csv, line 2: has 1 columns, the rows before it 3"),
        (ROWS + "1,0\n", "a.csv, line 21: has 2 columns, the rows before it 3"),
        (ROWS + "\n1,2,3,0\n", "a.csv, line 22: has 4 columns, the rows before it 3"),
        (ROWS + "1,,0\n", "a.csv, line 21, column 2: '' is not a finite number"),
        (ROWS + "nan,1,0\n", "a.csv, line 21, column 1: 'nan' is not a finite number"),
        (ROWS + "1,-Inf,0\n", "a.csv, line 21, column 2: '-Inf' is not a finite number"),
        (ROWS + "1,1e39,0\n", "a.csv, line 21, column 2: '1e39' is not a finite number"),
        ("1,two,0\n" + ROWS, "a.csv, line 1, column 2: 'two' is not a finite number"),
        (ROWS + "1,2,\n", "a.csv, line 21, column 3: has no label"),
        (ROWS + "1,2,nan\n", "a.csv, line 21, column 3: 'nan' is not a finite number"),
        (ROWS.replace(",0\n", ",cat\n").replace(",1\n", ",cat\n"), "a.csv: all labels are 'cat'"),
        ("1,2,0\n" * 9, "a.csv: all labels are 0"),
        ("1,2,0\n1,2,1\n", "a.csv: 2 samples are too few to test with"),
        (b"1,2,\xff\n", "a.csv: is no table as text"),
        (ROWS + '"1,2,0\n', "a.csv: is no table as text"),
        (ROWS + "1" * 200_000 + ",2,0\n", "a.csv: is no table as text"),
    ],
)
def test_refusals(tmp_path: Path, text: str | bytes, problem: str) -> None:
    assert problem in refusal(table(tmp_path / "a.csv", text))


@given(text=st.text(alphabet='0123456789.,-+e"\n\r \0naif;\u0663', max_size=80) | st.binary(max_size=80))
def test_any_text_is_read_or_refused(tmp_path: Path, text: str | bytes) -> None:
    path = table(tmp_path / "fuzz.csv", text)
    try:
        data = load_data(str(path))
    except InputError as error:
        assert "\n" not in str(error) and "fuzz.csv" in str(error)
    else:
        assert np.isfinite(data.x_train).all()


NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-(2.0**100), max_value=2.0**100)


@given(rows=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=6, max_size=30), has_header=st.booleans())
def test_what_was_written_is_read(tmp_path: Path, rows: list[tuple[float, float]], has_header: bool) -> None:
    text = "a,b,label\n" * has_header + "".join(f"{a!r},{b!r},{i % 2}\n" for i, (a, b) in enumerate(rows))
    data = load_data(str(table(tmp_path / "a.csv", text)))
    both = np.concatenate([data.x_train, data.x_test])
    assert sorted(map(tuple, both.tolist())) == sorted(rows)
    assert len(data.x_test) == sum((size + 2) // 5 for size in (math.ceil(len(rows) / 2), len(rows) // 2))
