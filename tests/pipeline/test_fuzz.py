"""Damaged models: whatever the bytes, the answer is a plan or one line that says what is wrong."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.small_models import conv_net, mlp
from tinyfoa_rt import load, plan
from tinyfoa_rt.errors import TinyfoaError
from tinyfoa_rt.ir.plan import Plan
from tinyfoa_rt.zoo import build_model

MUTATIONS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255), st.sampled_from("sdic")), max_size=6)


@pytest.fixture(scope="module")
def originals(light_models: list[Path]) -> dict[str, bytes]:
    """Models of all kinds, small enough to be damaged many times."""
    light = {path.stem: path.read_bytes() for path in light_models if path.stat().st_size < 40_000}
    ours = {"mlp": mlp().SerializeToString(), "conv": conv_net().SerializeToString()}
    shared = Path(__file__).resolve().parents[3] / "shared" / "models" / "kws.onnx"
    trained = {"kws": shared.read_bytes()} if shared.exists() else {}
    return {**light, **ours, **trained, "ds-cnn": build_model("ds-cnn-kws").SerializeToString()}


def damaged(content: bytes, mutations: list[tuple[float, int, str]]) -> bytes:
    """Set, delete, insert bytes or cut the end, at places given as fractions of the length."""
    data = bytearray(content)
    for place, value, kind in mutations:
        # Structure lies at both ends of a file, weights in between: half of the mutations go near the ends.
        at = int(place * len(data)) if value % 2 else int(place**4 * len(data))
        if kind == "s" and data:
            data[at] = value
        elif kind == "d":
            del data[at : at + value % 16]
        elif kind == "i":
            data[at:at] = bytes([value]) * (value % 9)
        elif kind == "c" and value < 32:
            del data[at:]
    return bytes(data)


@pytest.mark.slow
@settings(max_examples=250)
@given(data=st.data(), mutations=MUTATIONS)
def test_a_damaged_model_gives_a_plan_or_one_line(
    tmp_path: Path, originals: dict[str, bytes], data: st.DataObject, mutations: list[tuple[float, int, str]]
) -> None:
    name, target = data.draw(st.sampled_from(sorted(originals))), data.draw(st.sampled_from(["ort-cpu", "c99"]))
    path = tmp_path / "damaged.onnx"
    path.write_bytes(damaged(originals[name], mutations))
    try:
        result = plan(load(path), "256KB", target=target)
    except TinyfoaError as error:
        assert "\n" not in str(error)
        assert error.exit_status in (2, 4)
    else:
        assert isinstance(result, Plan)
