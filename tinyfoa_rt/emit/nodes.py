"""Step nodes -> ONNX nodes: every input that a body reads is there, constants of the model become initializers."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tinyfoa_rt.emit.bodies import UNBIASED, WHOLE, has_function, load_functions
from tinyfoa_rt.emit.rewrites import rewrite_function
from tinyfoa_rt.emit.row_blocks import RowBlocks, join_in_row_blocks
from tinyfoa_rt.emit.sized import SizedEmission, plain_attribute
from tinyfoa_rt.emit.subgraphs import read_subgraph
from tinyfoa_rt.errors import UnsupportedError
from tinyfoa_rt.ir.graph import Attribute, Subgraph
from tinyfoa_rt.ir.names import own
from tinyfoa_rt.ir.step import PLANES, StepGraph, StepNode, StepTensor
from tinyfoa_rt.operators import DOMAIN, Operator, find_operator, operator
from tinyfoa_rt.operators.geometry import explicit_window
from tinyfoa_rt.operators.updates import LARGEST, ON_INTEGERS

__all__ = [
    "BATCH", "ByteForm", "NodeEmission",
    "check_emission", "element_type", "emit_nodes", "finish_model", "value_info", "variants_of",
]  # fmt: skip

_IR_VERSION = 9  # the one that brought functions to what the oldest onnxruntime runs
BATCH = "batch"
_SLICE_GRADIENTS = frozenset({"DenseSliceGrad", "ConvSliceGrad", "LocallyConnectedSliceGrad"})
_LOCAL_PRODUCTS = frozenset({"RealLocallyConnected", "SignLocallyConnected", "BinaryLocallyConnected"})
# What no slice reaches: a slice of this size from the first element on is the whole.
_EVERYTHING = np.array([0, 0, 2**31 - 1, 2**31 - 1], dtype=np.int32)


def element_type(tensor: StepTensor) -> int:
    """The ONNX element type of a tensor: binary activations and levels are uint8, signs of weights int8."""
    if tensor.type.dtype in PLANES:
        return TensorProto.INT8 if tensor.category == "weight" else TensorProto.UINT8
    return helper.np_dtype_to_tensor_dtype(np.dtype(tensor.type.dtype))


def value_info(tensor: StepTensor, growth: Sequence[int] | None = None) -> onnx.ValueInfoProto:
    """Name, element type and shape; sizes that depend on the active slice get a name, as do those that grow with the batch."""
    sizes = tensor.type.shape
    shape: list[int | str] = list(sizes)
    if tensor.depends_on_slice:
        shape = [f"{tensor.name}.{axis}" for axis in range(len(shape))]
    elif not tensor.is_persistent:
        for axis, more in enumerate(growth or ()):
            if more:
                shape[axis] = BATCH if sizes[axis] == more == 1 else f"{more}*{BATCH}+{sizes[axis] - more}"
    return helper.make_tensor_value_info(tensor.name, element_type(tensor), shape)


class ByteForm:
    """The form of a model in which binary values take a byte an element; emit/packed.py has the other one.

    In function bodies standard operators ``rewrites`` are said in other words (emit/rewrites.py).
    """

    def __init__(self, step: StepGraph, rewrites: Collection[str] = ()) -> None:
        self.step = step
        self._rewrites = rewrites
        self._joined = RowBlocks([], {}, {})
        self.variants = frozenset(variants_of(step))

    def value_info(self, name: str, *, is_open: bool = False) -> onnx.ValueInfoProto:
        """Name, element type and shape of a tensor of the step, for its own batch or for any."""
        tensor = self.step.tensors[name]
        if name in self._joined.shapes:
            return helper.make_tensor_value_info(name, element_type(tensor), self._joined.shapes[name])
        rows = tensor.type.shape[:1]  # what is no value of the model begins with samples; here that is one
        return value_info(tensor, self.step.growth.get(name, rows) if is_open else None)

    def node(self, node: StepNode, proto: onnx.NodeProto) -> onnx.NodeProto:
        """The node as this form has it, of what :class:`NodeEmission` made."""
        if "sliced" in self.variants and is_product(node) and not reads_slice(node):
            proto.op_type += WHOLE
        return proto

    def finish(self, nodes: Sequence[onnx.NodeProto]) -> list[onnx.NodeProto]:
        """All nodes of a graph as this form has them; shapes of outputs may follow from that."""
        if self._rewrites:  # other execution providers run whole layers
            return list(nodes)
        self._joined = join_in_row_blocks(self.step, nodes, self.variants)
        return self._joined.nodes

    def functions(self, nodes: Iterable[onnx.NodeProto]) -> list[onnx.FunctionProto]:
        """The bodies of a graph's nodes and of all that they call, callees first."""
        called: dict[str, dict[str, None]] = {}
        halves = self._joined.bodies.values()
        inside = (inner for each in nodes for inner in (each, *_turn(each)))
        for node in (*inside, *(node for half in halves for node in half.node)):
            if has_function(node.op_type, node.domain) and node.op_type not in self._joined.bodies:
                called.setdefault(node.domain, {})[node.op_type] = None
        bodies: dict[tuple[str, str], onnx.FunctionProto] = {}
        for domain, names in called.items():
            for body in load_functions(names, variants=self.variants, domain=domain):
                bodies[body.domain, body.name] = rewrite_function(body, self._rewrites)
        return [*bodies.values(), *halves]

    def properties(self, names: Iterable[str]) -> dict[str, str]:
        """Metadata of a graph with these inputs and outputs."""
        return {}


