"""How a text gets onto stdout."""

from __future__ import annotations

import click

from ..text_files import escaped


def show(text: object = "") -> None:
    """Lines on stdout; what a name of whatever origin holds that would steer a terminal is written as escapes."""
    click.echo(escaped(str(text)))
