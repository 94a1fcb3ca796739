"""BlockCosts what networks take on onnxruntime while they are planned, built and trained, against what their plans say.

    python tools/bench/ort_memory.py [NETWORKS] [KERNELS]

Draws networks by their number (tests/allocation/drawn_models.py), trains each under a counting allocator in a budget between
the least one and four times that, and prints for each kind: networks and blocks, how many took more than their plan or the
budget, and by how much a plan was above what was measured, of blocks that took 16 KiB or more. KERNELS is
the path of the library, for plans of the target ort-kernels. Needs Linux and a C compiler.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.allocation.drawn_models import draw_case
from tinyfoa_rt.run.counted_memory import compile_counter

_ROOT = Path(__file__).resolve().parents[2]
_LARGE = 16 * 1024


def main() -> None:
    """Run the networks in one process under the allocator and print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 308
    lines = _counted(range(count), sys.argv[2] if len(sys.argv) > 2 else "none")
    kinds: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        if "refused" not in line:
            kinds.setdefault(_kind(line["seed"]), []).append(line)
    print(f"{'kind':28}{'networks':>10}{'blocks':>8}{'> plan':>8}{'> budget':>9}{'unused, most':>14}{'on average':>12}")
    for kind in sorted(kinds):
        print(f"{kind:28}{_row(kinds[kind])}")
    print(f"{'all':28}{_row([line for kind in kinds.values() for line in kind])}")
    print(f"refused: {sum('refused' in line for line in lines)}")


def _kind(seed: int) -> str:
    model, options = draw_case(seed)
    has_windows = any(node.op_type == "Conv" for node in model.graph.node)
    return f"{'convolutional' if has_windows else 'dense'}, {options.get('optimizer', 'sgd')}"


def _row(lines: list[dict[str, Any]]) -> str:
    blocks = [line for line in lines if line["of"] != "passes"]
    unused = [line["planned"] / line["measured"] - 1 for line in blocks if line["measured"] >= _LARGE] or [0.0]
    beyond = [sum(line["measured"] > line[key] for line in lines) for key in ("planned", "budget")]
    shares = f"{max(unused):14.2%}{sum(unused) / len(unused):12.3%}"
    return f"{len({line['seed'] for line in lines}):10}{len(blocks):8}{beyond[0]:8}{beyond[1]:9}{shares}"


def _counted(seeds: range, kernels: str) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        library = compile_counter(Path(folder))
        assert library is not None, "needs Linux and a C compiler"
        command = [sys.executable, "-m", "tests.allocation.count_runs", str(library), kernels, *map(str, seeds)]
        environment = {**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": str(_ROOT)}
        done = subprocess.run(command, env=environment, check=True, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


if __name__ == "__main__":
    main()