class NodeEmission:
    """Turns the nodes of one step graph into ONNX nodes, and collects the initializers that they need.

    With ``keeps_batch`` shapes are those of the step's own batch; else the model is one of any batch. Constants of the model are
    read when ``initializers`` are asked for.
    """

    def __init__(self, step: StepGraph, *, keeps_batch: bool) -> None:
        self._step = step
        self._keeps_batch = keeps_batch
        self._initializers: dict[str, Callable[[], NDArray[Any]]] = {}
        self._dequantizations: dict[str, onnx.NodeProto] = {}
        self._sized = SizedEmission(step, self._constant)

    @property
    def first_nodes(self) -> list[onnx.NodeProto]:
        """The nodes that come first: they compute real constants from the integers that a model keeps, and sizes from the batch.

        Folded into real numbers onnxruntime would quantize those of a quantized model anew, to other integers.
        """
        return [*self._dequantizations.values(), *self._sized.nodes]

    @property
    def initializers(self) -> list[onnx.TensorProto]:
        return [numpy_helper.from_array(np.asarray(read()), name) for name, read in self._initializers.items()]

    def constant_output(self, name: str) -> onnx.ValueInfoProto:
        """Declare an output of the model that depends on no input: an initializer of its name."""
        value = self._step.constants[name].read()
        self._constant(name, value)
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)

    def node(self, node: StepNode) -> onnx.NodeProto:
        inputs = self._domain_inputs(node) if node.domain == DOMAIN else self._standard_inputs(node)
        own, captured = len(inputs) - len(node.captured), dict(zip(node.captured, inputs[len(inputs) - len(node.captured) :]))
        attributes = {name: _plain(value, captured) for name, value in self._attributes(node).items()}
        return helper.make_node(node.op_type, inputs[:own], node.outputs, name=node.name, domain=node.domain, **attributes)

    def _attributes(self, node: StepNode) -> Mapping[str, Attribute]:
        """Those of the node; an update of whole numbers says their type.

        A convolution says its pads, for onnxruntime works none out where there are dilations.
        """
        if node.op_type.endswith(ON_INTEGERS):
            return {**node.attributes, "dtype": element_type(self._step.tensors[node.inputs[0]])}
        if node.op_type != "Conv" or node.domain or not node.string("auto_pad", "").startswith("SAME"):
            return node.attributes
        image, kernel = (self._step.tensors[name].type.shape[2:] for name in node.inputs[:2])
        kept = {name: value for name, value in node.attributes.items() if name != "auto_pad"}
        return {**kept, **explicit_window(image, {**node.attributes, "kernel_shape": kernel})}

    def _domain_inputs(self, node: StepNode) -> list[str]:
        row = find_operator(node.op_type, node.domain)
        if not isinstance(row, Operator):
            raise UnsupportedError(f"node '{node.name}'", f"{node.op_type} cannot run frozen", "train it too, all of it")
        ports = row.inputs
        given = [*node.inputs, *[""] * (len(ports) - len(node.inputs))]
        if node.op_type == "ChannelScaleGrad":
            given[1] = self._widened(node)
        return [self._given(name) if name else self._neutral(node, port.name) for name, port in zip(given, ports)]

    def _neutral(self, node: StepNode, port: str) -> str:
        """The constant that an absent input stands for."""
        if port == "origin":
            return self._constant(own("", "everything"), _EVERYTHING)
        if port in ("scale", "x_scale"):
            return self._constant(own("", "one"), np.ones((), dtype=np.float32))
        like = {"bias": node.outputs[0], "bias_slice": node.inputs[3] if len(node.inputs) > 3 else ""}.get(port, "")
        if not like:
            return ""
        shape = self._step.tensors[like].type.shape
        size = shape[1]
        if node.op_type in _LOCAL_PRODUCTS:
            size = math.prod(shape[1:]) if port == "bias" else shape[0] * shape[-1]
        return self._constant(own("", f"no_bias_{size}"), np.zeros(size, dtype=np.float32))

    def _widened(self, node: StepNode) -> str:
        """The factor of ChannelScaleGrad with the rank of what it scales: a body takes a part of its channels."""
        rank = len(self._step.tensors[node.inputs[0]].type.shape)
        factor = self._step.constants[node.inputs[1]]
        shape = (1,) * (rank - len(factor.shape)) + factor.shape
        return self._read_later(own(node.inputs[1], f"{rank}d"), lambda: factor.read().reshape(shape))

    def _standard_inputs(self, node: StepNode) -> list[str]:
        if node.op_type == "Reshape":
            return [self._given(node.inputs[0]), self._target(node)]
        return [self._given(name) for name in node.inputs]

    def _target(self, node: StepNode) -> str:
        """The shape that a Reshape gives, with one size left open.

        Where the batch is known, that is the one of channels: how many there are depends on the active slice.
        """
        output = node.outputs[0]
        shape = list(self._step.tensors[output].type.shape)
        growing = [axis for axis, more in enumerate(self._step.growth.get(output, (1,))) if more]
        if self._keeps_batch and len(shape) > 1:
            shape[1] = -1
        elif len(growing) > 1:
            return self._given(node.inputs[1])
        elif growing:
            shape[growing[0]] = -1
        return self._constant(own(output, "shape"), np.array(shape, dtype=np.int64))

    def _given(self, name: str) -> str:
        constant = self._step.constants.get(name)
        if constant is None:
            return name
        if constant.sized is not None and not self._keeps_batch:
            return self._sized.add(constant.sized)
        quantized = constant.quantized
        if quantized is None or name not in self._step.tensors or self._step.tensors[name].type.dtype == constant.dtype:
            return self._read_later(name, constant.read)
        parts = {"integers": quantized.integers, "scale": quantized.scale, "zero_point": quantized.zero_point}
        inputs = [self._read_later(own(name, part), each.read) for part, each in parts.items() if each is not None]
        node = helper.make_node("DequantizeLinear", inputs, [name], name=own(name, "dequantize"), axis=quantized.axis)
        self._dequantizations[name] = node
        return name

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        return self._read_later(name, lambda: value)

    def _read_later(self, name: str, read: Callable[[], NDArray[Any]]) -> str:
        self._initializers.setdefault(name, read)
        return name


