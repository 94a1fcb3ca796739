"""Shares of layers: ``--train NAME[:p/q]`` trains the weights of the first p/q of a layer's inputs, and its biases.

This is the sparse update that MIT's tiny training engine searches: what is trained of a layer is decided once, not in turns. A
share of 0 stands for ``[bias]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from tinyfoa_rt.errors import UsageError
from tinyfoa_rt.ir.block import Block, Layer, Partition
from tinyfoa_rt.ir.graph import Graph
from tinyfoa_rt.partition.biases import with_bias_layers

__all__ = ["resolved_names", "with_shares"]


def with_shares(graph: Graph, parts: Partition, shares: Mapping[str, Fraction]) -> tuple[Graph, Partition]:
    """Return graph and partition with its layers trained as far as ``shares`` say, by their names.

    Raises:
        UsageError: a share is less than one input; or a layer has no biases, which are all that is to be trained of it.
    """
    if not shares:
        return graph, parts
    parts = replace(parts, blocks=tuple(_with_shares(block, shares) for block in parts.blocks))
    return with_bias_layers(graph, parts, {name for name, share in shares.items() if not share})


def resolved_names(block: Block, shares: Mapping[str, Fraction]) -> tuple[str, ...]:
    """Return what a plan's ``train`` says of a block of one depth: its name, or those of the layers that are trained in part."""
    in_part = tuple(f"{layer.name}[{_suffix(shares[layer.name])}]" for layer in block.layers if layer.name in shares)
    return in_part or (block.name,)


def _suffix(share: Fraction) -> str:
    return f":{share}" if share else "bias"


def _with_shares(block: Block, shares: Mapping[str, Fraction]) -> Block:
    return replace(block, layers=tuple(_trained_in_part(layer, shares.get(layer.name)) for layer in block.layers))


def _trained_in_part(layer: Layer, share: Fraction | None) -> Layer:
    if not share:
        return layer
    trained = int(share * layer.in_features)
    if not trained:
        inputs = f"{layer.in_features} input{'s' * (layer.in_features != 1)}{' a group' * (layer.groups > 1)}"
        mend = "train all of it, or name a larger share"
        raise UsageError(f"--train {layer.name}[:{share}]", f"the layer has {inputs}: the share has none", mend)
    return replace(layer, trained_inputs=trained)
