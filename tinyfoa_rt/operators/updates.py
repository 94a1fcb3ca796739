"""Updates of a slice by an optimizer (design, section 2)::

    W(i, j) <- clip(W(i, j) - optimizer(delta_W(i, j)), -1, 1)           the updates of ir/optimizers.py
    w(i, j) = sign(W(i, j)), sum |W| a row                               PackSigns

Where parameter and state are whole matrices of which a slice is updated, ``origin`` says where the slice begins. The state of
an optimizer belongs to the slice, its step count too. Biases and stored heads use the same updates without the
clip (``limit`` is the largest float).

Latent weights of few bits (ir/latents.py) have operators of their own, ``...OnIntegers``: the step of the same optimizer, whose
change is rounded by chance to whole quanta. Their bodies follow from those of the real ones (emit/integer_updates.py).
``Dequantize`` is where a runtime reads them as real numbers; generated C reads the integers where they lie.

What generated C streams is one call there: a gradient and its update become ``tfoa_weight_sgd_step`` and its like, which also
pack the signs.
"""

from __future__ import annotations

from dataclasses import replace

from tinyfoa_rt.ir.c_program import Argument, Call, Fields, Name, Number, Real, Statement, Value
from tinyfoa_rt.ir.names import split
from tinyfoa_rt.ir.optimizers import OPTIMIZERS, STEP_COUNT, Optimizer
from tinyfoa_rt.ir.step import StepNode, TensorType
from tinyfoa_rt.operators.geometry import known, num_scalars, same_as_first
from tinyfoa_rt.operators.lowering import CONTEXT, Lowering, LowerRule
from tinyfoa_rt.operators.registry import register
from tinyfoa_rt.operators.signature import Memory, Operator, Port, no_scratch

__all__ = ["LARGEST", "ON_INTEGERS", "integer_update_operator", "update_operator"]

# A limit that clips nothing.
LARGEST = 3.4028234663852886e38
# Behind the name of an update whose weights are whole numbers.
ON_INTEGERS = "OnIntegers"


def update_operator(optimizer: Optimizer) -> Operator:
    """Return the operator that takes a step of ``optimizer``."""
    kept = optimizer.kept
    return Operator(
        name=optimizer.update,
        inputs=(Port("w"), Port("grad"), Port("rate"), *(Port(state) for state in kept), Port("origin", is_optional=True)),
        outputs=(Port("w_next"), *(Port(f"{state}_next") for state in kept)),
        shape_rule=lambda inputs, attributes: (known(inputs[0]), *(known(state) for state in inputs[3 : 3 + len(kept)])),
        scratch=no_scratch,
        doc=f"One {optimizer.name} step on a slice, in place; the result is clipped to [-limit, limit].",
        memory=Memory(updates={0: 0, **{1 + i: 3 + i for i in range(len(kept))}}),
        attributes=("limit", *_length(optimizer)),
        lower=None if optimizer.kernels is None else _lower_update(optimizer, *optimizer.kernels),
    )


def integer_update_operator(optimizer: Optimizer) -> Operator:
    """Return the operator that takes a step of ``optimizer`` on latent weights that are whole numbers."""
    real = update_operator(optimizer)
    *given, origin = real.inputs
    return replace(
        real,
        name=optimizer.update + ON_INTEGERS,
        inputs=(*given, Port("quantum"), Port("step", is_optional=True), origin),
        doc=f"One {optimizer.name} step on a slice of whole numbers, in place, rounded by chance to [-most, most].",
        attributes=("key", "taps", "most", *_length(optimizer)),
    )


def _length(optimizer: Optimizer) -> tuple[str, ...]:
    return ("length",) if optimizer.follows_weights else ()


