"""An onnxruntime session whose inputs and outputs are bound to numpy arrays: a run copies no tensor.

Loading is lazy, so that only what runs takes memory.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError, TinyfoaError, UsageError
from tinyfoa_rt.run.kernels import CPU, register_kernels

__all__ = ["Runtime", "Session", "find_refusal"]

Array = NDArray[Any]

_MEND = "build the artifact again"
_LONGEST_CAUSE = 300
_BITS, _SIZES = "tinyfoa.bits.", "tinyfoa.sizes."
_TYPES: Mapping[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    "tensor(uint32)": np.uint32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int16)": np.int16,
    "tensor(uint16)": np.uint16,
    "tensor(uint64)": np.uint64,
}


_OPENVINO = "OpenVINOExecutionProvider"
# Execution providers that compute in fewer bits unless they are told not to, which turns signs near zero.
_PROVIDER_OPTIONS: Mapping[str, Mapping[str, str]] = {_OPENVINO: {"precision": "ACCURACY"}}
# Those that fail where a model leaves its batch open: stages then run on the next one in the list, or the CPU's.
_NEED_A_BATCH = frozenset({_OPENVINO})


@dataclass(frozen=True)
class Runtime:
    """How sessions run: execution providers by name, in order of preference, threads (``None``: one a core), a kernel library."""

    providers: tuple[str, ...] = (CPU,)
    threads: int | None = None
    kernels: Path | None = None

    def __post_init__(self) -> None:
        known = onnxruntime.get_available_providers()
        for name in self.providers:
            if name not in known:
                raise UsageError(f"provider {name}", "is not in this onnxruntime", f"use {', '.join(known)}")

    def open(self, place: str, model: bytes, next_of: Mapping[str, str], *, has_open_batch: bool = False) -> Session:
        """Return a session of an ONNX model.

        Args:
            place: what messages begin with.
            model: its bytes.
            next_of: by the names of outputs, the inputs whose next values they are.
            has_open_batch: whether it takes any number of samples.
        """
        options = onnxruntime.SessionOptions()
        # The arena keeps what it once took, a pattern packs worse than freeing, and a tensor that takes over another's memory
        # keeps it in between too: all would break the plan.
        options.enable_cpu_mem_arena = options.enable_mem_pattern = options.enable_mem_reuse = False
        options.log_severity_level = 4  # a failure is raised; onnxruntime would print it too
        if self.threads is not None:
            options.intra_op_num_threads = self.threads
        if all(name == CPU for name in self.providers):
            # What runs is then what was emitted, node by node, which the plan has counted (tinyfoa_rt/allocation).
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        # Weights change, so a packed copy would be stale; it would also double them.
        options.add_session_config_entry("session.disable_prepacking", "1")
        if self.kernels is not None:
            register_kernels(options, self.kernels)
        names = [name for name in self.providers if not (has_open_batch and name in _NEED_A_BATCH)] or [CPU]
        given = [(name, _PROVIDER_OPTIONS.get(name, {})) for name in names]
        with failing_as(place):
            session = onnxruntime.InferenceSession(model, options, providers=given)
        return Session(place, session, next_of)


def find_refusal(model: bytes) -> str:
    """Return why onnxruntime cannot run a model on the CPU, in a line, or nothing where it can."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    try:
        onnxruntime.InferenceSession(model, options, providers=[CPU])
    except Exception as error:  # the bindings raise many types
        lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        return lines[0].rpartition(" : ")[2][:200].strip()
    return ""


