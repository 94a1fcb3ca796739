"""Plan, build and train networks under the counting allocator, and print what was planned and what was measured.

    LD_PRELOAD=count_aligned.so python -m tests.allocation.count_runs COUNT_ALIGNED.so KERNELS SEED ...

KERNELS is none, or the path of the library: the target is then ort-kernels. One JSON object a block: the most that any step held
and took, or a prediction of one sample between two steps, with the plan's bytes for it and the budget; and one a network for
passes of many samples beside what the largest block keeps. tests/allocation/test_counted_runs.py starts it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from tests.allocation.drawn_models import draw_case
from tinyfoa_rt.errors import TinyfoaError
from tinyfoa_rt.ir.names import MARK
from tinyfoa_rt.ir.plan import Plan
from tinyfoa_rt.model import load
from tinyfoa_rt.pipeline import build, plan
from tinyfoa_rt.run import Trainer
from tinyfoa_rt.run.block_training import BlockTraining
from tinyfoa_rt.run.counted_memory import Counter
from tinyfoa_rt.run.session import Session


class Watch:
    """Counts what steps and forward passes of a trainer take."""

    def __init__(self, library: str) -> None:
        self._counter = Counter(library)
        self.begin(None)

    def begin(self, of: Plan | None) -> None:
        """Forget what was measured; the plan says what lies in nonvolatile memory."""
        blocks = of.blocks if of is not None else ()
        self._elsewhere = {block.name: {b.name for b in block.buffers if b.place == "nonvolatile"} for block in blocks}
        self.steps: dict[str, int] = {}
        self.kept: dict[str, int] = {}
        self.passes = 0

    def start(self) -> None:
        """BlockCosts every step and every stage of a forward pass from now on."""
        step, call = BlockTraining.step, Session.call

        def counted_step(training: BlockTraining, rate: float, number: int = 0) -> Any:
            result, taken = self._counter.count(lambda: step(training, rate, number))
            name, bound = training.record.name, training.bound
            held = {array.ctypes.data: (each, array.nbytes) for each, array in bound.items()}
            self.kept[name] = sum(nbytes for each, nbytes in held.values() if each not in self._elsewhere[name])
            self.steps[name] = max(self.steps.get(name, 0), taken + self.kept[name])
            return result

        def counted_call(session: Session, feeds: Any, names: Any) -> Any:
            result, taken = self._counter.count(lambda: call(session, feeds, names))
            values = sum(feeds[name].nbytes for name in session.inputs if MARK not in name)
            self.passes = max(self.passes, taken + values)
            return result

        BlockTraining.step, Session.call = counted_step, counted_call  # type: ignore[assignment, method-assign]


def costs(seed: int, kernels: str, watch: Watch) -> Iterator[dict[str, Any]]:
    """Train one network until each slice has had its turn, in a budget between the least one and four times that."""
    model, drawn = draw_case(seed)
    options = {**drawn, "target": "ort-cpu" if kernels == "none" else "ort-kernels"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(model, path)
        graph = load(path)
        rng = np.random.default_rng(seed)
        budget = int(plan(graph, "1GB", **options).floor_bytes * rng.uniform(1, 4))
        planned = plan(graph, budget, **options)
        artifact = build(graph, planned)
    manifest = artifact.manifest
    x = rng.normal(0, 1, (3 * planned.batch, *manifest.input_shape[1:])).astype(np.float32)
    watch.begin(planned)
    trainer = Trainer(artifact, threads=1, kernels=kernels)
    turns = max(block.slices[0] * block.slices[1] for block in planned.blocks)  # the plan is for the largest slice
    trainer.fit(x, rng.integers(0, manifest.num_outputs, len(x)), normalization=None, epochs=-(-turns // 3))
    trainer.predict(np.resize(x, (300, *x.shape[1:])))
    most_kept, most = max(watch.kept.values()), watch.passes
    watch.passes = 0
    trainer.predict(x[:1])
    for block in planned.blocks:
        found = max(watch.steps[block.name], watch.kept[block.name] + watch.passes)
        yield {"seed": seed, "of": block.name, "planned": block.peak_bytes, "measured": found, "budget": budget}
    yield {"seed": seed, "of": "passes", "planned": planned.peak_bytes, "measured": most_kept + most, "budget": budget}


def _multiply_integers() -> None:
    """Integer products have a buffer of some 40 KB a thread, which onnxruntime takes once and no plan counts (docs/memory.md)."""
    infos = [onnx.helper.make_tensor_value_info(name, kind, [1, 1]) for name, kind in (("a", 2), ("b", 3), ("c", 6))]
    graph = onnx.helper.make_graph([onnx.helper.make_node("MatMulInteger", ["a", "b"], ["c"])], "warm", infos[:2], infos[2:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    session.run(None, {"a": np.ones((1, 1), np.uint8), "b": np.ones((1, 1), np.int8)})


def main() -> None:
    """Print a line for each thing that was measured; a network that is refused is said so."""
    _multiply_integers()
    watch = Watch(sys.argv[1])
    watch.start()
    for seed in map(int, sys.argv[3:]):
        try:
            for line in costs(seed, sys.argv[2], watch):
                print(json.dumps(line), flush=True)
        except TinyfoaError as error:
            print(json.dumps({"seed": seed, "refused": str(error)}), flush=True)


if __name__ == "__main__":
    main()
