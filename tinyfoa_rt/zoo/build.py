"""From a specification to an ONNX model (opset 18, IR 9)."""

from __future__ import annotations

import onnx
import onnx.parser
from onnx import helper, numpy_helper

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.resources import resource_path
from tinyfoa_rt.zoo.layers import add_layer
from tinyfoa_rt.zoo.network import LOCAL_DOMAIN, Network
from tinyfoa_rt.zoo.spec import ModelSpec
from tinyfoa_rt.zoo.weights import draw

__all__ = ["assemble", "lay_out", "locally_connected_function"]

_OPSET = 18
_IR_VERSION = 9
_FUNCTION = "graphs/models/locally_connected.onnxtxt"


def lay_out(spec: ModelSpec, path: str) -> Network:
    """Return the nodes, shapes and declared parameters of a model, drawing no weights.

    Raises:
        InputError: layers do not fit together; the message names ``path`` and the layer.
    """
    network = Network(path, spec.input_shape)
    previous = "input"
    for layer in spec.layers:
        add_layer(network, layer, layer.source or previous)
        previous = layer.name
    return network


def assemble(spec: ModelSpec, network: Network) -> onnx.ModelProto:
    """Return the model of ``spec``, laid out in ``network``, with its weights."""
    last = spec.layers[-1].name
    local = [node.output[0] for node in network.nodes if node.domain == LOCAL_DOMAIN and node.output[0] != last]
    # Shape inference does not always see through a function body, so its outputs are declared.
    declared = [network.value_info(name) for name in local]
    output = network.value_info(last)
    output.name = network.nodes[-1].output[0] = "logits"
    graph = helper.make_graph(network.nodes, spec.name, [network.value_info("input")], [output], value_info=declared)
    for parameter, values in zip(network.parameters, draw(network.parameters, spec.seed)):
        graph.initializer.append(numpy_helper.from_array(values, parameter.name))
    opsets, functions = [helper.make_opsetid("", _OPSET)], []
    if any(node.domain == LOCAL_DOMAIN for node in network.nodes):
        opsets.append(helper.make_opsetid(LOCAL_DOMAIN, 1))
        functions.append(locally_connected_function())
    model = helper.make_model(graph, opset_imports=opsets, functions=functions, ir_version=_IR_VERSION)
    model.producer_name, model.doc_string = "tinyfoa-rt", spec.title
    helper.set_model_props(model, {"weights": "He initialisation, untrained", "seed": str(spec.seed)})
    return model


def locally_connected_function() -> onnx.FunctionProto:
    """Read the function that says what LocallyConnected does, in standard operators."""
    path = resource_path(_FUNCTION)
    try:
        return onnx.parser.parse_function(path.read_text(encoding="utf-8"))
    except (OSError, onnx.parser.ParseError) as error:
        raise InputError(str(path), f"cannot be used ({error})", "install tinyfoa-rt again") from error
