"""One CSV file as columns of text: its delimiter, its header, and cells as numbers or times. Every error names file and line."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import InputError, nearest

FloatColumn = npt.NDArray[np.float64]

DELIMITERS = (",", ";", "\t")
_NAMES = {",": "','", ";": "';'", "\t": "a tab"}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_NOT_FINITE = ("nan", "na", "n/a", "null", "none", "inf", "+inf", "-inf", "infinity", "-infinity", "?")
_NUMBER_CHARACTERS, _INTEGER_CHARACTERS = frozenset("0123456789+-.eE"), frozenset("0123456789+-")
_LARGEST, _LARGEST_INTEGER = float(np.finfo(np.float32).max), (1 << 31) - 1
_SAMPLE = 1000
"""Rows that decide whether a column holds numbers."""


@dataclass(frozen=True, eq=False)
class Table:
    """A CSV file with a header line. columns: cells by column name, stripped; lines: each row's line number, from 1."""

    path: Path
    columns: dict[str, tuple[str, ...]]
    lines: tuple[int, ...]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.lines)

    def column(self, name: str, key: str) -> tuple[str, ...]:
        """The cells of the column that the recipe's `key` names. Raises InputError with the nearest name when there is none."""
        if name not in self.columns:
            near, known = nearest(name, self.columns), ", ".join(self.columns)
            raise InputError(f"{self.path}, line 1: there is no column {name!r} ({key}); the nearest one is {near!r} (of {known})")
        return self.columns[name]

    def texts(self, name: str, key: str) -> tuple[str, ...]:
        """The same, refused when a cell is empty."""
        cells = self.column(name, key)
        if "" in cells:
            raise InputError(f"{self._place(cells.index(''), name)} is empty: fill it in or delete the line")
        return cells

    def numbers(self, name: str) -> FloatColumn:
        """The channel `name`, float64 [rows]. Raises InputError at the first cell that is no number of 32 bits."""
        cells = self.column(name, "data.channels")
        if _NUMBER_CHARACTERS.issuperset("".join(cells)):
            try:
                values = np.array([float(cell) for cell in cells])
            except ValueError:
                raise self._bad_number(name) from None
            if np.abs(values).max(initial=0) <= (_LARGEST_INTEGER if self.is_integer(name) else _LARGEST):
                return values
        raise self._bad_number(name)

    def is_integer(self, name: str) -> bool:
        """Whether every cell of a column of numbers is written as an integer."""
        return _INTEGER_CHARACTERS.issuperset("".join(self.columns[name]))

    def looks_numeric(self, name: str) -> bool:
        """Whether most of the first cells are numbers, missing or misspelt ones included, so that errors in them are told."""
        cells = [cell for cell in self.columns[name][:_SAMPLE] if cell]
        return 2 * sum(_is_number_like(cell) for cell in cells) > len(cells)

    def times(self, name: str) -> FloatColumn:
        """The time column, float64 [rows]: numbers in any unit, or ISO 8601 times in seconds. Raises InputError."""
        return np.array([self._time(row, name, cell) for row, cell in enumerate(self.texts(name, "data.time"))])

    def _time(self, row: int, name: str, cell: str) -> float:
        if _NUMBER.fullmatch(cell):
            return float(cell)
        try:
            instant = datetime.fromisoformat(cell)
        except ValueError:
            what = "is neither a number nor an ISO 8601 time: correct it or delete the line"
            raise InputError(f"{self._place(row, name)} is {cell!r}, which {what}") from None
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()

    def _bad_number(self, name: str) -> InputError:
        integer = self.is_integer(name)
        for row, cell in enumerate(self.columns[name]):
            problem = _problem(cell, integer)
            if problem:
                return InputError(f"{self._place(row, name)} {problem}")
        raise AssertionError("every cell is a number")

    def _place(self, row: int, name: str) -> str:
        return f"{self.path}, line {self.lines[row]}: column {name!r}"