def _lower_update(optimizer: Optimizer, weight_kernel: str, bias_kernel: str) -> LowerRule:
    def rule(lowering: Lowering, node: StepNode) -> list[Statement]:
        latent, grad, rate = node.inputs[:3]
        source = lowering.gradients[grad]
        grad_z, is_weight = source.node.inputs[0], grad == source.node.outputs[0]
        states = [
            lowering.at(name, "int32_t" if split(name)[1] == STEP_COUNT else "float")
            for name in node.inputs[3 : 3 + len(optimizer.kept)]
        ]
        are_moments = optimizer.counts_steps and optimizer.states
        extra: tuple[Argument, ...] = (Fields("tfoa_moments", tuple(states)),) if are_moments else tuple(states)
        end = (lowering.rows_of(grad_z), Value("float", lowering.offsets[rate], node.float("length", 1.0)), *extra)
        begin = (Name("&slice"), lowering.errors(grad_z))
        if source.operand is None:
            lowering.locals["slice"] = "tfoa_slice slice"
            biases = Call("tfoa_active_biases", (CONTEXT, lowering.layers[latent]), result="slice")
            return [biases, Call(bias_kernel, (*begin, *end))]
        if not is_weight:
            return [Call(bias_kernel, (*begin, *end))]
        limit = Real(node.float("limit", LARGEST))
        arguments = (CONTEXT, lowering.layers[latent], Number(source.node.int("has_all_rows", 0)), limit)
        lowering.locals["slice"] = "tfoa_slice slice"
        load, operand = source.operand()
        kernel = weight_kernel + ("_on_integers" if node.op_type.endswith(ON_INTEGERS) else "")
        step = Call(kernel, (*begin, operand, *end))
        taken = [Call("tfoa_active_slice", arguments, result="slice")]
        if grad_z in lowering.pooled:
            taken.append(Call("tfoa_pooled_slice", (Name("slice"), lowering.pooled[grad_z].positions), result="slice"))
        return [*taken, *load, step]

    return rule


def _no_call(lowering: Lowering, node: StepNode) -> list[Statement]:
    """The updates pack signs, row by row, and leave rows alone whose weights have not moved."""
    return []


def _pack_operator(name: str, given: tuple[Port, ...], doc: str) -> Operator:
    return Operator(
        name=name,
        inputs=(Port("w"), Port("signs"), Port("abs_sum"), *given, Port("origin", is_optional=True)),
        outputs=(Port("signs_next"), Port("abs_sum_next")),
        shape_rule=lambda inputs, attributes: (known(inputs[1]), known(inputs[2])),
        scratch=no_scratch,
        doc=doc,
        memory=Memory(updates={0: 1, 1: 2}),
        lower=_no_call,
    )


register(
    *map(update_operator, OPTIMIZERS.values()),
    *map(integer_update_operator, OPTIMIZERS.values()),
    Operator(
        name="Dequantize",
        inputs=(Port("q"), Port("quantum")),
        outputs=(Port("w"),),
        shape_rule=lambda inputs, attributes: (TensorType("float32", known(inputs[0]).shape),),
        scratch=no_scratch,
        doc="w = q * quantum, as real numbers; only where a runtime has no products of whole numbers.",
    ),
    Operator(
        name="BiasSliceGrad",
        inputs=(Port("grad_z"), Port("origin", is_optional=True)),
        outputs=(Port("grad_bias"),),
        shape_rule=lambda inputs, attributes: (num_scalars(int(attributes["bias_size"])),),  # type: ignore[arg-type]
        scratch=no_scratch,
        doc="Gradient of the biases of the active slice.",
        memory=Memory(streams=frozenset({0})),
        attributes=("bias_size", "has_all_rows"),
    ),
    Operator(
        name="RateAfter",
        inputs=(Port("rate"), Port("computed")),
        outputs=(Port("same_rate"),),
        shape_rule=same_as_first,
        scratch=no_scratch,
        doc="The rate, once something has been computed from the weights that it moves; only where a runtime chooses the order.",
    ),
    _pack_operator(
        "PackSigns", (), "signs = sign(w) with sign(0) = +1, and abs_sum = sum |w| of each output, both of what is given."
    ),
    _pack_operator(
        "PackSignsOfIntegers", (Port("quantum"),), "PackSigns of whole numbers: their sums are exact, and then times the quantum."
    ),
)
