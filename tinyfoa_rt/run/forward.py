"""The forward pass in stages, from samples to the block in training and to the output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyfoa_rt.artifact.folder import Artifact, head_path
from tinyfoa_rt.errors import InputError
from tinyfoa_rt.run.cache import ActivationCache
from tinyfoa_rt.run.feed import Samples, put_values
from tinyfoa_rt.run.model_state import ModelState
from tinyfoa_rt.run.session import Runtime, Session
from tinyfoa_rt.run.whole_weights import pack_rows

__all__ = ["ForwardPass"]

Array = NDArray[Any]


class ForwardPass:
    """Runs stages on the state as it is; sessions are opened when they are needed."""

    def __init__(self, artifact: Artifact, state: ModelState, runtime: Runtime) -> None:
        self._artifact = artifact
        self._state = state
        self._runtime = runtime
        self._rows = artifact.manifest.rows
        self._sessions: dict[int, Session] = {}

    def run_stage(self, index: int, values: Mapping[str, Array]) -> dict[str, Array]:
        """Return ``values`` and what stage ``index`` computes from them."""
        path = self._artifact.manifest.stages[index]
        if not path:
            return dict(values)
        session = self._session(index, path)
        feeds = {**self._state.forward_tensors(), **values}
        return {**values, **session.call(feeds, list(session.outputs))}

    def to_block(self, index: int, x: Array | Mapping[str, Array]) -> dict[str, Array]:
        """The values that are there when block ``index`` begins, from normalized samples (N, ...), by input where several."""
        values = dict(x) if isinstance(x, Mapping) else {self._artifact.manifest.input: x}
        for stage in range(index + 1):
            values = self.run_stage(stage, values)
            values = {name: values[name] for name in self.needed(stage, values)}
        return values

    def parts(self, count: int) -> Iterator[slice]:
        """Parts of ``count`` samples, of which a pass takes one after the other."""
        return (slice(start, min(start + self._rows, count)) for start in range(0, count, self._rows))

    def fill(self, index: int, samples: Samples, rows: Array, inputs: Mapping[str, Array]) -> None:
        """Compute what enters block ``index`` for the samples ``rows``, into the arrays that its step reads."""
        for part in self.parts(len(rows)):
            values = self.to_block(index, samples.gather(rows[part]))
            put_values(values, {name: array[part] for name, array in inputs.items()})

    def collect(self, index: int, samples: Samples) -> ActivationCache:
        """Return the cache of what enters block ``index``, computed from the samples."""
        manifest = self._artifact.manifest
        cache = ActivationCache(len(samples), manifest.binary_values, manifest.activation_bits)
        for part in self.parts(len(samples)):
            cache.put(part.start, part.stop - part.start, self.to_block(index, samples.gather(part)))
        return cache

    def feed(self, index: int, samples: Samples) -> Samples | ActivationCache:
        """What enters block ``index``: the samples themselves where nothing is computed before it."""
        return self.collect(index, samples) if any(self._artifact.manifest.stages[: index + 1]) else samples

    def scores(self, x: Array | Mapping[str, Array], exit: int | None = None) -> Array:
        """The scores (N, outputs) of normalized samples: before Softmax, where the model ends in one.

        Args:
            x: samples (N, ...), by input where several.
            exit: the block that predicts by its own head; ``None`` where the model ends as it was given.
        """
        count = len(next(iter(x.values())) if isinstance(x, Mapping) else x)
        if exit is not None:
            return self.block_scores(exit, self.to_block(exit, x), count)
        return self._rows_of_scores(self.to_block(len(self._artifact.blocks), x), count)

    def predicts(self, index: int) -> bool:
        """Whether block ``index`` predicts by itself: as the model's classifier, or by a head that was built with exits."""
        return self._artifact.blocks[index].is_classifier or head_path(index) in self._artifact.models

    def block_scores(self, index: int, values: Mapping[str, Array], count: int) -> Array:
        """The scores (N, outputs) of block ``index`` for ``count`` samples, from what enters it."""
        if self._artifact.blocks[index].is_classifier:
            return self._rows_of_scores(self.run_stage(index + 1, values), count)
        session = self._session(-1 - index, head_path(index))
        kept = {name: array for name, array in self._state.kept().items() if name in session.inputs}
        heads = {name: pack_rows(array > 0) if session.dtype(name) == np.uint32 else array for name, array in kept.items()}
        feeds = {**self._state.forward_tensors(), **heads, **values}
        return self._rows_of_scores(session.call(feeds, list(session.outputs)), count)

    def _rows_of_scores(self, values: Mapping[str, Array], count: int) -> Array:
        manifest = self._artifact.manifest
        if manifest.score not in values or values[manifest.score].size != count * manifest.num_outputs:
            problem = f"is not computed by the forward pass, {manifest.num_outputs} numbers a sample"
            raise InputError(f"value '{manifest.score}'", problem, "build the artifact again")
        return values[manifest.score].reshape(count, -1)

    def advance(self, cache: ActivationCache, index: int) -> ActivationCache:
        """Return the cache of what enters block ``index``, from that of the block before."""
        filled = ActivationCache(cache.num_rows, cache.binary_values, cache.bits, cache.limit_nbytes)
        for part in self.parts(cache.num_rows):
            rows = np.arange(part.start, part.stop)
            values = self.run_stage(index, {name: cache.gather(rows, name) for name in cache.names})
            filled.put(part.start, len(rows), {name: values[name] for name in self.needed(index, values)})
        return filled

    def needed(self, index: int, values: Mapping[str, Array]) -> list[str]:
        """What block ``index`` or a stage behind it reads, and the scores."""
        wanted = {name for block in self._artifact.blocks[index:] for name in block.inputs}
        wanted.add(self._artifact.manifest.score)
        for stage, path in enumerate(self._artifact.manifest.stages):
            if stage > index and path:
                wanted.update(self._session(stage, path).inputs)
        return [name for name in values if name in wanted]

    def _session(self, index: int, path: str) -> Session:
        if index not in self._sessions:
            model = self._artifact.model(path, is_packed=self._state.is_packed)
            self._sessions[index] = self._runtime.open(path, model, {}, has_open_batch=True)
        return self._sessions[index]
