"""The command that begins with data at hand: init."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .options import PATH, data_option, json_option
from .output import print_result


@click.command("init", short_help="Write a commented recipe for your data.")
@data_option(required=True)
@click.option("-o", "--output", type=PATH, default="recipe.toml", show_default=True, help="The recipe to write.")
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="A key of the recipe that is to be set.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@json_option
def init_command(source: str, output: Path, as_json: bool, **asked: Any) -> None:
    """Read your data, say what they hold, and write a recipe for them in which all that could be set stands as a comment."""
    from .. import stages
    from ..printing import TerminalListener, print_initial

    with TerminalListener() as listener:
        result = stages.init(source, output, **asked, listener=listener)
    print_result(result, as_json, print_initial)
