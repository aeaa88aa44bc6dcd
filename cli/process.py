"""The process around a command: exit codes, signals, standard streams."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading

import click

from .. import __version__
from .asking import check, evaluate, predict, verify
from .beginning import init_command
from .completion import VARIABLE, answer_shell, completion
from .devices import boards_command, doctor, flash
from .failure import describe, tell
from .importing import import_command
from .making import quantize, run, train_command
from .output import RESULT
from .reporting import report_command
from .searching import search_command
from .writing import export_command, inspect, migrate, profile

_EXIT_CODES = """
Exit codes: 0 ok, 1 unexpected, 2 bad usage, recipe, data or artefact, 3 parity mismatch, 4 does not fit a budget,
5 unsupported, 6 device or port, 7 missing tool, 130 interrupted.
"""
_COMMANDS = (
    init_command,
    *(run, train_command, quantize, search_command, import_command),
    *(verify, check, evaluate, predict, report_command),
    *(export_command, inspect, migrate, profile),
    *(boards_command, flash, doctor, completion),
)


@click.group(commands=_COMMANDS, epilog=_EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__)
def command_line() -> None:
    """From labelled sensor data to a kilobyte-sized integer model on a microcontroller, every bit predicted on the desk."""


def main(arguments: list[str] | None = None) -> int:
    """Entry point: the exit code, with every foreseen failure told in one sentence on stderr, and with --json in a document on stdout."""
    if asked := os.environ.get(VARIABLE):
        return answer_shell(command_line, asked)
    _restore_signals()
    _print_any_name()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    told = {}
    try:
        with command_line.make_context("rescomp", list(arguments)) as context:
            told = context.meta
            command_line.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as end:
        return end.exit_code
    except BrokenPipeError:
        return _hush_stdout(0)
    except (Exception, KeyboardInterrupt) as error:
        failure = describe(error)
        if failure.code == 1 and os.environ.get("RESCOMP_DEBUG"):
            raise
        tell(error, failure, as_json="--json" in arguments and RESULT not in told)
        return _hush_stdout(failure.code) if isinstance(error, OSError) else failure.code
    return 0


def _restore_signals() -> None:
    """Undo what `nohup`, `&` in a script and some runners leave to the commands that they start.

    An ignored or blocked SIGINT would make an interruption impossible; with SIGCHLD ignored the system forgets how a child ended, and
    Python takes every end for a success.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGCHLD"):  # not on Windows, which has no masks either
        if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGCHLD})


def _print_any_name() -> None:
    """Names of files and classes may hold what a terminal's encoding has not, or bytes that are no text: print an escape then."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _hush_stdout(code: int) -> int:
    """Let nothing more be written to a standard output that is closed or full."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code
