"""What the bodies of locally connected operators hold on onnxruntime, beside inputs and outputs, in bytes: patches above all.

With N samples, L positions, K = taps x inputs and z outputs: patches are N L K elements, of one byte where the input is binary or
split into two bytes; the numbers of the rows that they are gathered from are int32, N L taps. Padding is not seen here: an
image counts as it is without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tinyfoa_rt.ir.step import TensorType
from tinyfoa_rt.ops.row import Types

__all__ = ["LOCAL_RULES"]

_REAL = 4  # bytes of float32 and int32


class _Product:
    """Sizes of one product, in elements. Packed weights never come here: who packs bits runs no bodies."""

    def __init__(self, inputs: Types, outputs: Sequence[TensorType]) -> None:
        x, w = inputs[0], inputs[1]
        assert x is not None and w is not None and len(w.shape) == 3
        batch, channels = x.shape[:2]
        positions, row_size, _ = w.shape
        part = inputs[3] if len(inputs) > 3 else None
        self.is_sliced = part is not None
        self.image = x.size
        self.patches = batch * positions * row_size
        self.rows = batch * positions * (row_size // channels)
        self.z = outputs[0].size
        self.part_patches = batch * positions * part.shape[1] if part is not None else 0
        self.part_image = self.image * self.part_patches // self.patches
        self.part_z = batch * positions * part.shape[2] if part is not None else 0

    def peak(self, element: int, kept: int) -> int:
        """The busiest of the steps up to the sums, less the output: ``kept`` bytes are held all the time."""
        gathered = kept + element * (self.image + self.patches) + _REAL * self.rows - _REAL * self.z
        if not self.is_sliced:
            return max(gathered, kept + element * self.patches)
        # The numbers of the rows and the image are used again for the slice.
        multiplied = kept + element * (self.image + self.patches) + _REAL * self.rows
        part = kept + element * self.part_patches + _REAL * self.part_z
        part_gathered = kept + element * (self.part_image + self.part_patches) + _REAL * self.rows
        return max(multiplied, part, part_gathered)


def _binary_product(inputs: Types, outputs: Sequence[TensorType]) -> int:
    """Patches of bytes and 32-bit sums; with a slice apart, its padded sums beside the others."""
    sizes = _Product(inputs, outputs)
    return max(sizes.peak(1, 0), (2 if sizes.is_sliced else 1) * _REAL * sizes.z)


def _sign_product(inputs: Types, outputs: Sequence[TensorType]) -> int:
    """The 16-bit split of the image, then patches and sums of its halves, one after the other."""
    sizes = _Product(inputs, outputs)
    split = 9 * sizes.image - _REAL * sizes.z
    low = sizes.peak(1, _REAL * sizes.z)
    return max(split, low, 3 * _REAL * sizes.z)


def _real_product(inputs: Types, outputs: Sequence[TensorType]) -> int:
    """Patches in float32; with a slice apart, its padded products beside the others."""
    sizes = _Product(inputs, outputs)
    return max(sizes.peak(_REAL, 0), (2 if sizes.is_sliced else 1) * _REAL * sizes.z)


def _slice_grad(inputs: Types, outputs: Sequence[TensorType]) -> int:
    """Columns of the slice's patches in float32; its errors by location take the place of those that come in."""
    x = inputs[1]
    assert x is not None
    return _REAL * x.shape[0] * outputs[0].shape[0] * outputs[0].shape[1]


LOCAL_RULES: Mapping[str, Callable[[Types, Sequence[TensorType]], int]] = {
    "RealLocallyConnected": _real_product,
    "SignLocallyConnected": _sign_product,
    "BinaryLocallyConnected": _binary_product,
    "LocallyConnectedSliceGrad": _slice_grad,
}
