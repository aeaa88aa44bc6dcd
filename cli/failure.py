"""What a command that fails tells: a sentence on stderr, and with --json a document on stdout."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass

import click

from ..errors import BudgetError, DeviceError, MissingToolError, ParityError, RescompError, UnsupportedError
from ..text_files import escaped
from .output import say

_HINTS: dict[type[RescompError], str] = {
    ParityError: "`rescomp verify DIRECTORY` says which layer is the first to differ; docs/proof.md says how to read it",
    BudgetError: "`rescomp inspect DIRECTORY` lists what each layer takes",
    UnsupportedError: "docs/contract.md and docs/nets.md list what there is",
    DeviceError: "`rescomp doctor` lists the boards and ports that are seen here",
    MissingToolError: "`rescomp doctor` lists what is missing and how to get it",
}
"""Where to look, by what failed; what is wrong with an input is said with its cure in the message."""


@dataclass(frozen=True)
class Failure:
    """code: the exit code. message: one sentence with the cause and the next step. hint: where to look, None where that is all."""

    code: int
    message: str
    hint: str | None = None

    def as_json(self) -> str:
        """The document that --json prints instead of a result."""
        return json.dumps({"schema": 1, "error": {"code": self.code, "message": self.message, "hint": self.hint}}, indent=1)


def describe(error: BaseException) -> Failure:
    """Of whatever ended a command but for a closed pipe."""
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        hint = None if context is None else f"`{context.command_path} --help` lists what it takes"
        return Failure(error.exit_code, error.format_message(), hint)
    if isinstance(error, KeyboardInterrupt | click.Abort):
        notes = getattr(error, "__notes__", [])
        return Failure(130, "; ".join(["interrupted", *notes]))
    if isinstance(error, RescompError):
        return Failure(error.exit_code, str(error), next((hint for kind, hint in _HINTS.items() if isinstance(error, kind)), None))
    if isinstance(error, MemoryError):
        return Failure(2, "there is not enough memory for what the files ask for: give smaller ones")
    if isinstance(error, OSError):
        return Failure(2, f"{error.filename or 'standard output'}: {error.strerror}")
    return Failure(1, f"unexpected {type(error).__name__}: {error}; set RESCOMP_DEBUG=1 to see where")


def tell(error: BaseException, failure: Failure, *, as_json: bool) -> None:
    """Say it on stderr; as_json: print the document on stdout too, if that takes it."""
    if isinstance(error, click.ClickException):
        _show_usage(error, failure)
    else:
        say(failure.message)
    if as_json:
        with contextlib.suppress(OSError):
            click.echo(failure.as_json())


def _show_usage(error: click.ClickException, failure: Failure) -> None:
    """As click shows an error of usage, but that nothing of the command line steers the terminal."""
    context = getattr(error, "ctx", None)
    if context is not None:
        click.echo(context.get_usage(), err=True)
        click.echo(f"Try '{context.command_path} {context.help_option_names[0]}' for help.\n", err=True)
    click.echo(f"Error: {escaped(failure.message)}", err=True)
