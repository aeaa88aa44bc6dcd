"""What the convolutional nets are built of: shapes, stages, convolutions that divide their input evenly, and the classifier."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

from torch import nn

from ...errors import InputError

Norm = Literal["batch", "none"]
_CONV = {1: nn.Conv1d, 2: nn.Conv2d}
_BATCH_NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d}
_PAD = {1: nn.ConstantPad1d, 2: nn.ConstantPad2d}
_AVERAGE_POOL = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d}
_AXES = {1: ("time",), 2: ("height", "width")}
STAGE_STRIDE = 2
"""What the first block of every stage but the first divides each axis by."""


@dataclass(frozen=True)
class NetShape:
    """The sizes of a net without state.

    input_shape: (time, channels) or (height, width, channels). widths: channels of each stage; from the second on, the first block of
    a stage halves every axis. blocks: of each stage. kernel_size: of every convolution but the stem's and 1x1 ones; stem_kernel: of the
    stem, one number an axis (empty: kernel_size); stem_stride: what the stem divides every axis by. norm: batch normalisation, or none.
    causal: over time, outputs see no later readings. dt: of score nets, the share of each step that the block makes.
    fixed_projection: of hourglass nets, whether the projection of the input is random and not trained.
    """

    input_shape: tuple[int, ...]
    classes: int
    widths: tuple[int, ...]
    blocks: int = 1
    kernel_size: int = 3
    stem_kernel: tuple[int, ...] = ()
    stem_stride: int = 1
    norm: Norm = "batch"
    causal: bool = False
    dt: float = 0.5
    fixed_projection: bool = False

    @property
    def dimensions(self) -> int:
        """1 over time, 2 over images."""
        return len(self.input_shape) - 1

    @property
    def channels(self) -> int:
        """Of the input."""
        return self.input_shape[-1]

    @property
    def decimation(self) -> int:
        """How many input positions one position of the last stage stands for, along each axis."""
        return int(self.stem_stride * STAGE_STRIDE ** (len(self.widths) - 1))


def stage_sizes(shape: NetShape, inputs: int) -> Iterator[tuple[str, int, int, int]]:
    """(name, inputs, outputs, stride) of every block. Raises InputError, naming the block, where a stride would not divide evenly."""
    sizes = [-(-size // shape.stem_stride) for size in shape.input_shape[:-1]]
    for stage, width in enumerate(shape.widths, start=1):
        for block in range(1, shape.blocks + 1):
            name, stride = f"stage{stage}_block{block}", STAGE_STRIDE if stage > 1 and block == 1 else 1
            for axis, size in zip(_AXES[shape.dimensions], sizes, strict=True):
                if size % stride:
                    raise InputError(
                        f"layer {name} halves {axis}, and {size} positions of {shape.input_shape} are left there: choose a {axis} that "
                        f"is a multiple of {shape.decimation}, or fewer stages in model.widths"
                    )
            sizes = [size // stride for size in sizes]
            yield name, inputs, width, stride
            inputs = width


def conv_norm(
    shape: NetShape,
    name: str,
    inputs: int,
    outputs: int,
    stride: int = 1,
    kernel_size: int | tuple[int, ...] = (),
    groups: int = 1,
) -> list[tuple[str, nn.Module]]:
    """A convolution that divides its input by its stride, rounding up, and its batch normalisation if the net has any.

    Zeros are added as TensorFlow's SAME does for inputs that divide evenly: the odd one behind. All of them come first where the net is
    causal.
    """
    kernel = _per_axis(kernel_size or shape.kernel_size, shape.dimensions)
    sizes = shape.input_shape[:-1] if name == "stem" else (0,) * shape.dimensions
    pads = [_zeros(size, k, stride, causal=shape.causal) for size, k in zip(sizes, kernel, strict=True)]
    even = all(before == after for before, after in pads)
    layers: list[tuple[str, nn.Module]] = []
    if not even:
        layers.append((f"{name}_pad", _PAD[shape.dimensions](cast(Any, tuple(n for pair in reversed(pads) for n in pair)), 0.0)))
    padding = tuple(before if even else 0 for before, _ in pads)
    layers.append((name, conv(shape, inputs, outputs, kernel, stride, padding, groups=groups, bias=shape.norm == "none")))
    if shape.norm == "batch":
        layers.append((f"{name}_norm", _BATCH_NORM[shape.dimensions](outputs)))
    return layers


def conv(
    shape: NetShape,
    inputs: int,
    outputs: int,
    kernel_size: int | tuple[int, ...],
    stride: int,
    padding: tuple[int, ...] | int = 0,
    *,
    groups: int = 1,
    bias: bool = True,
) -> nn.Module:
    """A convolution, its weights drawn as He et al. (2015) do."""
    layer = _CONV[shape.dimensions](inputs, outputs, cast(int, kernel_size), stride, cast(int, padding), groups=groups, bias=bias)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return layer


def classifier(shape: NetShape) -> list[tuple[str, nn.Module]]:
    """Global average pool, flatten, dense."""
    return [
        ("pool", _AVERAGE_POOL[shape.dimensions](1)),
        ("flatten", nn.Flatten()),
        ("classifier", nn.Linear(shape.widths[-1], shape.classes)),
    ]


def _per_axis(value: int | tuple[int, ...], axes: int) -> tuple[int, ...]:
    """One number an axis."""
    sizes = (value,) * axes if isinstance(value, int) else value
    if len(sizes) not in (1, axes):
        raise InputError(f"a kernel of {sizes} does not fit a net of {axes} axes: give one number, or one an axis")
    return sizes if len(sizes) == axes else sizes * axes


def _zeros(size: int, kernel: int, stride: int, *, causal: bool) -> tuple[int, int]:
    """(before, after). size: of the axis, 0 for any that the stride divides evenly."""
    covered = (math.ceil(size / stride) - 1) * stride + kernel - size if size else kernel - stride
    missing = max(covered, 0)
    before = missing if causal else missing // 2
    return before, missing - before
