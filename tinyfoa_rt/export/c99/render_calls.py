"""Prints the bodies of functions: statements, calls and their arguments."""

from __future__ import annotations

import math

import numpy as np

from tinyfoa_rt.ir.c_program import (
    Address,
    Argument,
    Braces,
    Call,
    CFunction,
    Fields,
    LayerRef,
    Name,
    Number,
    Real,
    Shifted,
    Statement,
    StopIf,
    Value,
)  # fmt: skip

__all__ = ["render_body", "render_float"]


def render_body(function: CFunction) -> str:
    declared = "".join(f"    {each};\n" for each in function.locals)
    return declared + "".join(map(_statement, function.statements))


def render_float(value: float) -> str:
    """A float32 literal that reads back as the same bits: hexadecimal, as C99 has it."""
    if math.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    digits, exponent = float(np.float32(value)).hex().split("p")
    return f"{digits.rstrip('0').rstrip('.')}p{exponent}f"


def _argument(argument: Argument) -> str:
    match argument:
        case Address() | Value() | Shifted():
            return _place(argument)
        case Number():
            return str(argument.value) if argument.value < 2**31 else f"{argument.value}u"
        case Real():
            return render_float(argument.value)
        case Name():
            return argument.text
        case LayerRef():
            return f"&layers_{argument.block}[{argument.index}]"
        case Fields():
            return f"&(const {argument.ctype}){_braces(argument)}"
        case Braces():
            return _braces(argument)
        case Call():
            return _call(argument)


def _place(argument: Address | Value | Shifted) -> str:
    if isinstance(argument, Shifted):
        return f"{_argument(argument.base)} + {_argument(argument.by)}"
    if isinstance(argument, Value):
        value = f"*AT(const {argument.ctype}, {argument.offset})"
        times = argument.times
        return value if times == 1 else f"{value} * {times if isinstance(times, int) else render_float(times)}"
    return f"AT({argument.ctype}, {argument.offset})"


def _braces(argument: Braces | Fields) -> str:
    return f"{{{', '.join(map(_argument, argument.values))}}}"


def _call(call: Call) -> str:
    return f"{call.function}({', '.join(map(_argument, call.arguments))})"


def _statement(statement: Statement) -> str:
    if isinstance(statement, StopIf):
        return f"    if ({statement.condition}) {{\n        return TFOA_OK;\n    }}\n"
    text = _call(statement)
    if statement.may_fail:
        return f"    TRY({text});\n"
    if any(isinstance(argument, Fields) for argument in statement.arguments):
        return f"    {{ {text}; }}\n"  # structures of different calls share their place on the stack
    return f"    {statement.result} = {text};\n" if statement.result else f"    {text};\n"
