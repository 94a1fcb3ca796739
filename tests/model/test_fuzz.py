"""Damaged files: ``load`` returns a graph or refuses; it never raises anything else, hangs or crashes."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.model.onnx_files import LIGHT_MODELS, REAL_MODELS, dense_model
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.model import load
from tinyfoa_rt.model.verify import verify_graph

_LIGHT = ("light_bvlc_alexnet.onnx", "light_zfnet512.onnx")
_FILES = [dense_model().SerializeToString(), *((LIGHT_MODELS / name).read_bytes() for name in _LIGHT)]
_FILES += [path.read_bytes() for path in [REAL_MODELS / "kws.onnx"] if path.exists()]

_EDITS = st.lists(
    st.tuples(
        st.sampled_from(("flip", "truncate", "delete", "insert")),
        st.floats(0, 1, exclude_max=True),
        st.binary(min_size=1, max_size=12),
    ),
    min_size=1,
    max_size=4,
)


def _edit(content: bytes, kind: str, where: float, data: bytes) -> bytes:
    at = int(where * len(content))
    if kind == "flip":
        flipped = bytes(a ^ b for a, b in zip(content[at : at + 1], data[:1], strict=False))
        return content[:at] + flipped + content[at + 1 :]
    if kind == "truncate":
        return content[:at]
    if kind == "delete":
        return content[:at] + content[at + len(data) :]
    return content[:at] + data + content[at:]


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(index=st.integers(0, len(_FILES) - 1), edits=_EDITS)
def test_damaged_files(tmp_path: Path, index: int, edits: list[tuple[str, float, bytes]]) -> None:
    content = _FILES[index]
    for kind, where, data in edits:
        content = _edit(content, kind, where, data)
    path = tmp_path / "damaged.onnx"
    path.write_bytes(content)
    problem = _problem_of(path)
    assert problem is None or (problem and "\n" not in problem)


def _problem_of(path: Path) -> str | None:
    """What is wrong with a file, or ``None``; an error that is not ours, or of another exit status, goes through."""
    try:
        graph = load(path)
    except InputError as error:
        return str(error)
    verify_graph(graph)
    return None