def read_table(path: Path) -> Table:
    """The table in `path`: UTF-8, a header line, columns separated by ',', ';' or tabs. Raises InputError for anything else."""
    text = _text(path)
    delimiter = _delimiter(path, text)
    rows = _rows(path, text, delimiter)
    line, header = next(rows)
    _check_header(f"{path}, line {line}", header)
    lines, cells = [], []
    for line, row in rows:
        if len(row) != len(header):
            raise InputError(f"{path}, line {line}: {len(row)} cells instead of {len(header)}: {_hint(row, header, delimiter)}")
        lines.append(line)
        cells.append(row)
    if not lines:
        raise InputError(f"{path}, line {line}: there is no reading below the header line: the log may be cut off")
    return Table(path, dict(zip(header, zip(*cells, strict=True), strict=True)), tuple(lines))


def _text(path: Path) -> str:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror or error}): check the path") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(f"{path}, line {line}: byte {error.start} is not UTF-8 text: save the log as CSV in UTF-8") from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InputError(f"{path}, line {line}: a NUL character, so it is binary or UTF-16: save the log as CSV in UTF-8")
    if not text.strip():
        raise InputError(f"{path}, line 1: the file is empty: give a log with a header line and readings, or remove it")
    return text


def _delimiter(path: Path, text: str) -> str:
    header = re.sub(r'"[^"]*"', "", text.lstrip("\r\n ").splitlines()[0])
    found = [delimiter for delimiter in DELIMITERS if delimiter in header]
    if len(found) > 1:
        used = " and ".join(_NAMES[delimiter] for delimiter in found)
        raise InputError(f"{path}, line 1: the header mixes {used} as delimiters: separate the columns by one of them")
    return found[0] if found else ","


def _rows(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(line number, stripped cells) of every line that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=delimiter != "\t")
    try:
        for row in reader:
            if len(row) > 1 or (row and row[0].strip()):
                yield reader.line_num, tuple(cell.strip() for cell in row)
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}: correct the quotes, or write the cell without them") from error


def _check_header(place: str, header: tuple[str, ...]) -> None:
    if all(_NUMBER.fullmatch(name) for name in header):
        raise InputError(f"{place}: the header line holds numbers only: name the columns in the first line")
    for position, name in enumerate(header):
        if not name:
            raise InputError(f"{place}: column {position + 1} has no name: name it, or write the file without it")
        if name in header[:position]:
            raise InputError(f"{place}: two columns are called {name!r}: give each its own name")


def _hint(row: tuple[str, ...], header: tuple[str, ...], delimiter: str) -> str:
    others = [other for other in DELIMITERS if other != delimiter and other in delimiter.join(row)]
    if len(row) < len(header) and others:
        return f"it is separated by {_NAMES[others[0]]} and the header by {_NAMES[delimiter]}: use one delimiter in the whole file"
    if len(row) > len(header) and delimiter == ",":
        return "write numbers with a decimal point instead of a decimal comma, and quote texts that hold a comma"
    return "the line may be cut off: repair or delete it"


def _is_number_like(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell) or _DECIMAL_COMMA.fullmatch(cell)) or cell.lower() in _NOT_FINITE


def _problem(cell: str, integer: bool) -> str | None:
    """What is wrong with a channel's cell, if anything."""
    if not cell:
        return "is empty: fill it in or delete the line"
    if _DECIMAL_COMMA.fullmatch(cell):
        return f"is {cell!r}, with a decimal comma: write {cell.replace(',', '.')} with a decimal point"
    if cell.lower() in _NOT_FINITE:
        return f"is {cell!r}, not a finite number: fill it in or delete the line"
    if not _NUMBER.fullmatch(cell):
        return f"is {cell!r}, not a number: correct it, or name the columns to use in data.channels"
    if integer and abs(int(cell)) > _LARGEST_INTEGER:
        return f"is {cell}, beyond 32 bits: if it is a time, name it in data.time, else leave it out of data.channels"
    return None if math.fabs(float(cell)) <= _LARGEST else f"is {cell}, beyond single precision: correct it or delete the line"
