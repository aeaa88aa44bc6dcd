"""One CSV file as columns of text: its delimiter, its header, and cells as numbers or times. Every error names file and line."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import InputError, counted, nearest
from ..store import read_file
from ..text_files import TextError, decimal, decode_text

FloatColumn = npt.NDArray[np.float64]
Row = tuple[int, tuple[str, ...]]
"""Line number and stripped cells."""

DELIMITERS = (",", ";", "\t")
_NAMES = {",": "','", ";": "';'", "\t": "a tab"}
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+([eE][+-]?[0-9]+)?")
_HEX = re.compile(r"[+-]?0[xX][0-9a-fA-F]+")
_SEPARATOR = re.compile(r'"?sep=(.)"?[,;\t ]*', re.IGNORECASE)
"""The first line by which spreadsheets tell each other how columns are separated."""
_NOT_FINITE = ("nan", "na", "n/a", "null", "none", "inf", "+inf", "-inf", "infinity", "-infinity", "?")
_NUMBER_CHARACTERS, _INTEGER_CHARACTERS = frozenset("0123456789+-.eE"), frozenset("0123456789+-")
_LARGEST, _LARGEST_INTEGER = float(np.finfo(np.float32).max), (1 << 31) - 1
_SAMPLE = 1000
"""Rows that decide whether a column holds numbers."""


@dataclass(frozen=True, eq=False)
class Table:
    """A CSV file with a header line. columns: cells by column name, stripped; lines, header: each row's and the header's line, from 1."""

    path: Path
    columns: dict[str, tuple[str, ...]]
    lines: tuple[int, ...]
    header: int = 1

    @property
    def top(self) -> str:
        """Where its header stands, for messages."""
        return f"{self.path}, line {self.header}"

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.lines)

    def column(self, name: str, key: str) -> tuple[str, ...]:
        """The cells of the column that the recipe's `key` names. Raises InputError with the nearest name when there is none."""
        if name not in self.columns:
            near, known = nearest(name, self.columns), ", ".join(self.columns)
            raise InputError(f"{self.top}: there is no column {name!r} ({key}); the nearest one is {near!r} (of {known})")
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
        number = decimal(cell)
        if number is not None and abs(number) < 1 << 64:  # nanoseconds since 1970, too; neither NaN nor infinity
            return number
        try:
            instant = datetime.fromisoformat(cell if cell.isascii() else "")
        except ValueError:
            what = "is neither a number of at most 64 bits nor an ISO 8601 time: correct it or delete the line"
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


MOST_LINE_CHARACTERS = 1 << 20
"""Of a line: a cell of it takes fifty times its own size."""


@dataclass(frozen=True)
class _Sheet:
    """The text of a file below what stands above its header. lines: how many those are; comment: the last one with a `#`, less that."""

    path: Path
    text: str
    delimiter: str
    lines: int
    comment: str
    comment_line: int


def read_table(path: Path, *, may_be_empty: bool = False) -> Table:
    """The table in `path`: UTF-8, a header line, columns separated by ',', ';' or tabs. Raises InputError for anything else.

    may_be_empty: whether there may be no row below the header.

    Above the header may stand `sep=;` and comments that begin with `#`; of these the last is the header where a reading follows it.
    Delimiters at the ends of lines, behind the last column, mean nothing.
    """
    sheet = _sheet(path, _text(path, "a header line" if may_be_empty else "a log with a header line and readings"))
    header_line, header, rows = _header(sheet, _rows(sheet))
    width = max(position + 1 for position, name in enumerate(header) if name)
    _check_header(f"{path}, line {header_line}", header[:width])
    lines, cells = [], []
    line = header_line
    for line, row in rows:
        if len(row) < width or any(row[width:]):
            hint = _hint(row, header[:width], header_line, sheet.delimiter)
            raise InputError(f"{path}, line {line}: {counted(len(row), 'cell')} instead of {width}: {hint}")
        lines.append(line)
        cells.append(row[:width])
    if not lines and not may_be_empty:
        raise InputError(f"{path}, line {line}: there is no reading below the header line: the log may be cut off")
    columns = zip(*cells, strict=True) if lines else [()] * width
    return Table(path, dict(zip(header[:width], columns, strict=True)), tuple(lines), header_line)


def _text(path: Path, wanted: str) -> str:
    try:
        text = decode_text(read_file(path))
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror or error}): check the path") from error
    except TextError as error:
        raise InputError(f"{path}, line {error.line}: {error}") from error
    if not text.strip():
        raise InputError(f"{path}, line 1: the file is empty: give {wanted}, or remove it")
    return text


def _sheet(path: Path, text: str) -> _Sheet:
    declared, comment, comment_line = "", "", 0
    lines = io.StringIO(text, newline="").readlines()
    longest = max(range(len(lines)), key=lambda number: len(lines[number]))
    if len(lines[longest]) > MOST_LINE_CHARACTERS:
        more = f"more than {MOST_LINE_CHARACTERS:,} characters, which no reading has: its line ends may be lost, write or copy it again"
        raise InputError(f"{path}, line {longest + 1}: it has {more}")
    for number, line in enumerate(lines):
        separator, stripped = _SEPARATOR.fullmatch(line.strip("\r\n")), line.strip()
        if separator:
            declared = _declared(path, number + 1, separator[1])
        elif stripped.startswith("#"):
            comment, comment_line = stripped.lstrip("# \t"), number + 1
        elif stripped:
            return _Sheet(
                path, "".join(lines[number:]), declared or _delimiter(path, number + 1, lines[number:]), number, comment, comment_line
            )
    raise InputError(f"{path}, line {len(lines)}: there is neither a header line nor a reading: the log may be cut off")


