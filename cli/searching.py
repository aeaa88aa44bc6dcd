"""The command that looks for recipes: search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .making import recipe_of, recipe_options
from .options import given, json_option
from .output import print_result


@click.command("search", short_help="Look for the best recipes within limits.")
@recipe_options("rescomp-search", "Directory of the search; the same command goes on with it.")
@click.option(
    "--storage", metavar="URL", callback=given, help="A database that workers share: postgresql://USER@HOST/NAME (sqlite in OUTPUT)."
)
@json_option
def search_command(output: Path, storage: str | None, as_json: bool, **asked: Any) -> None:
    """Look for the best recipes within limits ([search] in the recipe, --set search.const=2KB), judged on validation recordings."""
    from .. import stages
    from ..printing import TerminalListener, print_search

    recipe = recipe_of(**asked)
    with TerminalListener() as listener:
        listener.stage(f"read {recipe.data.source}")
        result = stages.search_recipes(recipe, output, storage=storage, listener=listener)
    print_result(result, as_json, print_search)
