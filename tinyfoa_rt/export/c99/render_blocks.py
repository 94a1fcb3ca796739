"""Prints the constant tables of blocks: their layers, what follows what they see, and what their steps take."""

from __future__ import annotations

from collections.abc import Sequence

from tinyfoa_rt.export.c99.c_names import one_line
from tinyfoa_rt.export.c99.render_calls import render_float
from tinyfoa_rt.ir.c_program import CBlock, CIntegers, CLayer, CProgram

__all__ = ["render_blocks", "render_layers"]


def render_layers(program: CProgram) -> list[str]:
    """The layers of all blocks and their cuts, then the statistics of all steps."""
    blocks = list(enumerate(program.blocks))
    statistics = (_statistics(name, each) for block in _named(program) for name, each in block)
    return [*(_bounds(*each) for each in blocks), *(_layers(*each) for each in blocks), *filter(None, statistics)]


def render_blocks(program: CProgram) -> list[str]:
    """The blocks, behind the steps of those whose layers take turns."""
    return [*(_steps(number, block) for number, block in enumerate(program.blocks) if block.steps), _blocks(program)]


def _bounds(number: int, block: CBlock) -> str:
    lines = []
    for index, layer in enumerate(block.layers):
        for kind, bounds in (("ins", layer.ins), ("outs", layer.outs)):
            lines.append(f"static const int32_t {kind}_{number}_{index}[{len(bounds)}] = {{{', '.join(map(str, bounds))}}};")
        if layer.integers is not None:
            lines.append(f"static const tfoa_integers integers_{number}_{index} = {_integers(layer.integers)};")
    return "\n".join(lines) + "\n"


def _integers(integers: CIntegers) -> str:
    pack = "tfoa_pack_weights" if integers.is_binary else "NULL"
    functions = f"tfoa_read_weights, tfoa_move_weights, {pack}"
    return f"{{{integers.bits}u, {render_float(integers.quantum)}, 0x{integers.key:08X}u, {functions}}}"


def _place(value: int | tuple[int | None, ...] | None) -> str:
    if isinstance(value, tuple):
        return "{" + ", ".join(_place(each) for each in value) + "}"
    return "TFOA_NONE" if value is None else f"{value}u"


def _layers(number: int, block: CBlock) -> str:
    rows = [_layer(number, index, layer) for index, layer in enumerate(block.layers)]
    body = ",\n".join(rows)
    return f"/* {one_line(block.name)} */\nstatic const tfoa_layer layers_{number}[{len(rows)}] = {{\n{body},\n}};\n"


def _layer(number: int, index: int, layer: CLayer) -> str:
    resident = ", ".join(_place(value) for value in layer.resident.values())
    kept = ", ".join(_place(value) for value in layer.kept.values())
    sizes = f"{len(layer.ins) - 1}, {len(layer.outs) - 1}, ins_{number}_{index}, outs_{number}_{index}"
    format_of = "" if layer.integers is None else f",\n     &integers_{number}_{index}"
    return f"""    /* {one_line(layer.name)} */
    {{{sizes}, {layer.taps}, {layer.positions}, {layer.num_states}, {int(layer.is_tensor_alpha)}, {layer.block}u,
     {{{resident}}},
     {{{kept}}}{format_of}}}"""


def _named(program: CProgram) -> list[list[tuple[str, CBlock]]]:
    """The steps of each block, by what tells them apart in names."""
    return [
        [(f"{number}_{place}" if block.steps else f"{number}", each) for place, each in enumerate(block.all_steps)]
        for number, block in enumerate(program.blocks)
    ]


def _statistics(name: str, block: CBlock) -> str:
    if not block.statistics:
        return ""
    rows = ",\n".join(f"    {{{', '.join(f'{value}u' for value in each)}}}" for each in block.statistics)
    return f"static const tfoa_statistic statistics_{name}[{len(block.statistics)}] = {{\n{rows},\n}};\n"


def _blocks(program: CProgram) -> str:
    rows = []
    for number, (block, steps) in enumerate(zip(program.blocks, _named(program))):
        in_turn = f", steps_{number}, {len(steps)}u" if block.steps else ""
        if block.update is not None:
            in_turn = f", NULL, 0u, {block.update.name}, {block.slices_per_step}u"
        rows.append(f"    {{{_block(block, steps[0][0], f'layers_{number}')}{in_turn}}}")
    return _block_array("blocks", rows)


def _steps(number: int, block: CBlock) -> str:
    """What steps take of a block whose layers take turns."""
    rows, first = [], 0
    for place, each in enumerate(block.steps):
        rows.append(f"    {{{_block(each, f'{number}_{place}', f'layers_{number} + {first}')}}}")
        first += len(each.layers)
    return _block_array(f"steps_{number}", rows)


def _block(block: CBlock, name: str, layers: str) -> str:
    places = ", ".join(_place(each) for each in (block.base, block.labels, block.rate, block.loss))
    counts = f"{len(block.layers)}u, {block.num_slices}u"
    rate = render_float(block.starting_rate)
    statistics = f"statistics_{name}, {len(block.statistics)}u" if block.statistics else "NULL, 0u"
    return f"{block.step.name}, {layers}, {counts}, {places}, {statistics}, {rate}"


def _block_array(name: str, rows: Sequence[str]) -> str:
    body = ",\n".join(rows)
    return f"static const tfoa_block {name}[{len(rows)}] = {{\n{body},\n}};\n"
