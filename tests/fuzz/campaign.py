"""Runs cases of a fuzzer: none may raise what is no error of ours, take too long, or touch a file outside its folder.

    python -m tests.fuzz.models --cases 20000 --seed 0

runs as many as asked for in processes of their own, so that a crash or a hang of native code is one fault and not the end; the
tests run a few in their own process. Case N of seed S is the same everywhere: ``--first N --cases 1`` repeats it. What is
written is synced, so a temporary folder in RAM (``TMPDIR=/dev/shm``) is faster.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.attacks import snapshot
from tinyfoa_rt.errors import TinyfoaError

__all__ = ["Case", "Faults", "command_line", "run_cases"]

# Takes the case's draws and an empty folder, and returns what became of it in a word or two; an error of ours is right too.
Case = Callable[[random.Random, Path], str]

_CPU_SECONDS = 30
_WALL_SECONDS = 900
_ADDRESS_SPACE = 8 * 2**30
_CASES_A_PROCESS = 400
_OUTSIDE = "of the user"


class _TooLong(BaseException):
    """Stands for a hang: nothing that catches errors catches it."""


class Faults:
    """What went wrong, by the last line of its traceback, and what became of the others."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.found: dict[str, list[int]] = {}

    def add(self, number: int, fault: str) -> None:
        self.found.setdefault(fault, []).append(number)

    @property
    def num_cases(self) -> int:
        return sum(self.outcomes.values()) + sum(map(len, self.found.values()))

    def __str__(self) -> str:
        lines = [f"{self.num_cases:,} cases: " + ", ".join(f"{count:,} {what}" for what, count in self.outcomes.most_common())]
        lines += [f"FAULT, {len(cases)} cases, first {cases[0]}: {fault}" for fault, cases in self.found.items()]
        return "\n".join(lines)


def run_cases(case: Case, first: int, count: int, seed: int, on_case: Callable[[int], None] = lambda _: None) -> Faults:
    """Run cases in this process."""
    faults = Faults()
    with tempfile.TemporaryDirectory(prefix="tinyfoa-fuzz-") as name, _limits():
        home = Path(name)
        sentinel = home / "sentinel"
        sentinel.mkdir()
        (sentinel / "file").write_text(_OUTSIDE)
        for number in range(first, first + count):
            on_case(number)
            folder = home / "case"
            folder.mkdir()
            try:
                faults.outcomes[_outcome(case, random.Random(f"{seed} {number}"), folder)] += 1
            except (Exception, _TooLong) as error:
                faults.add(number, _described(error))
            shutil.rmtree(folder)
            if snapshot(sentinel) != {"file": _OUTSIDE.encode()} or {path.name for path in home.iterdir()} != {"sentinel"}:
                faults.add(number, "a file outside the folder was touched")
    return faults


def _outcome(case: Case, rng: random.Random, folder: Path) -> str:
    signal.setitimer(signal.ITIMER_PROF, _CPU_SECONDS)
    faulthandler.dump_traceback_later(_WALL_SECONDS, exit=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a warning of numpy would be a second line for the user
            return case(rng, folder)
    except TinyfoaError as error:
        assert "\n" not in str(error) and len(str(error)) < 2000, "a message is one line"
        return f"refused ({error.exit_status})"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()


@contextlib.contextmanager
def _limits() -> Iterator[None]:
    """Time of a case, and memory of the process: a damaged size must not take the machine's."""

    def stop(number: int, frame: Any) -> None:
        raise _TooLong(f"more than {_CPU_SECONDS} s")

    before = signal.signal(signal.SIGPROF, stop)
    memory = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, memory[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, memory)
        signal.signal(signal.SIGPROF, before)


def _described(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "tinyfoa_rt" in frame.filename]
    frames = frames or traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__}: {str(error)[:160]!r} at {Path(frames[-1].filename).name}:{frames[-1].lineno}"


def command_line(module: str, case: Case) -> None:
    """``--cases`` in all, ``--seed``, ``--first``; ``--here`` in this process, as a line of JSON for each finding."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--here", action="store_true", help="in this process")
    options = parser.parse_args()
    if options.here:
        _report_cases(case, options)
        return
    faults = Faults()
    last = options.first + options.cases
    number = options.first
    while number < last:
        number = _run_process(module, (number, min(_CASES_A_PROCESS, last - number), options.seed), faults)
        print(faults, flush=True)
    sys.exit(1 if faults.found else 0)


def _report_cases(case: Case, options: argparse.Namespace) -> None:
    def tell(number: int) -> None:
        print(json.dumps({"case": number}), flush=True)

    faults = run_cases(case, options.first, options.cases, options.seed, tell)
    print(json.dumps({"outcomes": faults.outcomes, "found": faults.found}), flush=True)


def _run_process(module: str, which: tuple[int, int, int], faults: Faults) -> int:
    """Run cases in a process of their own and gather what it found; returns the next case."""
    first, count, seed = which
    arguments = ["--first", str(first), "--cases", str(count), "--seed", str(seed), "--here"]
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if lines and "found" in lines[-1]:
        faults.outcomes.update(lines[-1]["outcomes"])
        for fault, cases in lines[-1]["found"].items():
            faults.found.setdefault(fault, []).extend(cases)
        return first + count
    at = lines[-1]["case"] if lines else first
    faults.add(at, f"the process ended with status {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
    if at > first:  # what came before it is counted again, without it
        _run_process(module, (first, at - first, seed), faults)
    return int(at) + 1
