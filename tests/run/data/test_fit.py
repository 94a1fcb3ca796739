"""Samples fit a model's input in one way or not at all; labels fit its outputs."""

from __future__ import annotations

import numpy as np
import pytest

from tests.run.data.data_files import images, labels
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.run.data import check_classes, fit_to_shape
from tinyfoa_rt.run.data.features import as_features


@pytest.mark.parametrize(
    ("have", "want"),
    [
        ((28, 28), (784,)),
        ((28, 28), (1, 28, 28)),
        ((28, 28), (28, 28, 1)),
        ((28, 28), (28, 28)),
        ((28, 28, 1), (1, 28, 28)),
        ((28, 28), (1, 784)),
        ((3, 32, 32), (3072,)),
        ((169,), (1, 13, 13)),
        ((169,), (13, 13)),
        ((5,), (5, 1)),
        ((5,), (1, 1, 5)),
        ((), (1,)),
    ],
)
def test_shapes_that_read_alike(have: tuple[int, ...], want: tuple[int, ...]) -> None:
    x = images(2, have)
    fitted = fit_to_shape(x, (1, *want))
    assert fitted.shape == (2, *want)
    np.testing.assert_array_equal(fitted.reshape(-1), x.reshape(-1))
    assert np.shares_memory(fitted, x)


def test_channels_move() -> None:
    x = images(2, (3, 5, 4))
    last = fit_to_shape(x, (1, 5, 4, 3))
    assert last[1, 4, 2, 0] == x[1, 0, 4, 2]
    np.testing.assert_array_equal(fit_to_shape(last, (1, 3, 5, 4)), x)


@pytest.mark.parametrize(
    ("have", "want"),
    [
        ((28, 28), (783,)),
        ((28, 28), (14, 56)),
        ((3072,), (3, 32, 32)),  # planes or pixels first: not known
        ((3, 32, 32), (32, 3, 32)),
        ((3, 4, 5), (3, 5, 4)),
        ((16, 3, 16), (3, 16, 16)),
        ((3, 32, 32), (96, 32)),
        ((28, 28), ()),
    ],
)
def test_what_is_not_clear_is_refused_with_both_shapes(have: tuple[int, ...], want: tuple[int, ...]) -> None:
    with pytest.raises(InputError) as refused:
        fit_to_shape(images(2, have), (1, *want))
    for shape in (have, want):
        assert f"({', '.join(map(str, ('N', *shape)))}" in str(refused.value)


def test_labels_beyond_the_models_outputs() -> None:
    check_classes(labels(9), 3)
    with pytest.raises(InputError, match="y, row 2: label 2 is outside 0 to 1; number the classes 0 to 1"):
        check_classes(labels(9), 2, "y")


def test_rows_are_counted_over_all_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyfoa_rt.run.data.features._CHUNK_NBYTES", 100)
    x = images(50).astype(np.float32)
    x[37, 3, 2] = np.inf
    with pytest.raises(InputError, match=r"^x, row 37: "):
        as_features(x, "x")


def test_empty_and_textual_samples_are_refused() -> None:
    with pytest.raises(InputError, match="is empty"):
        as_features(np.zeros((3, 0), np.float32), "x")
    with pytest.raises(InputError, match="has the type <U1"):
        as_features(np.array([["a"]]), "x")
