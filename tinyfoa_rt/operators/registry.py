"""All operators that are known: those of the domain ``tinyfoa``, and the standard ones that run beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.operators.signature import DOMAIN, Memory, Operator, StandardOperator

__all__ = [
    "OPERATORS", "STANDARD_OPERATORS",
    "find_operator", "is_view", "memory_rule", "operator", "register", "registered", "standard_operator",
]  # fmt: skip

_domain_rows: dict[str, Operator] = {}
_standard_rows: dict[tuple[str, str], StandardOperator] = {}

OPERATORS: Mapping[str, Operator] = MappingProxyType(_domain_rows)
# By domain and name.
STANDARD_OPERATORS: Mapping[tuple[str, str], StandardOperator] = MappingProxyType(_standard_rows)
_NO_REUSE = Memory()


def register(*rows: Operator | StandardOperator, replaces: bool = False) -> None:
    """Add operators.

    Args:
        rows: what they are.
        replaces: whether they take the place of rows of the same names.

    Raises:
        InputError: there is an operator of that name, and ``replaces`` is not said.
    """
    for row in rows:
        if find_operator(row.name, row.domain) is not None and not replaces:
            raise InputError(f"operator {row.name}", "is registered already", "give it another name, or say replaces=True")
        if isinstance(row, Operator):
            _domain_rows[row.name] = row
        else:
            _standard_rows[_key(row.name, row.domain)] = row


@contextmanager
def registered(*rows: Operator | StandardOperator, replaces: bool = False) -> Iterator[None]:
    """Add operators for as long as the context lasts."""
    domain_rows, standard_rows = dict(_domain_rows), dict(_standard_rows)
    register(*rows, replaces=replaces)
    try:
        yield
    finally:
        _domain_rows.clear()
        _domain_rows.update(domain_rows)
        _standard_rows.clear()
        _standard_rows.update(standard_rows)


def operator(name: str) -> Operator:
    """Return the row of a domain operator."""
    return _domain_rows[name]


def standard_operator(op_type: str, domain: str) -> StandardOperator | None:
    """Return the row of an operator that models contain, if there is one."""
    return _standard_rows.get(_key(op_type, domain))


def _key(op_type: str, domain: str) -> tuple[str, str]:
    return "" if domain == "ai.onnx" else domain, op_type


def find_operator(op_type: str, domain: str) -> Operator | StandardOperator | None:
    """Return the row of an operator, if there is one."""
    return _domain_rows.get(op_type) if domain == DOMAIN else standard_operator(op_type, domain)


def memory_rule(op_type: str, domain: str) -> Memory:
    """Return the memory rule of an operator; unknown ones reuse nothing."""
    row = find_operator(op_type, domain)
    return _NO_REUSE if row is None else row.memory


def is_view(op_type: str, domain: str) -> bool:
    """Whether an operator gives the bytes of its first input under another shape."""
    return 0 in memory_rule(op_type, domain).views
