"""The trainer: an artifact and data go in, a trained model comes out; it can stop at any step and go on later.

>>> trainer = Trainer(build(model, plan))            # doctest: +SKIP
>>> trainer.fit(x_train, y_train, epochs=10)         # doctest: +SKIP
>>> trainer.evaluate(x_test, y_test).accuracy        # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.errors import InputError, UsageError
from tinyfoa_rt.run.artifact import INFERENCE, MANIFEST, Artifact
from tinyfoa_rt.run.checkpoint import FOLDER, load_checkpoint, save_checkpoint
from tinyfoa_rt.run.data import Normalization
from tinyfoa_rt.run.evaluation import Evaluation, evaluate_scores
from tinyfoa_rt.run.feed import Samples, check_targets, samples_of
from tinyfoa_rt.run.forward import ForwardPass
from tinyfoa_rt.run.inference import write_inference
from tinyfoa_rt.run.interleaved import InterleavedLoop
from tinyfoa_rt.run.kernels import find_kernels
from tinyfoa_rt.run.layerwise import LayerwiseLoop
from tinyfoa_rt.run.loop import Report
from tinyfoa_rt.run.model_state import ModelState
from tinyfoa_rt.run.progress import Progress
from tinyfoa_rt.run.session import Runtime
from tinyfoa_rt.run.settings import TrainSettings

__all__ = ["Trainer"]

Array = NDArray[Any]
Inputs = Array | Mapping[str, Array]
_ROWS = 500


class Trainer:
    """Trains the blocks of an artifact.

    Args:
        artifact: what ``build`` returned, or the folder where it was saved.
        providers: execution providers of onnxruntime by name, in order of preference.
        threads: of a session; ``None`` for one a core.
        storage: a folder for memory-mapped files with the latent weights of all slices, which a plan counts as nonvolatile;
            ``None`` keeps them in RAM.
        kernels: the library of kernels, libtinyfoa_ops: ``auto`` takes it where it is beside the package, a path another one,
            ``None`` or ``none`` function bodies. Both give the same training, but for rounding.

    Raises:
        InputError: the artifact or the kernels cannot be read.
        UsageError: onnxruntime has no such provider.
    """

    def __init__(
        self,
        artifact: Artifact | str | Path,
        *,
        providers: Sequence[str] = ("CPUExecutionProvider",),
        threads: int | None = None,
        storage: str | Path | None = None,
        kernels: str | Path | None = "auto",
    ) -> None:
        self.artifact = artifact if isinstance(artifact, Artifact) else Artifact.load(Path(artifact))
        self.progress = Progress(TrainSettings())
        folder = None if storage is None else Path(storage)
        library = find_kernels(kernels, providers, has_packed_form=self.artifact.has_packed_form)
        self._runtime = Runtime(tuple(providers), threads, library)
        is_packed = library is not None
        self.state = ModelState(self.artifact.manifest, self.artifact.initial, folder, is_packed=is_packed)
        self._forward = ForwardPass(self.artifact, self.state, self._runtime)
        self._stream: LayerwiseLoop | InterleavedLoop | None = None
        self._home: Path | None = None

    @property
    def is_done(self) -> bool:
        """Whether every block has had its epochs."""
        return self.progress.block >= len(self.artifact.blocks)

    def fit(self, x: Inputs, y: Array, *, normalization: Normalization | None = None, **settings: Any) -> Trainer:
        """Train every block on ``x`` and ``y`` from where training stands.

        Args:
            x: samples (N, ...), raw; any shape that fits the model's input in one way. Where the model has several inputs, an
                array of each by its name. Inputs of whole numbers (ids, bytes) and of truth values take them as they are.
            y: classes (N,), whole numbers from 0; or targets (N, outputs).
            normalization: of the samples, kept with the model; ``None`` takes them as they are.
            **settings: fields of :class:`tinyfoa_rt.run.settings.TrainSettings`, such as ``epochs=10``.

        Raises:
            InputError: the data do not fit the model.
            UsageError: a setting is out of range.
        """
        for _ in self.iterate(x, y, normalization=normalization, **settings):
            pass
        return self

    def iterate(self, x: Inputs, y: Array, *, normalization: Normalization | None = None, **settings: Any) -> Iterator[Report]:
        """As :meth:`fit`, step by step; between two steps the trainer may be saved or asked to predict."""
        if self.progress.total_steps == 0 and not self.progress.rates:
            self.progress = Progress(TrainSettings(**settings), normalization)
        elif settings:
            self.progress.settings = replace(self.progress.settings, **settings)
        samples = self._samples(x)
        return self._loop().epochs(samples, check_targets(self.artifact.manifest, samples, y))

    def partial_fit(self, x: Inputs, y: Array) -> float:
        """Train on a stream: take one step for each batch in ``x`` at a constant rate; return the mean loss.

        With the order ``layerwise`` the block in training learns, and :meth:`next_block` goes on to the next one; with
        ``interleaved`` all blocks do. Samples that do not fill a batch are repeated.

        Raises:
            InputError: the data do not fit the model.
        """
        samples = self._samples(x)
        target = check_targets(self.artifact.manifest, samples, y)
        if self._stream is None:
            self._stream = self._loop()
        return self._stream.stream(samples, target)

    def next_block(self) -> None:
        """End the training of the current block on a stream.

        Raises:
            UsageError: all blocks are trained.
        """
        if self.is_done:
            raise UsageError("next_block", "all blocks are trained", "save the model")
        self._stream = None
        self.progress.block += 1
        self.progress.step = 0

    def scores(self, x: Inputs) -> Array:
        """Return the scores (N, outputs), float32: the output before Softmax, where the model ends in one.

        Raises:
            InputError: the samples do not fit the model.
        """
        samples = self._samples(x)
        parts = [self._forward.scores(samples.gather(slice(i, i + _ROWS))) for i in range(0, len(samples), _ROWS)]
        return np.concatenate(parts) if parts else np.zeros((0, self.artifact.manifest.num_outputs), np.float32)

    def predict(self, x: Inputs) -> Array:
        """Return the class (N,) of each sample; of a regression its output (N, outputs)."""
        scores = self.scores(x)
        return scores.argmax(axis=1) if self.artifact.manifest.loss == "cross-entropy" else scores

    def evaluate(self, x: Inputs, y: Array) -> Evaluation:
        """Return loss, accuracy and balanced accuracy on ``x`` and ``y``."""
        target = check_targets(self.artifact.manifest, self._samples(x), y)
        return evaluate_scores(self.scores(x), target, self.artifact.manifest.loss)

    def save(self, folder: str | Path) -> None:
        """Write artifact, checkpoint and inference model; a power cut leaves the old checkpoint or the new one.

        Raises:
            InputError: the folder cannot be written.
        """
        folder = Path(folder)
        if folder != self._home or not (folder / MANIFEST).exists():  # its files are read and compared once, not at every save
            if not (folder / MANIFEST).exists() or Artifact.load(folder).id != self.artifact.id:
                self.artifact.save(folder)
            self._home = folder
        arrays = self.state.arrays()
        save_checkpoint(folder / FOLDER, arrays, self.progress.to_json(), self.artifact.id)
        parameters, tensors = self.artifact.manifest.parameters, self.state.forward_tensors(as_bytes=True)
        write_inference(folder / INFERENCE, self.artifact.models[INFERENCE], parameters, tensors)

    @classmethod
    def load(cls, folder: str | Path, **options: Any) -> Trainer:
        """Return a trainer that goes on from the checkpoint in ``folder``; ``options`` are those of the class.

        Raises:
            InputError: artifact or checkpoint are missing, damaged, or do not belong together.
        """
        trainer = cls(Path(folder), **options)
        checkpoint = load_checkpoint(Path(folder) / FOLDER, trainer.artifact.id)
        trainer.state.restore(checkpoint.tensors)
        trainer.progress = Progress.from_json(checkpoint.progress)
        if trainer.progress.block > len(trainer.artifact.blocks):
            raise InputError("checkpoint, progress", "is beyond the last block", "start training anew")
        return trainer

    def _samples(self, x: Inputs) -> Samples:
        return samples_of(self.artifact.manifest, x, self.progress.normalization)

    def _loop(self) -> LayerwiseLoop | InterleavedLoop:
        kind = InterleavedLoop if self.artifact.manifest.order == "interleaved" else LayerwiseLoop
        return kind(self.artifact, self.state, self.progress, self._runtime)
