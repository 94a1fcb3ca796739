"""One binary of the library runs on onnxruntime 1.19.2 and on the newest, and asks for nothing that one of them lacks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.emit.old_onnxruntime import read_outputs, run_on_old
from tests.emit.run_models import run_models
from tests.ort_ops.kernel_models import write_kernel_models


def test_the_same_binary_gives_the_same_numbers(library: Path, old_python: Path, tmp_path: Path) -> None:
    names = write_kernel_models(tmp_path)
    run_models(tmp_path, str(library))
    new = read_outputs(tmp_path, names)
    run_on_old(old_python, tmp_path, str(library))
    old = read_outputs(tmp_path, names)
    assert old.keys() == new.keys()
    for name, value in new.items():
        np.testing.assert_array_equal(old[name], value, err_msg=name)


def test_the_library_links_against_no_onnxruntime(library: Path) -> None:
    content = library.read_bytes()
    assert b"libonnxruntime" not in content
    assert b"OrtGetApiBase" not in content
