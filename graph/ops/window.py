"""What convolutions and pools share: a window that moves over height and width, or over time, and zeros around the edges."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self, cast

import numpy as np

from ..draws import Draws
from ..events import BoolArray
from ..fixed_point import IntArray
from ..formats import Padding, Pair, TensorType, WindowShape, image_shape

if TYPE_CHECKING:
    from .base import Op, WindowedOp


@dataclass(frozen=True, eq=False)
class DisjointPatches:
    """Where patches lie that share no entry. taps: the kernel's positions that are inside; cells: [patches, taps], pixels of the image."""

    taps: IntArray
    cells: IntArray

    def images(self, draws: Draws, x: TensorType, patches: IntArray) -> IntArray:
        """Images [batch, *shape] that hold `patches` [count, taps, channels], one after the other, and are random elsewhere."""
        batch = -(-len(patches) // len(self.cells))
        _, _, channels = image_shape(x.shape)
        images = draws.integers(x.format.low, x.format.high, (batch, x.size // channels, channels))
        which = np.arange(len(patches))
        images[which[:, None] // len(self.cells), self.cells[which % len(self.cells)]] = patches
        return images.reshape(batch, *x.shape)


def _disjoint(patches: IntArray, pattern: BoolArray) -> DisjointPatches:
    """The first of `patches` [count, taps], and each that shares no entry with those taken before it."""
    taken, chosen = set[int](), []
    for cells in patches:
        if taken.isdisjoint(cells.tolist()):
            taken.update(cells.tolist())
            chosen.append(cells)
    return DisjointPatches(np.flatnonzero(pattern), np.stack(chosen))


@dataclass(frozen=True)
class Window(WindowShape):
    """What lies in each of its places."""

    def patches(self, shape: tuple[int, ...]) -> IntArray:
        """For each output position the flat indices of its patch: int64 [positions, kernel height * kernel width, channels].

        The index one past the input's last stands for the zero padding.
        """
        height, width, channels = image_shape(shape)
        top, bottom, left, right = self.padding
        flat = np.arange(height * width * channels).reshape(height, width, channels)
        padded = np.pad(flat, ((top, bottom), (left, right), (0, 0)), constant_values=flat.size)
        windows: IntArray = np.lib.stride_tricks.sliding_window_view(padded, self.kernel_size, axis=(0, 1))  # type: ignore[call-overload]
        windows = windows[:: self.stride[0], :: self.stride[1]]  # [out_height, out_width, channels, kernel_height, kernel_width]
        return windows.transpose(0, 1, 3, 4, 2).reshape(-1, self.kernel_size[0] * self.kernel_size[1], channels)

    def patterns(self, shape: tuple[int, ...]) -> tuple[IntArray, BoolArray]:
        """Of each output position its pattern's number, and the patterns [count, kernel positions]: what of a patch lies in the input."""
        height, width, _ = image_shape(shape)
        inside = self.patches((height, width, 1))[..., 0] < height * width
        patterns, which = np.unique(inside, axis=0, return_inverse=True)
        return which.reshape(-1), patterns

    def disjoint_patches(self, shape: tuple[int, ...]) -> list[DisjointPatches]:
        """Patches that share no entry and lie wholly in the input; where none does, those of each pattern that reaches it."""
        height, width, _ = image_shape(shape)
        patches = self.patches((height, width, 1))[..., 0]
        which, patterns = self.patterns(shape)
        whole = patterns.all(axis=1)
        chosen = np.flatnonzero(whole if whole.any() else patterns.any(axis=1))
        return [_disjoint(patches[which == number][:, patterns[number]], patterns[number]) for number in chosen]

    def gather(self, x: IntArray) -> IntArray:
        """The patches of x [batch, *shape]: [batch, positions, kernel height * kernel width, channels], in the dtype of x."""
        height, width, channels = image_shape(x.shape[1:])
        top, bottom, left, right = self.padding
        padded = np.pad(x.reshape(-1, height, width, channels), ((0, 0), (top, bottom), (left, right), (0, 0)))
        windows: IntArray = np.lib.stride_tricks.sliding_window_view(padded, self.kernel_size, axis=(1, 2))  # type: ignore[call-overload]
        windows = windows[:, :: self.stride[0], :: self.stride[1]].transpose(0, 1, 2, 4, 5, 3)
        return windows.reshape(len(x), -1, self.kernel_size[0] * self.kernel_size[1], channels)

    def c_shape(self, x: TensorType, y: TensorType) -> str:
        """The argument that tells a C kernel the geometry."""
        sizes = (f"rescomp_size_of({', '.join(map(str, image_shape(type.shape)))})" for type in (x, y))
        pairs = (f"rescomp_pair_of({down}, {across})" for down, across in (self.kernel_size, self.stride, self.padding[::2]))
        return f"rescomp_conv2d_shape_of({', '.join((*sizes, *pairs))})"

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[int, ...]]:
        """A window, and a shape that it fits: an image, or a third of the time [time, channels]."""
        kernel_size, stride, padding = _pair(rng, 1, 4), _pair(rng, 1, 3), (*_pair(rng, 0, 2), *_pair(rng, 0, 2))
        height, width, channels = (int(n) for n in rng.integers(3, 8, 3))
        if rng.random() < 1 / 3:
            return cls((1, kernel_size[1]), (1, stride[1]), (0, 0, *padding[2:])), (width, channels)
        return cls(kernel_size, stride, padding), (height, width, channels)


class Windowed:
    """Shared by ops with a window: dataclasses with its sizes among their fields, so that graph.json holds them beside the others."""

    name: ClassVar[str]
    pools: ClassVar[bool] = False
    kernel_size: Pair
    stride: Pair
    padding: Padding

    @property
    def window(self) -> Window:
        """What moves over the input."""
        return Window(self.kernel_size, self.stride, self.padding)

    @property
    def windowed(self) -> WindowedOp | None:
        """See Op."""
        return cast("WindowedOp", self)

    def unpadded(self) -> Op:
        """The same without zeros around its input."""
        return cast("Op", replace(self, padding=(0, 0, 0, 0)))  # type: ignore[type-var]

    @property
    def area(self) -> int:
        """Positions in a window."""
        return self.kernel_size[0] * self.kernel_size[1]

    def patch_entries(self, *inputs: TensorType) -> int:
        """Of all patches of its input, which are held at once."""
        return self.window.patch_entries(inputs[0].shape)

    def borders(self, x: IntArray) -> BoolArray:
        """Of inputs [batch, *shape], at which positions that reach into the padding every entry inside has been other than zero."""
        shape = image_shape(x.shape[1:])
        inside = self.window.patches((*shape[:2], 1))[..., 0] < shape[0] * shape[1]
        met = (self.window.gather(x) != 0).any(axis=(0, 3)) | ~inside
        reached: BoolArray = met.all(axis=1)[~inside.all(axis=1)]
        return reached

    def results(self, by_position: IntArray, x: IntArray) -> IntArray:
        """Results [batch, positions, channels] for x [batch, *shape] in the shape of the output."""
        return by_position.reshape(len(x), *self.window.output_shape(self.name, x.shape[1:], by_position.shape[-1]))


POINT = Window((1, 1), (1, 1), (0, 0, 0, 0))
"""The window of a product at every position."""


def _pair(rng: np.random.Generator, low: int, high: int) -> Pair:
    first, second = rng.integers(low, high, 2)
    return int(first), int(second)
