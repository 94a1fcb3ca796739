"""Runs models on whichever onnxruntime imports this, and writes what they compute; needs numpy and onnxruntime only.

    python run_models.py FOLDER [LIBRARY]

``FOLDER/jobs.json`` names the models; for MODEL, inputs are in ``FOLDER/MODEL.feeds.npz`` and outputs go to
``FOLDER/MODEL.outputs.npz``. LIBRARY has custom operators. Prints the version of onnxruntime.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

__all__ = ["run_models"]


def run_models(folder: Path, library: str = "") -> None:
    """Load and run every model in ``folder`` once."""
    options = onnxruntime.SessionOptions()
    if library:
        options.register_custom_ops_library(library)
    options.intra_op_num_threads = 1  # the models are small
    for name in json.loads((folder / "jobs.json").read_text(encoding="utf-8")):
        session = onnxruntime.InferenceSession(str(folder / name), options, providers=["CPUExecutionProvider"])
        with np.load(f"{folder / name}.feeds.npz") as feeds:
            outputs = session.run(None, dict(feeds))
        np.savez(f"{folder / name}.outputs.npz", **dict(zip([each.name for each in session.get_outputs()], outputs)))


if __name__ == "__main__":
    run_models(Path(sys.argv[1]), *sys.argv[2:])
    print(onnxruntime.__version__)
