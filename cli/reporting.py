"""The command that makes a page of finished models: report."""

from __future__ import annotations

from pathlib import Path

import click

from .options import PATH, cores_option, json_option, names_in
from .output import print_result


@click.command("report", short_help="Write a page on one model or several.")
@click.argument("directories", type=PATH, nargs=-1, required=True, metavar="DIRECTORY...")
@click.option("-o", "--output", type=PATH, default="report.html", show_default=True, help="The file: .html, or .md for Markdown.")
@cores_option("Count what a step costs on these cores, too: cortex-m4, atmega328p, ...")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@json_option
def report_command(directories: tuple[Path, ...], output: Path, cores: str, force: bool, as_json: bool) -> None:
    """Write what is known of a model to one file that needs nothing else: classes, confusion, margins, recordings, training, layers, proof.

    Several directories are compared first.
    """
    from ..pages import write_report
    from ..printing import TerminalListener, print_written

    with TerminalListener() as listener:
        result = write_report(directories, output, cores=names_in(cores), force=force, listener=listener)
    print_result(result, as_json, print_written)
