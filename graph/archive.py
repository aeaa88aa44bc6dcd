"""Arrays out of .npz archives that somebody else may have written: nothing is allocated that the file does not hold."""

from __future__ import annotations

import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]

ALWAYS_BYTES = 64 << 20
"""What an archive may unpack to, whatever its size."""
MOST_TIMES = 128
"""What a larger archive may unpack to, in times its own size: padded recordings shrink by less, zip bombs by a thousand."""
OWN_BYTES = 256 << 20
"""What an archive of a model directory may unpack to: the weights of the largest model take half of it."""
ARRAY_KINDS = "biufcmMSU"
"""Of dtypes: all but structures."""
_SUFFIX = ".npy"
_ENCRYPTED = 1
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError, OverflowError, struct.error)
_DAMAGED_HEADER = (SyntaxError, MemoryError, RecursionError, tokenize.TokenError, TypeError, IndexError)


class ArchiveError(ValueError):
    """Why an archive is not read."""


class ObjectArrayError(ArchiveError):
    """A member holds Python objects, which only a pickle could bring."""


def read_archive(
    file: Path | IO[bytes],
    size: int,
    ignored: Callable[[str], bool] = lambda name: False,  # noqa: ARG005
    most: int | None = None,
) -> Arrays:
    """Every array of an archive of `size` bytes. Raises ArchiveError; OSError when the file cannot be read.

    ignored: whether a member of that name is no part of it, whatever it holds. most: bytes that it may unpack to in any case.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = [member for member in archive.infolist() if not ignored(member.filename)]
            _check_members(members, size, most)
            return {member.filename.removesuffix(_SUFFIX): _read_member(archive, member) for member in members}
    except ArchiveError:
        raise
    except (*_DAMAGED, ValueError) as error:
        raise ArchiveError(str(error).partition("\n")[0] or type(error).__name__) from error


def _check_members(members: list[zipfile.ZipInfo], size: int, bound: int | None) -> None:
    name, times = next(iter(Counter(member.filename for member in members).most_common(1)), ("", 0))
    if times > 1:
        raise ArchiveError(f"it holds {name!r} twice")
    for member in members:
        if not member.filename.endswith(_SUFFIX):
            raise ArchiveError(f"{member.filename!r} is not an array: save only arrays in it")
        if member.flag_bits & _ENCRYPTED:
            raise ArchiveError(f"{member.filename!r} is encrypted")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ArchiveError(f"{member.filename!r} is compressed in a way that numpy does not write")
    total, most = sum(member.file_size for member in members), max(ALWAYS_BYTES, MOST_TIMES * size)
    most = most if bound is None else min(most, bound)
    if total > most:
        raise ArchiveError(f"its {size:,} bytes would unpack to {total:,}, and at most {most:,} are taken from such a file")


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> npt.NDArray[Any]:
    with archive.open(member) as stream:
        try:
            shape, fortran_order, dtype = _read_header(stream)
        except (*_DAMAGED_HEADER, ValueError) as error:
            if isinstance(error, ArchiveError):
                raise
            raise ArchiveError(f"the header of {member.filename!r} is damaged") from error
        if dtype.hasobject:
            raise ObjectArrayError(member.filename.removesuffix(_SUFFIX))
        if dtype.kind not in ARRAY_KINDS:
            raise ArchiveError(f"{member.filename!r} is of type {dtype}: numbers or strings are wanted")
        nbytes = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or nbytes != member.file_size - stream.tell():
            raise ArchiveError(f"{member.filename!r} announces {list(shape)} of {dtype}, which its {member.file_size:,} bytes do not hold")
        return _read_entries(stream, shape, fortran_order, dtype)


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy says so when it had to repair a header of Python 2
        version = np.lib.format.read_magic(stream)  # type: ignore[no-untyped-call]
        if version not in ((1, 0), (2, 0)):
            raise ValueError(version)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran_order, dtype = read(stream)  # type: ignore[no-untyped-call]
    return tuple(map(int, shape)), fortran_order, dtype


def _read_entries(stream: IO[bytes], shape: tuple[int, ...], fortran_order: bool, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    try:
        array = np.empty(shape[::-1] if fortran_order else shape, dtype)
    except ValueError as error:
        raise ArchiveError(f"no array can have the shape {list(shape)}") from error
    flat = array.reshape(-1).view(np.uint8) if array.size and dtype.itemsize else np.zeros(0, np.uint8)
    done = 0
    while done < flat.size:
        part = stream.readinto(flat[done:].data)  # type: ignore[attr-defined]
        if not part:
            raise EOFError("it ends within an array")
        done += part
    stream.read(1)  # lets zipfile compare the checksum
    return array.T if fortran_order else array
