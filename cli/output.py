"""What a command tells: its result on stdout, a sentence on stderr."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from ..text_files import escaped

RESULT = "rescomp.result"
"""In a context's meta: whether the command has printed its result."""


def print_result(result: Any, as_json: bool, show: Callable[[Any], None]) -> None:
    """On stdout: one JSON document, or what `show` prints for a person."""
    context = click.get_current_context(silent=True)
    if context is not None:
        context.meta[RESULT] = True
    if as_json:
        click.echo(json.dumps(result.as_json(), indent=1))
    else:
        show(result)


def say(text: str) -> None:
    """One line on stderr."""
    click.echo(f"rescomp: {escaped(text)}", err=True)