def _declared(path: Path, number: int, delimiter: str) -> str:
    if delimiter not in DELIMITERS:
        raise InputError(f"{path}, line {number}: sep={delimiter} is no delimiter that rescomp reads: separate columns by ',', ';' or tabs")
    return delimiter


def _delimiter(path: Path, number: int, lines: Sequence[str]) -> str:
    """That of the header line, which comes first in `lines`; where it has none, that of the line below."""
    for line in lines[:2]:
        plain = re.sub(r'"[^"]*"', "", line)
        found = [delimiter for delimiter in DELIMITERS if delimiter in plain]
        if len(found) > 1 and line is lines[0]:
            used = " and ".join(_NAMES[delimiter] for delimiter in found)
            raise InputError(f"{path}, line {number}: the header mixes {used} as delimiters: separate the columns by one of them")
        if len(found) == 1:
            return found[0]
    return ","


def _rows(sheet: _Sheet) -> Iterator[Row]:
    """(line number, stripped cells) of every line that is not blank."""
    tabs = sheet.delimiter == "\t"
    reader = csv.reader(io.StringIO(sheet.text, newline=""), delimiter=sheet.delimiter, strict=True, skipinitialspace=not tabs)
    try:
        for row in reader:
            cells = tuple(cell.strip() for cell in row)
            if any(cells):
                yield sheet.lines + reader.line_num, cells
    except csv.Error as error:
        line = sheet.lines + reader.line_num
        raise InputError(f"{sheet.path}, line {line}: {error}: correct the quotes, or write the cell without them") from error


def _header(sheet: _Sheet, rows: Iterator[Row]) -> tuple[int, tuple[str, ...], Iterator[Row]]:
    """(line number, names, rows below): the first row, or the comment above it where that has as many names and the row has numbers."""
    line, first = next(rows)
    if sheet.comment and any(decimal(cell) is not None for cell in first):
        names = tuple(name.strip().strip('"') for name in sheet.comment.split(sheet.delimiter))
        if len(names) == len(first):
            return sheet.comment_line, names, itertools.chain([(line, first)], rows)
    return line, first, rows


def _check_header(place: str, header: tuple[str, ...]) -> None:
    if all(decimal(name) is not None for name in header):
        raise InputError(f"{place}: the header line holds numbers only: name the columns in the first line")
    for position, name in enumerate(header):
        if not name:
            raise InputError(f"{place}: column {position + 1} has no name: name it, or write the file without it")
        if name in header[:position]:
            raise InputError(f"{place}: two columns are called {name!r}: give each its own name")


def _hint(row: tuple[str, ...], header: tuple[str, ...], header_line: int, delimiter: str) -> str:
    others = [other for other in DELIMITERS if other != delimiter and other in delimiter.join(row)]
    if row[0].startswith("#"):
        return "it is a comment: leave comments above the header line, or delete it"
    if len(row) < len(header) and others:
        return f"it is separated by {_NAMES[others[0]]} and the header by {_NAMES[delimiter]}: use one delimiter in the whole file"
    if len(row) > len(header) and not any(decimal(cell) is not None for cell in row):
        return f"the header line comes first: delete line {header_line} if it is none, or begin it with #"
    if len(row) > len(header) and delimiter == ",":
        return "write numbers with a decimal point instead of a decimal comma, and quote texts that hold a comma"
    if len(row) > len(header):
        return f"name column {len(header) + 1} in line {header_line}, or delete the cells behind the last column"
    return "the line may be cut off: repair or delete it"


def _is_number_like(cell: str) -> bool:
    if decimal(cell) is not None or _DECIMAL_COMMA.fullmatch(cell) or _HEX.fullmatch(cell) or cell.lower() in _NOT_FINITE:
        return True
    try:
        float(cell)  # other scripts' digits, underscores
    except ValueError:
        return False
    return True


def _problem(cell: str, integer: bool) -> str | None:
    """What is wrong with a channel's cell, if anything."""
    if not cell:
        return "is empty: fill it in or delete the line"
    if _DECIMAL_COMMA.fullmatch(cell):
        return f"is {cell!r}, with a decimal comma: write {cell.replace(',', '.')} with a decimal point"
    if cell.lower() in _NOT_FINITE:
        return f"is {cell!r}, not a finite number: fill it in or delete the line"
    number = decimal(cell)
    if number is None:
        return f"is {cell!r}, not a number in the digits 0 to 9: correct it, or name the columns to use in data.channels"
    if integer and abs(number) > _LARGEST_INTEGER:
        return f"is {cell}, beyond 32 bits: if it is a time, name it in data.time, else leave it out of data.channels"
    return None if abs(number) <= _LARGEST else f"is {cell}, beyond single precision: correct it or delete the line"
