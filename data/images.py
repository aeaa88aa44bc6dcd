"""A data set from folders of images: a sub-folder a class, under train/ and test/ or with a part of each class held out. Needs Pillow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError, counted, missing_package
from ..recipe import DataSection
from ..store import open_file
from .hidden import visible, visible_below
from .raw import RawDataset, RawSplit
from .split import Split
from .splits import validation_split

IMAGE_SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm"))
MOST_PIXELS = 1 << 22
"""Of an image; no value of a model has more entries."""
MODES = {"L": 1, "RGB": 3}
"""What is read as it is; palettes become RGB, and grey with more than 8 bits is refused."""


def holds_images(path: Path) -> bool:
    """Whether a folder has images in a sub-folder of it, or one further down."""
    return any(file.suffix.lower() in IMAGE_SUFFIXES and file.parent != path for file in visible_below(path, 2))


def is_image_folder(path: Path) -> bool:
    """Whether a folder has images in sub-folders, or holds some itself and no CSV log."""
    files = [file for file in visible(path) if not file.is_dir()]
    return holds_images(path) or (any(_is_image(file) for file in files) and not any(file.suffix.lower() == ".csv" for file in files))


def read_images(path: Path, data: DataSection) -> RawDataset:
    """uint8 [samples, height, width, channels] and labels from the sub-folders' names.

    Where `path` has the sub-folders train and test these are the splits; otherwise data.test_fraction of each class, drawn from
    data.split_seed, goes to test. Raises InputError naming the file for an unreadable image and for one of another size or mode than
    the first.
    """
    if (path / "train").is_dir() and (path / "test").is_dir():
        for key in ("test_fraction", "split_seed"):
            if data.has_own(key):
                raise InputError(f"data.{key} splits images, and {path} has a folder train and a folder test: leave it out")
        (x_train, y_train), (x_test, y_test) = _load(path / "train"), _load(path / "test")
        _check_alike(path / "test", x_train, x_test)
        return RawDataset(path.name, RawSplit(str(path), "train", x_train, y_train), RawSplit(str(path), "test", x_test, y_test))
    x, labels = _load(path)
    y = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    if np.bincount(y).max() < 2:
        raise InputError(f"{path} has one image a class, and none can be held out for test: add images, or sort them into train/ and test/")
    whole = Split(np.arange(len(x), dtype=np.int32)[:, None, None], y, np.ones(len(x), np.int64))
    train, test = (side.x[:, 0, 0] for side in validation_split(whole, data.test_fraction, data.split_seed))
    return RawDataset(path.name, RawSplit(str(path), "train", x[train], labels[train]), RawSplit(str(path), "test", x[test], labels[test]))


def read_image_part(path: Path) -> RawSplit:
    """Every image below path/test, or below `path`, its file for its group; those that lie in no sub-folder have the label "".

    Raises InputError as above.
    """
    folder = path / "test" if (path / "test").is_dir() else path
    loose = [file for file in visible(folder) if _is_image(file)]
    x, labels = _load(folder, [("", file) for file in loose] or None)
    files = [file.relative_to(folder).as_posix() for file in loose or [file for _, file in _files(folder)]]
    return RawSplit(str(path), "test", x, labels, groups=np.array(files))


def _load(folder: Path, files: Iterable[tuple[str, Path]] | None = None) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]:
    """(images, labels) of every sub-folder, in the order of the names, or of labelled files."""
    images, labels = [], []
    for label, file in files or _files(folder):
        images.append(_image(file))
        labels.append(label)
        _check_alike(file, images[0], images[-1])
    if not images:
        raise InputError(
            f"{folder} holds no images in sub-folders: put those of each class ({', '.join(sorted(IMAGE_SUFFIXES))}) into one of its own"
        )
    return np.stack(images), np.array(labels)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for group in (entry for entry in visible(folder) if entry.is_dir()):
        yield from ((group.name, file) for file in visible(group) if _is_image(file))


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in IMAGE_SUFFIXES and not file.is_dir()


def _image(file: Path) -> npt.NDArray[np.uint8]:
    """[height, width, channels]."""
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
    try:
        with open_file(file) as stream, Image.open(stream) as image:
            if image.width * image.height > MOST_PIXELS:
                raise InputError(f"{file} has {image.width} x {image.height} pixels, past {MOST_PIXELS:,}: make all of them small")
            read = image if image.mode in MODES else image.convert("RGB") if image.mode in ("P", "1", "RGBA", "CMYK", "YCbCr") else None
            if read is None:
                raise InputError(f"{file} has the mode {image.mode}: store it as 8-bit grey or RGB")
            pixels = np.asarray(read, np.uint8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{file} is no readable image ({error}): replace it, or move it away") from error
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def _check_alike(where: Path, first: npt.NDArray[Any], other: npt.NDArray[Any]) -> None:
    if first.shape[-3:] != other.shape[-3:]:
        raise InputError(
            f"{where} holds {_size(other.shape)} and the first image has {_size(first.shape)}: bring all of them to one size, and to "
            "grey or RGB"
        )


def _size(shape: Sequence[int]) -> str:
    height, width, channels = shape[-3:]
    return f"{width} x {height} pixels of {counted(channels, 'channel')}"
