"""Options that several commands have, and how the values of options are read."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..text_files import decimal, whole_number
from .completion import complete_boards, complete_cores, complete_sources, complete_witnesses

_EMPTY = "an empty path names nothing: give one, or leave it out"


class NonEmptyPath(click.Path):
    """A path, which an empty text is not: it would be the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path. Raises click's error of usage for an empty text."""
        return super().convert(value, param, ctx) if str(value).strip() else self.fail(_EMPTY, param, ctx)


PATH = NonEmptyPath(path_type=Path)
DEFAULT_DIRECTORY = "rescomp-out"


def names_in(text: str) -> list[str]:
    """The entries of a list with commas; empty ones are none."""
    return [item.strip() for item in text.split(",") if item.strip()]


def as_whole_number(_context: click.Context, _option: click.Parameter, text: str | None) -> int | None:
    """An option's number in the digits 0 to 9; click's own types take what int() and float() do, which is more."""
    number = None if text is None else whole_number(text)
    if number is None and text is not None:
        raise click.BadParameter(f"{text!r} is no whole number")
    return number


def given(_context: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    """A text that names a file or something else, which an empty one does not."""
    if text is not None and not text.strip():
        raise click.BadParameter(_EMPTY)
    return text


def as_decimal(_context: click.Context, _option: click.Parameter, text: str | None) -> float | None:
    """An option's number with a point, in the digits 0 to 9."""
    number = None if text is None else decimal(text)
    if number is None and text is not None:
        raise click.BadParameter(f"{text!r} is no number")
    return number


weights_option = click.option(
    "--weights", type=click.Choice(["ternary", "int8", "int6", "int4"]), help="How weights are stored (the scale form is kept)."
)
density_option = click.option(
    "--density",
    metavar="FLOAT",
    callback=as_decimal,
    help="Fraction of weights kept (sparse): of cells, else of layers.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
directory_argument = click.argument("directory", type=PATH, default=DEFAULT_DIRECTORY)
against_option = click.option(
    "--against",
    shell_complete=complete_witnesses,
    help="Witnesses `name[:argument],...`: onnxruntime, tflite, c, torch, tflite-micro, qemu:CORE, simavr:CORE, serial:PORT.",
)
prefer_option = click.option(
    "--prefer",
    type=click.Choice(["speed", "size"]),
    default="speed",
    show_default=True,
    help="What to win where a core has several kernels for a matrix.",
)
data_option = functools.partial(
    click.option,
    "--data",
    "source",
    callback=given,
    shell_complete=complete_sources,
    help="A bundled set's name, a .csv file or folder, a .npz file, or TRAIN.ts,TEST.ts.",
)
new_data_option = functools.partial(
    click.option,
    "--data",
    "source",
    callback=given,
    shell_complete=complete_sources,
    help="New data, read as the model's own: a .csv file or folder, a .npz or .ts file, images, a bundled set's name.",
)
data_set_option = click.option("--set", "overrides", multiple=True, metavar="data.KEY=VALUE", help="Override how new CSV logs are read.")
board_file_option = click.option("--board-file", type=PATH, help="A board of your own, in TOML: docs/boards.md.")


def board_option(what: str) -> Callable[[Any], Any]:
    """--board, with its help."""
    return click.option("--board", metavar="NAME", callback=given, shell_complete=complete_boards, help=what)


def cores_option(what: str, **more: Any) -> Callable[[Any], Any]:
    """--core, several of which stand with commas, with its help."""
    return click.option("--core", "cores", default="", shell_complete=complete_cores, help=what, **more)
