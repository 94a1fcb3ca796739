"""What execution providers of onnxruntime take, by the tables that onnxruntime publishes."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from tinyfoa_rt.errors import InputError
from tinyfoa_rt.resources import resource_path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["REWRITES", "ProviderTable", "provider_tables", "rewrites_for"]

_FOLDER = "targets/providers"
# Tables inside onnxruntime's wheel, which it keeps up to date itself: (title, provider, file).
_IN_WHEEL = (
    ("NNAPI", "NnapiExecutionProvider", "nnapi_supported_ops.md"),
    ("CoreML", "CoreMLExecutionProvider", "coreml_supported_mlprogram_ops.md"),
)
_ROW = re.compile(r"^\|ai\.onnx:(\w+)\|([^|]*)\|", re.MULTILINE)
_CONSTANT_WEIGHTS = re.compile(r"(Weights?|Input B)\b.*\b(should|must) be constant")

# How function bodies can say an operator in others, with the same values (emit/rewrites.py).
REWRITES: Mapping[str, tuple[str, ...]] = {
    "Where": ("Cast", "Sub", "Mul", "Add"),
    "And": ("Cast", "Mul"),
    "MatMulInteger": ("Cast", "Sub", "MatMul"),
    "ReduceL1": ("Abs", "ReduceSum"),
    "LogSoftmax": ("Softmax", "Clip", "Log"),
    "Flatten": ("Reshape",),
    "Neg": ("Mul",),
    "Gemm": ("Transpose", "MatMul", "Add"),
}


@dataclass(frozen=True)
class ProviderTable:
    """A provider by its published table.

    Attributes:
        title: how it is called.
        provider: its name in onnxruntime.
        source: where the table stands.
        operators: of ONNX that it takes.
        constant_weights: those of them whose second input must be a constant, which weights in training are not.
        declined: rewrites that would cost more than they gain there.
    """

    title: str
    provider: str
    source: str
    operators: frozenset[str]
    constant_weights: frozenset[str] = field(default_factory=frozenset)
    declined: frozenset[str] = field(default_factory=frozenset)

    def takes(self, op_type: str, *, has_constant_weight: bool) -> bool:
        """Whether it takes a node of the operator, as far as the table says."""
        return op_type in self.operators and (has_constant_weight or op_type not in self.constant_weights)

    @property
    def rewrites(self) -> frozenset[str]:
        """Operators of :data:`REWRITES` that it does not take, but takes in other words, unless declined."""

        def takes(op_type: str) -> bool:
            return self.takes(op_type, has_constant_weight=False)

        said = {name for name, words in REWRITES.items() if not takes(name) and all(map(takes, words))}
        return frozenset(said - self.declined)


def provider_tables() -> tuple[ProviderTable, ...]:
    """All tables: those in the installed onnxruntime, then those that come along."""
    found = []
    package = find_spec("onnxruntime")
    if package is not None and package.origin is not None:
        folder = Path(package.origin).parent / "tools" / "mobile_helpers"
        found = [
            _read_markdown(title, provider, folder / file) for title, provider, file in _IN_WHEEL if (folder / file).exists()
        ]
    return (*found, *(_read_toml(path) for path in sorted(resource_path(_FOLDER).glob("*.toml"))))


def rewrites_for(provider: str) -> frozenset[str]:
    """Operators that function bodies shall say in other words for a provider; none without one.

    Raises:
        InputError: the provider has no table.
    """
    if not provider:
        return frozenset()
    tables = {table.provider: table for table in provider_tables()}
    if provider not in tables:
        raise InputError(f"provider {provider}", "has no table of operators", f"use {', '.join(sorted(tables))}")
    return tables[provider].rewrites


def _read_markdown(title: str, provider: str, path: Path) -> ProviderTable:
    rows = _ROW.findall(path.read_text(encoding="utf-8"))
    constant = frozenset(name for name, note in rows if _CONSTANT_WEIGHTS.search(note))
    return ProviderTable(title, provider, f"onnxruntime wheel, {path.name}", frozenset(name for name, _ in rows), constant)


def _read_toml(path: Path) -> ProviderTable:
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    sets = (frozenset(content[key]) for key in ("operators", "constant_weights", "declined_rewrites"))
    return ProviderTable(content["name"], content["provider"], content["source"], *sets)