class Session:
    """One model, bound once and run again and again; ``bits`` says how many bits a row of its packed values has."""

    def __init__(self, place: str, session: onnxruntime.InferenceSession, next_of: Mapping[str, str]) -> None:
        self._place = place
        self._next_of = next_of
        self._session = session
        self._binding = session.io_binding()
        self._bound: dict[str, Array] = {}
        self.inputs: Mapping[str, Any] = {each.name: each for each in session.get_inputs()}
        self.outputs: Mapping[str, Any] = {each.name: each for each in session.get_outputs()}
        declared = {**self.inputs, **self.outputs}
        properties = session.get_modelmeta().custom_metadata_map
        sizes = {key.removeprefix(_SIZES): value for key, value in properties.items() if key.startswith(_SIZES)}
        try:
            self.bits = {key.removeprefix(_BITS): int(value) for key, value in properties.items() if key.startswith(_BITS)}
            # An exported model may leave sizes open, and say them beside (emit/open_sizes.py).
            self._shapes = {
                name: tuple(map(int, sizes[name].split(","))) if name in sizes else tuple(each.shape)
                for name, each in declared.items()
            }
            self._dtypes = {name: np.dtype(_TYPES[each.type]) for name, each in declared.items()}
        except (KeyError, ValueError) as error:
            raise InputError(place, f"has a type or a size that no step has ({error})", _MEND) from error

    @property
    def bound(self) -> Mapping[str, Array]:
        """The arrays that inputs and outputs are bound to; a next value and its input may share one."""
        return self._bound

    def dtype(self, name: str) -> np.dtype[Any]:
        """The numpy type of an input or output.

        Raises:
            InputError: there is none of that name.
        """
        if name not in self._dtypes:
            raise InputError(self._place, f"has no input or output '{name}'", _MEND)
        return self._dtypes[name]

    def empty(self, name: str) -> Array:
        """Return zeros for an input or output of fixed sizes.

        Raises:
            InputError: there is none of that name, or it has no fixed sizes.
        """
        dtype = self.dtype(name)
        shape = self._shapes[name]
        if not all(isinstance(size, int) and size >= 0 for size in shape) or math.prod(shape) > sys.maxsize // 8:
            raise InputError(self._place, f"has no fixed sizes for '{name}'", _MEND)
        return np.zeros(shape, dtype=dtype)

    def bind(self, tensors: Mapping[str, Array]) -> None:
        """Bind inputs and outputs to contiguous arrays, which stay the caller's; the next value of one goes where that is."""
        for name in self.inputs:
            if name in tensors:
                self._bind(name, tensors[name], self._binding.bind_input)
        for name in self.outputs:
            source = name if name in tensors else self._next_of.get(name, "")
            if source in tensors:
                self._bind(name, self._in_blocks(name, tensors[source]), self._binding.bind_output)

    def run(self) -> None:
        """Run once, from bound inputs into bound outputs.

        Raises:
            InputError: one is not bound, or onnxruntime fails: the model and its manifest are not of one artifact.
        """
        unbound = [name for name in (*self.inputs, *self.outputs) if name not in self._bound]
        if unbound:
            raise InputError(self._place, f"has '{unbound[0]}', which the manifest does not explain", _MEND)
        with failing_as(self._place):
            self._session.run_with_iobinding(self._binding)

    def call(self, feeds: Mapping[str, Array], names: Sequence[str]) -> dict[str, Array]:
        """Run on ``feeds`` and return new arrays: for shapes that change from call to call.

        Raises:
            InputError: an input is not among ``feeds``, or onnxruntime fails.
        """
        missing = [name for name in self.inputs if name not in feeds]
        if missing:
            raise InputError(self._place, f"reads '{missing[0]}', which the manifest does not explain", _MEND)
        with failing_as(self._place):
            results = self._session.run(list(names), {name: feeds[name] for name in self.inputs})
        return dict(zip(names, results))

    def _in_blocks(self, name: str, array: Array) -> Array:
        """A matrix as blocks of its rows, where the model writes it so (emit/row_blocks.py)."""
        shape = self._shapes[name]
        is_split = len(shape) == 3 and array.ndim == 2 and all(isinstance(size, int) for size in shape)
        return array.reshape(shape) if is_split and math.prod(shape) == array.size else array

    def _bind(self, name: str, array: Array, bind: Any) -> None:
        shape = self._shapes[name]
        fits = len(shape) == array.ndim and all(not isinstance(b, int) or a == b for a, b in zip(array.shape, shape))
        if array.dtype != self.dtype(name) or not fits:
            problem = f"has '{name}' as {self.dtype(name)}{list(shape)}, the state as {array.dtype}{list(array.shape)}"
            raise InputError(self._place, problem, _MEND)
        assert array.flags.c_contiguous, name
        self._bound[name] = array  # kept alive as long as the binding points to it
        bind(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)


@contextlib.contextmanager
def failing_as(place: str) -> Iterator[None]:
    """Whatever onnxruntime raises, a class of its own for each status, is the fault of the file that it runs.

    Raises:
        InputError: it begins with ``place``.
    """
    try:
        yield
    except TinyfoaError:
        raise
    except Exception as error:
        cause = " ".join(str(error).split())[:_LONGEST_CAUSE]
        raise InputError(place, f"is refused by onnxruntime ({cause})", _MEND) from error
