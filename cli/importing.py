"""The command that begins with a net trained elsewhere: import."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .options import DEFAULT_DIRECTORY, PATH, json_option
from .output import print_result


@click.command("import", short_help="Make a model of a float net in ONNX.")
@click.argument("file", type=PATH)
@click.option("--calibrate", type=PATH, required=True, metavar="DATA.npz", help="x, [samples, time, channels]; no labels are read.")
@click.option("-o", "--output", type=PATH, default=DEFAULT_DIRECTORY, show_default=True, help="Model directory.")
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Override a key of the recipe.")
@click.option("--force", is_flag=True, help="Replace an existing model directory.")
@json_option
def import_command(file: Path, calibrate: Path, output: Path, as_json: bool, **asked: Any) -> None:
    """Read a float net from an ONNX file, compare it with onnxruntime, and quantize it by calibration data without labels."""
    from .. import stages
    from ..printing import TerminalListener, print_imported

    with TerminalListener() as listener:
        result = stages.import_onnx(file, calibrate, output, **asked, listener=listener)
    print_result(result, as_json, print_imported)
