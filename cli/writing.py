"""The commands on a finished model's files: export, migrate, inspect, profile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .completion import complete_formats
from .options import (
    PATH,
    as_decimal,
    board_file_option,
    board_option,
    cores_option,
    directory_argument,
    json_option,
    names_in,
    prefer_option,
)
from .output import print_result

_CORES = "cortex-m0, cortex-m3, cortex-m4, cortex-m7, cortex-m33, cortex-m55, riscv32imc, atmega328p, atmega2560."
_FORMATS = (
    "Comma-separated: onnx, tflite, c (all three where neither this nor --core is given); arduino, platformio, zephyr, esp-idf: "
    "the C as a library, in package-<format>/."
)


@click.command("export", short_help="Write ONNX, TFLite, C, or C as a library.")
@directory_argument
@click.option("--format", "formats", shell_complete=complete_formats, help=_FORMATS)
@cores_option("C with these cores' own kernels, in c-<core>/: cortex-m4, atmega328p, ...")
@prefer_option
@click.option("--package-version", "version", default="0.1.0", show_default=True, help="Of a package: a semantic version.")
@click.option("--package-author", "author", default="Anonymous", show_default=True, metavar="'NAME <ADDRESS>'", help="Of a package.")
@click.option("--package-url", "url", default="", help="Of a package: its page.")
def export_command(directory: Path, formats: str | None, cores: str, prefer: str, **package: str) -> None:
    """Write the integer model as ONNX, TFLite and C, or the C as a library for other build systems."""
    from .. import stages
    from ..export.packages import About
    from ..printing import TerminalListener, show

    with TerminalListener() as listener:
        chosen = None if formats is None else names_in(formats)
        written = stages.export_model(directory, chosen, cores=names_in(cores), prefer=prefer, about=About(**package), listener=listener)
    for name in written:
        show(directory / name)


@click.command(short_help="Show layers, shapes, bits and bytes.")
@directory_argument
@click.option("--plot", type=PATH, metavar="FILE.png", help="Draw what a front-end makes of the first test recording of every class.")
@json_option
def inspect(directory: Path, plot: Path | None, as_json: bool) -> None:
    """Show layers, shapes, bits, bytes and multiply-accumulates a step."""
    from .. import stages
    from ..printing import print_inspection, print_picture

    picture = None if plot is None else stages.plot(directory, plot)
    print_result(stages.inspect(directory), as_json, print_inspection)
    if picture is not None and not as_json:
        print_picture(picture)


@click.command(short_help="Bring a model directory to this version's form.")
@directory_argument
@json_option
def migrate(directory: Path, as_json: bool) -> None:
    """Write an earlier version's files in a model directory as this version does. The model and its evidence stay what they are."""
    from .. import stages
    from ..printing import TerminalListener, print_migration

    with TerminalListener() as listener:
        listener.stage(f"read {directory}")
        result = stages.migrate(directory, listener=listener)
    print_result(result, as_json, print_migration)


@click.command(short_help="Count what a step costs on emulated cores.")
@directory_argument
@cores_option(_CORES, metavar="CORE,CORE,...")
@prefer_option
@click.option("--clock", metavar="MHZ", callback=as_decimal, help="Of the cores: what share of them a front-end and its net take.")
@board_option("In place of --core and --clock: one that `rescomp boards` lists.")
@board_file_option
@json_option
def profile(directory: Path, cores: str, prefer: str, as_json: bool, **asked: Any) -> None:
    """Count what a step costs on emulated cores, layer by layer, and what it takes of flash, RAM and stack."""
    from .. import stages
    from ..printing import TerminalListener, print_profile

    with TerminalListener() as listener:
        result = stages.profile(directory, names_in(cores), prefer=prefer, **asked, listener=listener)
    print_result(result, as_json, print_profile)