def _turn(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Our operators in the body of a loop over blocks of rows."""
    bodies = [each.g for each in node.attribute if each.type == onnx.AttributeProto.GRAPH]
    return [inner for body in bodies for inner in body.node if inner.domain == DOMAIN]


def emit_nodes(form: ByteForm, *, keeps_batch: bool) -> tuple[list[onnx.NodeProto], NodeEmission]:
    """Return the nodes of a step, or where the batch is left open of a forward pass, and the emission that made them."""
    if not keeps_batch:
        form.variants |= {"forward"}
    emission = NodeEmission(form.step, keeps_batch=keeps_batch)
    nodes = form.finish([form.node(node, emission.node(node)) for node in form.step.nodes])
    for node in nodes:
        if node.op_type in _SLICE_GRADIENTS and len(node.output) == 1:  # a call names every output of its body
            node.op_type += UNBIASED
    return nodes, emission


def check_emission(graph: StepGraph, *, keeps_batch: bool) -> None:
    """Emit a step or a forward pass without reading a weight, for what is refused on the way.

    Raises:
        UnsupportedError: onnxruntime cannot run it.
    """
    form = ByteForm(graph)
    nodes, _ = emit_nodes(form, keeps_batch=keeps_batch)
    form.functions(nodes)


def _plain(value: Attribute, captured: Mapping[str, str]) -> Any:
    """An attribute as onnx takes it."""
    if isinstance(value, Subgraph):
        return read_subgraph(value, captured)
    return plain_attribute(value)


def finish_model(
    graph: onnx.GraphProto, properties: dict[str, str], doc: str, functions: Iterable[onnx.FunctionProto], opset: int
) -> onnx.ModelProto:
    """Return a model of ``graph`` in an operator set, with function bodies and metadata that says what it is."""
    bodies = list(functions)
    domains = dict.fromkeys((DOMAIN, *(body.domain for body in bodies)))
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    model = helper.make_model(graph, opset_imports=opsets, functions=bodies)
    for entry in (entry for function in model.functions for entry in function.opset_import if not entry.domain):
        entry.version = opset
    model.ir_version = max(_IR_VERSION, helper.find_min_ir_version_for(opsets, ignore_unknown=True))
    model.producer_name = "tinyfoa-rt"
    model.doc_string = doc
    helper.set_model_props(model, {f"tinyfoa.{key}": value for key, value in properties.items()})
    return model


def is_product(node: StepNode) -> bool:
    """Whether a node is a layer's product, or the gradient of its input."""
    row = find_operator(node.op_type, node.domain)
    return isinstance(row, Operator) and any(port.name == "w_slice" for port in row.inputs)


def reads_slice(node: StepNode) -> bool:
    """Whether a product reads the active slice apart from the rest."""
    ports = [port.name for port in operator(node.op_type).inputs]
    return bool(node.input(ports.index("w_slice")))


def variants_of(step: StepGraph) -> set[str]:
    """Which variants of bodies a step needs: see :func:`tinyfoa_rt.emit.bodies.load_functions`."""
    products = [node for node in step.nodes if is_product(node)]
    found = {"sliced"} if any(map(reads_slice, products)) else set()
    found |= {"tensor_alpha"} if any(node.attributes["alpha"] == "tensor" for node in products) else set()
    found |= {"centered"} if any("input_center" in node.attributes for node in step.nodes) else set()
    limits = {node.float("limit", 0.0) for node in step.nodes if "limit" in node.attributes}
    found |= {"unclipped"} if limits == {LARGEST} else set()
    found |= {"grouped"} if any(node.int("group", 1) > 1 for node in step.nodes if node.domain == DOMAIN) else set()
    return found | ({"pooled"} if any(node.attributes.get("pools") for node in step.nodes) else set())
