"""Boards as data: a TOML file each in this folder, or the user's own. description.py says what they hold, docs/boards.md more."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..documents import MOST_DOCUMENT_BYTES, parse_toml
from ..errors import InputError, nearest
from ..store import read_file
from ..text_files import decode_text
from .description import Avrdude, Board, Console, Daplink, Emulated, Emulator, Memory, Method, Pyocd, Stm32loader, Uf2, is_inside

__all__ = ["Board", "Method", "board_names", "list_boards", "load_board", "read_board"]

_SECTIONS: dict[str, type] = {"memory": Memory, "console": Console, "emulator": Emulator}
_METHODS: dict[str, type] = {
    "avrdude": Avrdude,
    "pyocd": Pyocd,
    "stm32loader": Stm32loader,
    "daplink": Daplink,
    "uf2": Uf2,
    "qemu": Emulated,
    "simavr": Emulated,
}
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def board_names() -> tuple[str, ...]:
    """The boards that come with rescomp."""
    return tuple(sorted(file.name.removesuffix(".toml") for file in files(__package__).iterdir() if file.name.endswith(".toml")))


def list_boards(own: Path | None = None) -> list[Board]:
    """All boards that come with rescomp, the emulated ones last, and the user's own one behind them."""
    known = sorted((_bundled(name) for name in board_names()), key=lambda board: (board.is_emulated, board.name))
    return [*known, *([read_board(own)] if own else [])]


def load_board(name: str | None, own: Path | None = None) -> Board:
    """The board of a name, or of a file of the user's: `own`, or a name that is a path ending in .toml.

    Raises InputError: an unknown name with the nearest, a file that cannot be read or is wrong with the key that is.
    """
    if name is not None and name.lower().endswith(".toml"):
        own, name = Path(name), None
    if own is not None:
        board = read_board(own)
        if name not in (None, board.name):
            raise InputError(f"{own} describes the board {board.name!r}, not {name!r}: leave out --board, or rename the file")
        return board
    if name is None:
        raise InputError("no board is named: give --board with a name that `rescomp boards` lists, or --board-file with a file of your own")
    if name not in board_names():
        known = nearest(name, board_names())
        raise InputError(
            f"there is no board {name!r}; the nearest one is {known!r} (`rescomp boards` lists them; --board-file takes your own)"
        )
    return _bundled(name)


def read_board(path: Path) -> Board:
    """A board of the user's own, called as its file. Raises InputError."""
    try:
        data = read_file(path, MOST_DOCUMENT_BYTES)
    except OSError as error:
        raise InputError(f"cannot read the board {path}: {error.strerror}") from error
    if not _NAME.fullmatch(path.stem):
        raise InputError(f"{path}: a board is called as its file, in lower-case letters, digits and hyphens: rename {path.name}")
    board = _parse(data, str(path))
    return board.describe(path.stem, own=True, texts={source: _read_source(path, source) for source in board.local_sources()})


@cache
def _bundled(name: str) -> Board:
    file = files(__package__) / f"{name}.toml"
    return _parse(file.read_bytes(), file.name).describe(name, own=False, texts={})


def _parse(data: bytes, origin: str) -> Board:
    try:
        document = parse_toml(data)
    except ValueError as error:
        raise InputError(f"{origin} is not valid TOML: {error}") from error
    try:
        board = Board.model_validate(document)
    except ValidationError as error:
        raise InputError(f"{origin}: {_explain(error)}") from error
    for source in board.template_sources():
        if not is_inside(source) or not _template(source).is_file():
            raise InputError(f"{origin}: console.sources: rescomp has no {source} in firmware_templates/platforms; begin your own with ./")
    return board


def _template(path: str) -> Traversable:
    return files("rescomp") / "firmware_templates" / "platforms" / path


def _read_source(board: Path, source: str) -> str:
    path = board.parent / source
    if "/" in source or path.resolve().parent != board.resolve().parent:
        raise InputError(f"{board}: console.sources: {source} must lie beside the board's file")
    try:
        return decode_text(read_file(path, MOST_DOCUMENT_BYTES)).replace("\r\n", "\n")
    except (OSError, ValueError) as error:
        raise InputError(f"{board}: console.sources: cannot read {path} ({error})") from error


def _explain(error: ValidationError) -> str:
    """The first problem in one sentence."""
    problem = error.errors(include_url=False)[0]
    where = [str(part) for part in problem["loc"] if part not in _METHODS]
    key = ".".join(where) or "the board"
    if problem["type"] == "extra_forbidden":
        known = _keys(problem)
        return f"unknown key {key!r}; the nearest one is {nearest(where[-1], known)!r} (of {', '.join(known)})"
    if problem["type"] == "missing":
        return f"{key} is missing"
    if problem["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return f"{key}.method: a way to flash is one of {', '.join(_METHODS)}"
    if problem["type"] == "string_pattern_mismatch":
        return f'{key} = {problem["input"]!r}: vendor and product in lower-case hexadecimal are wanted, as in "2341:0043"'
    message = re.sub(r"^Value error, ", "", problem["msg"])
    return message if not where else f"{key} = {problem['input']!r}: {message[0].lower()}{message[1:]}"


def _keys(problem: Any) -> list[str]:
    """What may stand where an unknown key does."""
    where = problem["loc"][:-1]
    if not where:
        return list(Board.model_fields)
    section = next((_METHODS[part] for part in reversed(where) if part in _METHODS), None) or _SECTIONS[where[0]]
    return list(section.model_fields)  # type: ignore[attr-defined]
