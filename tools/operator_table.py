"""Print docs/operators.md: the operator table as the code has it.

python tools/operator_table.py > docs/operators.md
"""

from __future__ import annotations

from collections.abc import Sequence

from tinyfoa_rt.operators import OPERATORS, Operator, Port

_INTRODUCTION = """# Operators of the domain `tinyfoa`

One row an operator in its family's file in `tinyfoa_rt/operators/`. Its body and its kernel are found by name:
`graphs/ops/<name>.onnxtxt` and `tfoa_<name>`. Optional inputs are in brackets. *Storage* tells which
output shares an input's bytes: `=` always (an update), `~` where the input is no longer needed; a *streamed* output has none
where the profile streams gradients. `tools/operator_table.py` prints this page, and a test holds it to the code.

Bodies of dense and locally connected products multiply with MatMul and MatMulInteger, whose operands may change from run to run
on any execution provider. Those of convolutions use Conv, with bits and signs in float32: sums of signs are exact there, it is
three to four times as fast as ConvInteger on a CPU, and needs no im2col of the whole input as MatMul would; a provider that
wants constant weights leaves such nodes to the CPU. The gradient of a kernel is a Conv too: inputs and errors with samples and
channels exchanged, strides and dilations exchanged, cropped to the kernel's size; each of the layer's groups is a group of its.
That of a layer's input is Gemm with turned weights (signs become float32 a quarter of the inputs at a time), ConvTranspose,
or Col2Im of what each location hands back.

| operator | inputs | outputs | storage | what it does |
|---|---|---|---|---|"""


def operator_page() -> str:
    """Return the page as Markdown."""
    return "\n".join([_INTRODUCTION, *(_row(row) for _, row in sorted(OPERATORS.items()))]) + "\n"


def _row(row: Operator) -> str:
    cells = (row.name, _ports(row.inputs), _ports(row.outputs), _storage(row), row.doc.replace("|", "\\|"))
    return f"| {' | '.join(cells)} |"


def _ports(ports: Sequence[Port]) -> str:
    return ", ".join(f"[{port.name}]" if port.is_optional else port.name for port in ports)


def _storage(row: Operator) -> str:
    shared = {**row.memory.updates, **row.memory.views}
    notes = [f"{row.outputs[output].name} = {row.inputs[source].name}" for output, source in shared.items()]
    for output, sources in row.memory.reuses.items():
        notes.append(f"{row.outputs[output].name} ~ {' or '.join(row.inputs[source].name for source in sources)}")
    notes += [f"{row.outputs[output].name} streamed" for output in sorted(row.memory.streams)]
    return "; ".join(notes)


if __name__ == "__main__":
    print(operator_page(), end="")
