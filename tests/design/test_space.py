"""What is proposed: the shapes that samples may be, networks that can be laid out, and how often a step of them multiplies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyfoa_rt.design.architecture import Architecture
from tinyfoa_rt.design.space import Family, families, shapes_of
from tinyfoa_rt.zoo import build_spec
from tinyfoa_rt.zoo.build import lay_out


@pytest.mark.parametrize(
    ("sample", "shapes"),
    [
        ((4,), [(4,)]),
        ((187,), [(187,), (1, 1, 187)]),
        ((169,), [(169,), (1, 1, 169), (1, 13, 13)]),
        ((28, 28), [(784,), (1, 28, 28)]),
        ((1, 28, 28), [(784,), (1, 28, 28)]),
        ((32, 32, 3), [(3072,), (3, 32, 32)]),
        ((3, 32, 24), [(2304,), (3, 32, 24)]),
        ((6, 128), [(768,), (6, 1, 128)]),
        ((2, 3, 4, 5), [(120,)]),
        ((1, 1), [(1,)]),
    ],
)
def test_a_sample_is_features_and_what_else_its_axes_say(sample: tuple[int, ...], shapes: list[tuple[int, ...]]) -> None:
    assert list(shapes_of(sample)) == shapes


def narrowest(family: Family) -> Architecture:
    return family.at(family.widths[0], family.ways[0]).architecture


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(1, 12))
def test_every_family_of_any_shape_can_be_laid_out(sample: list[int], num_outputs: int) -> None:
    found = list(families(sample, num_outputs))
    assert any(family.is_dense for family in found)
    for family in found:
        network = lay_out(narrowest(family).spec(), "drawn")
        assert network.shapes["classifier"] == (num_outputs,)
        if not family.is_dense:  # what the classifier reads is a small grid
            assert max(network.shapes[network.nodes[-3].output[0]][1:]) < 8


def test_the_titles_of_families_tell_them_apart() -> None:
    titles = [narrowest(family).title for family in families((169,), 2)]
    assert len(titles) == len(set(titles))


# By hand: a convolution multiplies kernel x inputs x channels at each position, a dense layer inputs x outputs.
CONV = Architecture((2, 8, 6), 3, channels=(4, 8), kernel=3, pads=True)
CONV_PRODUCTS = (9 * 2 * 4 * 48, 9 * 4 * 8 * 12, 8 * 2 * 1 * 3)
DENSE = Architecture((1, 28, 28), 10, pool_input=2, units=(20,))
DENSE_PRODUCTS = (196 * 20, 20 * 10)
SIGNAL = Architecture((6, 1, 64), 5, pool_input=2, channels=(4,), kernel=5, strides=True, pads=True)
VALID = Architecture((1, 14, 14), 10, channels=(7, 16), kernel=3)
VALID_PRODUCTS = (9 * 7 * 144, 9 * 7 * 16 * 16, 16 * 4 * 10)  # 14 - 2 = 12, 6 - 2 = 4, 2x2
SIGNAL_PRODUCTS = (5 * 6 * 4 * 16, 4 * 4 * 5)


@pytest.mark.parametrize(
    ("architecture", "products"),
    [(CONV, CONV_PRODUCTS), (DENSE, DENSE_PRODUCTS), (SIGNAL, SIGNAL_PRODUCTS), (VALID, VALID_PRODUCTS)],
)
def test_products_are_counted_layer_by_layer(architecture: Architecture, products: tuple[int, ...]) -> None:
    assert tuple(lay_out(architecture.spec(), "counted").multiply_adds().values()) == products
    assert architecture.multiply_adds(is_end_to_end=True) == 3 * sum(products) - products[0]


def test_a_step_of_a_block_with_a_head_multiplies_what_it_trains() -> None:
    first, second, last = CONV_PRODUCTS
    head_1, head_2 = 4 * 4 * 4 * 3, 8 * 4 * 3 * 3  # channels x cells x outputs; 8x6 has 4x4 cells, 4x3 has 12
    steps = (2 * first + 3 * head_1, first + 2 * second + 3 * head_2, first + second + 2 * last)
    assert CONV.multiply_adds(is_end_to_end=False) == max(steps)


def test_a_seed_draws_the_weights() -> None:
    first, again, other = (build_spec(DENSE.spec(seed)).graph.initializer[0].raw_data for seed in (0, 0, 1))
    assert first == again != other
