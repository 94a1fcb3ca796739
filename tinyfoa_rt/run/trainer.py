"""The trainer: an artifact and data go in, a trained model comes out; it can stop at any step and go on later.

>>> trainer = Trainer(build(model, plan))            # doctest: +SKIP
>>> trainer.fit(x_train, y_train, epochs=10)         # doctest: +SKIP
>>> trainer.evaluate(x_test, y_test).accuracy        # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.artifact.checkpoint import FOLDER, load_checkpoint, save_checkpoint
from tinyfoa_rt.artifact.folder import INFERENCE, MANIFEST, Artifact, exit_path
from tinyfoa_rt.artifact.inference import find_parameters, write_inference
from tinyfoa_rt.artifact.settings import TrainSettings
from tinyfoa_rt.errors import InputError, UsageError
from tinyfoa_rt.ir.losses import loss_of
from tinyfoa_rt.run.block_validation import check_validation, find_exit
from tinyfoa_rt.run.data import LabelMap, Normalization
from tinyfoa_rt.run.data.normalization import AUTO
from tinyfoa_rt.run.data_digest import digest_of
from tinyfoa_rt.run.divergence import check_tensors
from tinyfoa_rt.run.evaluation import Evaluation, evaluate_scores, predict, probabilities_of
from tinyfoa_rt.run.feed import Samples, samples_of
from tinyfoa_rt.run.forward import ForwardPass
from tinyfoa_rt.run.held_back import HeldBack, hold_back
from tinyfoa_rt.run.interleaved import InterleavedLoop
from tinyfoa_rt.run.kernels import find_kernels
from tinyfoa_rt.run.layerwise import LayerwiseLoop
from tinyfoa_rt.run.model_state import ModelState
from tinyfoa_rt.run.progress import Progress
from tinyfoa_rt.run.sample_order import check_sampling
from tinyfoa_rt.run.session import Runtime
from tinyfoa_rt.run.step_report import Report
from tinyfoa_rt.run.training_sets import Given, Inputs, label_map_of_round, normalization_of_round

__all__ = ["Trainer"]

Array = NDArray[Any]


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
        if library is None and self.artifact.manifest.needs_kernels:
            problem = "the plan counts on the library of kernels, which is not used"
            raise UsageError(f"kernels {kernels}", problem, "build it with make kernels and name it, or plan for ort-cpu")
        self._runtime = Runtime(tuple(providers), threads, library)
        is_packed = library is not None
        self.state = ModelState(self.artifact.manifest, self.artifact.initial, folder, is_packed=is_packed)
        self._forward = ForwardPass(self.artifact, self.state, self._runtime)
        self._stream: LayerwiseLoop | InterleavedLoop | None = None
        self._home: Path | None = None

    @property
    def is_done(self) -> bool:
        """Whether the round has ended: every block has had its epochs."""
        return self.progress.block >= len(self.artifact.blocks)

    @property
    def labels(self) -> list[str]:
        """What each class is called: its label, or its number; of other models the number of each output."""
        loss, count = self.artifact.manifest.loss, self.artifact.manifest.num_outputs
        numbers = [str(number) for number in range(2 if loss.labels == "probabilities" and count == 1 else count)]
        known = () if self.progress.label_map is None else self.progress.label_map.labels
        return [*map(str, known), *numbers[len(known) :]]

    @property
    def exit(self) -> int | None:
        """The block that predicts in the model's place (``stop="best"``), or ``None``."""
        names = [block.name for block in self.artifact.blocks]
        return None if self.progress.exit is None else names.index(self.progress.exit)

    def fit(
        self,
        x: Inputs,
        y: Any,
        *,
        normalization: Normalization | str | None = AUTO,
        validation: float | tuple[Inputs, Any] | None = None,
        **settings: Any,
    ) -> Trainer:
        """Train every block, or those that ``blocks`` names, on ``x`` and ``y``.

        Where a ``fit`` was interrupted, it goes on to the same bits, with the same data and settings. Else a round begins from
        the present weights: on any data, with a new rate schedule, rates measured anew and optimizer state forgotten. Scales and
        statistics of blocks that have been trained go on from what they are.

        Args:
            x: samples (N, ...), raw; any shape that fits the model's input in one way. Where the model has several inputs, an
                array of each by its name. Inputs of whole numbers (ids, bytes) and of truth values take them as they are.
            y: classes (N,) or (N, 1), whole numbers or names, or one-hot rows; or numbers (N, outputs), of one output (N,) too.
                Whole numbers are class numbers where they are less than the number of outputs; else the model keeps which label
                each class is.
            normalization: of the samples, kept with the model: ``auto`` for the one that it has, and at first ``data``, but none
                behind frozen blocks, of whole numbers, and of a model that reconstructs its input; ``data`` for mean and
                deviation of ``x`` (``run/data/normalization.py`` says over what); ``None`` or ``none`` for samples as they are.
            validation: the share of the samples that is held back, such as 0.1, or samples and labels of their own: on them each
                block that predicts by itself is measured behind every epoch, and no step, rate or scale comes from them. Hidden
                blocks predict where the artifact was built with exits.
            **settings: fields of :class:`tinyfoa_rt.artifact.settings.TrainSettings`, such as ``epochs=10``.

        Raises:
            InputError: the data do not fit the model, or are not those of the ``fit`` that was interrupted; nothing has changed.
            UsageError: a setting is out of range, or not that of the ``fit`` that was interrupted.
            DivergenceError: the loss or a weight has become NaN or infinite; what was saved before is whole.
        """
        for _ in self.iterate(x, y, normalization=normalization, validation=validation, **settings):
            pass
        return self

    def iterate(
        self,
        x: Inputs,
        y: Any,
        *,
        normalization: Normalization | str | None = AUTO,
        validation: float | tuple[Inputs, Any] | None = None,
        **settings: Any,
    ) -> Iterator[Report]:
        """As :meth:`fit`, step by step; between two steps the trainer may be saved or asked to predict."""
        progress, manifest = self.progress, self.artifact.manifest
        if isinstance(validation, (int, float)):
            settings["validation"] = float(validation)
        is_new = progress.data is None or self.is_done
        wanted = TrainSettings(**settings) if is_new else replace(progress.settings, **settings)
        kept = normalization_of_round(manifest, progress, Given(x, y), normalization, wanted)
        label_map = label_map_of_round(manifest, progress, y)
        sets = self._sets(x, y, validation, kept, label_map)
        for samples, _ in sets:
            samples.check()
        loop = self._loop()
        if is_new:
            split = hold_back(sets, wanted)
            check_validation(wanted, split[2], self.artifact, self._forward)
            self._begin_round(wanted, digest_of(*sets))
            progress.normalization, progress.label_map = kept, label_map
        else:
            self._check_settings(wanted, kept)
            self._check_digest(*sets)
            split = hold_back(sets, progress.settings)
        return self._round(loop, split)

    def _round(self, loop: LayerwiseLoop | InterleavedLoop, split: tuple[Samples, Array, HeldBack | None]) -> Iterator[Report]:
        """The steps of a round, and what follows from all of them."""
        yield from loop.epochs(*split)
        if self.progress.settings.stop == "best" and split[2] is not None:
            self.progress.exit = find_exit(self.artifact, self._forward, split[2], self.progress)

    def restart(self) -> None:
        """Leave a ``fit`` that was interrupted: the next one begins a round from the present weights, a stream block 0."""
        self._begin_round(self.progress.settings, None)

    def check_resumed(self, x: Inputs, y: Any, validation: float | tuple[Inputs, Any] | None = None) -> None:
        """Refuse data on which the last ``fit`` cannot go on.

        Raises:
            InputError: they are not those that it was begun with.
        """
        self._check_digest(*self._sets(x, y, validation, self.progress.normalization, self.progress.label_map))

    def partial_fit(self, x: Inputs, y: Any) -> float:
        """Train on a stream: take one step for each batch in ``x`` at a constant rate; return the mean loss.

        With the order ``layerwise`` the block in training learns, and :meth:`next_block` goes on to the next one; after a ``fit``
        it is the last block, or the one that the model ends at, unless :meth:`train_block` says another. With ``interleaved``
        all blocks learn. Samples that do not fill a batch are repeated. The first call decides which label each class is (see
        :meth:`fit`): it needs class numbers, or labels of all classes.

        Raises:
            InputError: the data do not fit the model; nothing has changed.
            DivergenceError: as with :meth:`fit`.
        """
        label_map = label_map_of_round(self.artifact.manifest, self.progress, y)
        samples, labels = Given(x, y).read(self.artifact.manifest, self.progress.normalization, label_map)
        samples.check()
        self.progress.label_map = label_map
        if self.progress.data is not None:  # the round is left, and with it its count of steps
            self.train_block(min(self.progress.block, len(self.artifact.blocks) - 1) if self.exit is None else self.exit)
        if self._stream is None:
            self._stream = self._loop()
        return self._stream.stream(samples, labels)

    def next_block(self) -> None:
        """End the training of the current block on a stream.

        Raises:
            UsageError: all blocks are trained.
        """
        if self.is_done:
            raise UsageError("next_block", "all blocks are trained", "save the model, or go back with train_block")
        self._go_to(self.progress.block + 1)

    def train_block(self, index: int) -> None:
        """Go to block ``index``, counted from 0, on a stream; a block that has been trained goes on at the rate measured for it.

        Raises:
            UsageError: there is no such block.
        """
        if not 0 <= index < len(self.artifact.blocks):
            raise UsageError(f"train_block {index}", f"there are {len(self.artifact.blocks)} blocks", "count them from 0")
        self._go_to(index)

    def scores(self, x: Inputs) -> Array:
        """Return the scores (N, outputs), float32: the output before Softmax, where the model ends in one.

        Raises:
            InputError: the samples do not fit the model.
        """
        samples = samples_of(self.artifact.manifest, x, self.progress.normalization)
        parts = [self._forward.scores(samples.gather(part), self.exit) for part in self._forward.parts(len(samples))]
        return np.concatenate(parts) if parts else np.zeros((0, self.artifact.manifest.num_outputs), np.float32)

    def predict(self, x: Inputs) -> Array:
        """Return the label (N,) of each sample; of several binary ones 0 or 1 (N, outputs); of a regression its output."""
        return predict(self.scores(x), self.artifact.manifest.loss.prediction, self.progress.label_map)

    def probabilities(self, x: Inputs) -> Array:
        """Return the probability of each class (N, outputs), float32; of one output that of its second label, (N, 1).

        Raises:
            UsageError: the model is one of numbers, not of classes.
        """
        return probabilities_of(self.scores(x), self.artifact.manifest.loss)

    def evaluate(self, x: Inputs, y: Any) -> Evaluation:
        """Return loss, accuracy and balanced accuracy on ``x`` and ``y``."""
        _, labels = Given(x, y).read(self.artifact.manifest, self.progress.normalization, self.progress.label_map)
        return evaluate_scores(self.scores(x), labels, loss_of(self.artifact.manifest.loss.name))

    def save(self, folder: str | Path) -> None:
        """Write artifact, checkpoint and inference model; a power cut leaves the old checkpoint or the new one.

        Raises:
            InputError: the folder cannot be written.
            DivergenceError: a tensor holds NaN or Inf; what is in the folder stays.
        """
        folder = Path(folder)
        arrays = self.state.arrays()
        block = self.artifact.blocks[min(self.progress.block, len(self.artifact.blocks) - 1)]
        check_tensors(block.name, self.progress.step, arrays)
        if folder != self._home or not (folder / MANIFEST).exists():  # its files are read and compared once, not at every save
            if not (folder / MANIFEST).exists() or Artifact.load(folder).id != self.artifact.id:
                self.artifact.save(folder)
            self._home = folder
        save_checkpoint(folder / FOLDER, arrays, self.progress.to_json(), self.artifact.id)
        tensors = self.state.forward_tensors(as_bytes=True)
        model, parameters = self.artifact.models[INFERENCE], self.artifact.manifest.parameters
        if self.exit is not None:
            tensors |= self.state.kept(as_reals=True)
            model = self.artifact.models[exit_path(self.exit)]
            parameters = find_parameters(model, tensors)
        write_inference(folder / INFERENCE, model, parameters, tensors)

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
        places = enumerate(trainer.artifact.blocks)
        ends = (None, *(block.name for index, block in places if exit_path(index) in trainer.artifact.models))
        if trainer.progress.block > len(trainer.artifact.blocks):
            raise InputError("checkpoint, progress", "is beyond the last block", "start training anew")
        if trainer.progress.exit not in ends:
            raise InputError("checkpoint, progress", "ends where no block of this artifact predicts", "start training anew")
        return trainer

    def _begin_round(self, settings: TrainSettings, data: str | None) -> None:
        """Stand before the first step of a round, on ``data``, or of a stream."""
        names = [block.name for block in self.artifact.blocks]
        for name in settings.blocks or ():
            if name not in names:
                raise UsageError(f"block {name}", "is not trained in this artifact", f"name some of {', '.join(names)}")
        if settings.blocks is not None and self.artifact.manifest.order == "interleaved":
            raise UsageError("blocks", "are all trained together in the order interleaved", "leave it out")
        check_sampling(self.artifact.manifest, settings.sampling)
        self._stream = None
        self.state.end_turns()
        for block in self.artifact.blocks:
            for layer in block.layers if settings.trains(block.name) else ():
                self.state.layers[layer.name].reset_optimizer()
        self.progress.begin(settings, data)

    def _check_settings(self, settings: TrainSettings, normalization: Normalization | None) -> None:
        """Refuse to go on in another way."""
        begun = {**vars(self.progress.settings), "normalization": self.progress.normalization}
        wanted = {**vars(settings), "normalization": normalization}
        for name, value in wanted.items():
            if begun[name] != value:
                problem = f"is not what the training was begun with ({begun[name]})"
                raise UsageError(
                    f"{name} {value}", problem, "leave it out to go on, or begin anew from these weights (Trainer.restart)"
                )

    def _check_digest(self, *sets: tuple[Samples, Array]) -> None:
        """Refuse to go on with other data, for training or for validation."""
        if digest_of(*sets) != self.progress.data:
            mend = "give the same, or begin anew from these weights: train DIR -o ANOTHER (Trainer.restart)"
            raise InputError("data", "are not those that the training was begun with", mend)

    def _go_to(self, block: int) -> None:
        self._stream = None
        self.state.end_turns()
        self.progress.data = None
        self.progress.block, self.progress.step = block, 0

    def _sets(
        self,
        x: Inputs,
        y: Any,
        validation: float | tuple[Inputs, Any] | None,
        normalization: Normalization | None,
        label_map: LabelMap | None,
    ) -> list[tuple[Samples, Array]]:
        """The samples, and those of their own that are held back, if there are any; with labels."""
        given = [Given(x, y), *([Given(*validation)] if isinstance(validation, tuple) else [])]
        return [each.read(self.artifact.manifest, normalization, label_map) for each in given]

    def _loop(self) -> LayerwiseLoop | InterleavedLoop:
        kind = InterleavedLoop if self.artifact.manifest.order == "interleaved" else LayerwiseLoop
        return kind(self.artifact, self.state, self.progress, self._runtime)
