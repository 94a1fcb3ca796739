"""The operator table: rows are complete, and memory rules name ports that are there."""

import pytest

from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.operators import DOMAIN, OPERATORS, Operator, memory_rule, operator
from tinyfoa_rt.operators.geometry import explicit_window, spatial_shape
from tinyfoa_rt.operators.signature import snake_case


@pytest.mark.parametrize("row", OPERATORS.values(), ids=list(OPERATORS))
def test_memory_rules_name_ports(row: Operator) -> None:
    rule = row.memory
    for output, source in [*rule.views.items(), *rule.updates.items()]:
        assert 0 <= output < len(row.outputs)
        assert 0 <= source < len(row.inputs)
    for output, sources in rule.reuses.items():
        assert 0 <= output < len(row.outputs)
        assert all(0 <= source < len(row.inputs) for source in sources)
    assert all(output < len(row.outputs) for output in rule.streams)
    assert not set(rule.updates) & set(rule.reuses)


@pytest.mark.parametrize("row", OPERATORS.values(), ids=list(OPERATORS))
def test_rows_explain_themselves(row: Operator) -> None:
    assert row.doc.endswith(".")
    assert len({port.name for port in row.inputs}) == len(row.inputs)
    assert memory_rule(row.name, DOMAIN) is row.memory


def test_names_become_files() -> None:
    assert snake_case("BinaryDense") == "binary_dense"
    assert snake_case("LRNGrad") == "lrn_grad"


def test_standard_operators() -> None:
    assert memory_rule("Reshape", "").views == {0: 0}
    assert memory_rule("Add", "").reuses == {0: (0, 1)}
    assert memory_rule("Conv", "").reuses == {}
    assert memory_rule("Relu", "com.example").reuses == {}


@pytest.mark.parametrize(
    ("size", "attributes", "expected"),
    [
        ((28, 28), {"kernel_shape": (3, 3)}, (26, 26)),
        ((28, 28), {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1)}, (28, 28)),
        ((49, 10), {"kernel_shape": (10, 4), "strides": (2, 2), "pads": (4, 1, 5, 1)}, (25, 5)),
        ((32,), {"kernel_shape": (5,), "dilations": (2,)}, (24,)),
        ((7, 7), {"kernel_shape": (3, 3), "strides": (2, 2), "auto_pad": "SAME_UPPER"}, (4, 4)),
        ((7, 7), {"kernel_shape": (3, 3), "strides": (2, 2), "auto_pad": "VALID"}, (3, 3)),
    ],
)
def test_window_shapes_by_hand(size: tuple[int, ...], attributes: dict[str, object], expected: tuple[int, ...]) -> None:
    assert spatial_shape(size, attributes) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "packed", "unpacked"),
    [((2000, 2000), 2000 * 63 * 4, 2000 * 2000), ((1, 32, 16, 16), 1024, 8192), ((3, 5), 12, 15), ((), 4, 1)],
)
def test_bits_fill_whole_words_a_row(shape: tuple[int, ...], packed: int, unpacked: int) -> None:
    bits = TensorType("bit", shape)
    assert bits.nbytes(packs_bits=True) == packed
    assert bits.nbytes(packs_bits=False) == unpacked


@pytest.mark.parametrize(
    ("attributes", "pads"),
    [
        ({"kernel_shape": (3, 2)}, (0, 0, 0, 0)),
        ({"kernel_shape": (3, 2), "pads": (1, 0, 2, 1)}, (1, 0, 2, 1)),
        ({"kernel_shape": (3, 2), "auto_pad": "SAME_UPPER"}, (1, 0, 1, 1)),
        ({"kernel_shape": (3, 2), "auto_pad": "SAME_LOWER"}, (1, 1, 1, 0)),
        ({"kernel_shape": (3, 2), "auto_pad": "VALID"}, (0, 0, 0, 0)),
        ({"kernel_shape": (3, 3), "strides": (2, 2), "dilations": (2, 1), "auto_pad": "SAME_UPPER"}, (2, 0, 2, 1)),
    ],
)
def test_windows_are_made_explicit(attributes: dict[str, object], pads: tuple[int, ...]) -> None:
    """Of images of 7 x 6: 4 x 3 windows at strides of 2."""
    window = explicit_window((7, 6), attributes)  # type: ignore[arg-type]
    assert window["pads"] == pads
    assert set(window) == {"kernel_shape", "strides", "dilations", "pads"}
    assert spatial_shape((7, 6), window) == spatial_shape((7, 6), attributes)  # type: ignore[arg-type]


def test_a_call_that_does_not_match_its_row_is_noticed() -> None:
    row = operator("SgdUpdate")
    with pytest.raises(AssertionError, match="needs its input grad"):
        row.check(("w",), ("w_next",), {})
    with pytest.raises(AssertionError, match="no attribute"):
        row.check(("w", "g", "r"), ("w_next",), {"slope": 1})
