"""What a block keeps between steps: latent values, bits, sums, optimizer state, what its method keeps and constants.

Where the profile has nonvolatile memory this lies there; else it takes RAM all the time.
"""

from __future__ import annotations

from collections.abc import Iterable

from tinyfoa_rt.ir.block import Layer, Slices
from tinyfoa_rt.ir.graph import Graph, Node
from tinyfoa_rt.ir.latents import latent_of
from tinyfoa_rt.ir.optimizers import optimizer_of
from tinyfoa_rt.ir.profile import Profile
from tinyfoa_rt.ir.recipe import Recipe
from tinyfoa_rt.ir.slices import SliceGrid
from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.steps.block_context import BlockContext
from tinyfoa_rt.steps.builder import stored_type
from tinyfoa_rt.steps.methods import method_of

__all__ = ["constant_nbytes", "slice_nbytes", "trained_nbytes"]

_FLOAT32 = 4


def constant_nbytes(graph: Graph, nodes: Iterable[Node], profile: Profile) -> int:
    """Bytes of the real constants that nodes run as they are read; integer constants are part of the program."""
    names = {name for node in nodes for name in node.inputs if graph.is_constant(name)}
    found = (stored_type(graph.constants[name], profile) for name in names if graph.constants[name].is_real)
    return sum(each.nbytes(packs_bits=False) for each in found)


def trained_nbytes(context: BlockContext) -> int:
    """Bytes that a trained block keeps: parameters, their state, what its method keeps, scales and other constants."""
    block, recipe = context.block, context.recipe
    inside = {node.name for layer in block.layers for node in layer.nodes}
    owned = [node for node in block.nodes if node.name not in inside]
    total = constant_nbytes(context.graph, owned, context.profile) + sum(
        _layer_nbytes(layer, context.recipe_of(layer), context.profile) for layer in block.layers
    )
    total += _FLOAT32 * len(context.binary_parts)
    kept = method_of(recipe.method).kept(context)
    return total + sum(each.type.nbytes(packs_bits=context.profile.packs_bits) for each in kept if not each.is_derived)


def slice_nbytes(layer: Layer, recipe: Recipe, profile: Profile, at: tuple[Slices, int]) -> int:
    """Bytes that are written back when slice ``at = (slices, index)`` ends its turn: latent values, state, bits, sums, bias."""
    slices, index = at
    part = SliceGrid.of(layer, slices).part(index)
    rows, columns = part.num_outs * layer.weight_copies, part.num_ins * layer.taps
    return _rows_nbytes((rows, columns), layer.bias is not None, recipe, profile)


def _layer_nbytes(layer: Layer, recipe: Recipe, profile: Profile) -> int:
    quantum = _FLOAT32 * latent_of(recipe.latent).is_integer
    shape = layer.out_features * layer.weight_copies, layer.row_size
    return quantum + _rows_nbytes(shape, layer.bias is not None, recipe, profile)


def _rows_nbytes(shape: tuple[int, int], has_bias: bool, recipe: Recipe, profile: Profile) -> int:
    rows, columns = shape
    num_states, latent = len(optimizer_of(recipe.optimizer).states), latent_of(recipe.latent)
    held = TensorType(latent.dtype, shape).nbytes(packs_bits=False)
    total = held + _FLOAT32 * num_states * rows * columns
    total += _FLOAT32 * (1 + num_states) * (rows if has_bias else 0)
    if recipe.binarize != "none":
        bits = TensorType("bit", shape).nbytes(packs_bits=profile.packs_bits)
        total += bits + _FLOAT32 * rows
    return total
