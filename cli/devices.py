"""The commands on what is plugged in and installed: boards, flash, doctor."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from pathlib import Path
from typing import Any

import click

from .completion import complete_files
from .options import board_file_option, board_option, directory_argument, given, json_option
from .output import print_result


@click.command("boards", short_help="List the boards that flash knows.")
@board_file_option
@json_option
def boards_command(board_file: Path | None, as_json: bool) -> None:
    """List the boards that flash knows, and what is known of their firmware."""
    from ..boards import list_boards
    from ..printing import print_boards

    found = list_boards(board_file)
    if as_json:
        click.echo(json.dumps({"schema": 1, "boards": [board.as_json() for board in found]}, indent=1))
    else:
        print_boards(found)


@click.command(short_help="Build firmware for a board and flash it.")
@directory_argument
@board_option("One that `rescomp boards` lists, or a .toml file of your own.")
@board_file_option
@click.option("--method", help="How, where the board has several ways: avrdude, pyocd, stm32loader, daplink, uf2.")
@click.option(
    "--port",
    callback=given,
    shell_complete=complete_files,
    help="Serial port, or the folder of the board's drive; of an emulated board a TCP port's number, or pty.",
)
@click.option("--dry-run", is_flag=True, help="Print the exact commands, and do nothing.")
@click.option("--erase-chip", is_flag=True, help="Agree that stm32loader erases all of the chip's flash.")
@click.option("--run-verify", is_flag=True, help="Then compare every value over the serial line, as verify does.")
@click.option("--samples", type=int, metavar="N", help="Of --run-verify: so many sequences of each set, always the same ones.")
@json_option
def flash(directory: Path, as_json: bool, dry_run: bool, run_verify: bool, **asked: Any) -> None:
    """Build the parity firmware for a board, check that it fits, and flash it. An emulated board runs until it is interrupted."""
    from .. import stages
    from ..boards import load_board
    from ..printing import TerminalListener, print_flashed

    stays = load_board(asked["board"], asked["board_file"]).is_emulated and not dry_run and not run_verify

    def ready(result: Any) -> None:
        print_result(result, as_json, print_flashed)
        if stays:
            sys.stdout.flush()
            with contextlib.suppress(KeyboardInterrupt):
                threading.Event().wait()

    with TerminalListener() as listener:
        result = stages.flash(directory, dry_run=dry_run, run_verify=run_verify, ready=ready, listener=listener, **asked)
    if dry_run:
        print_result(result, as_json, print_flashed)
    elif result.verification is not None:
        result.verification.raise_failures()


@click.command(short_help="Show what is installed, missing, plugged in.")
@json_option
def doctor(as_json: bool) -> None:
    """Show what is installed here, what is missing and how to get it, and which boards are plugged in. Changes nothing."""
    from .. import stages
    from ..printing import print_diagnosis

    print_result(stages.doctor(), as_json, print_diagnosis)
