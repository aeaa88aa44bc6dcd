"""The commands that make a model: run, train, quantize."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ..model_names import CELL_KINDS
from ..text_files import whole_number
from .options import (
    DEFAULT_DIRECTORY,
    PATH,
    against_option,
    as_whole_number,
    data_option,
    density_option,
    directory_argument,
    json_option,
    weights_option,
)
from .output import print_result, say

AnyCommand = TypeVar("AnyCommand", bound=Callable[..., Any])
_KINDS = (
    f"{', '.join(CELL_KINDS)}; resnet1d, dscnn1d, score1d; resnet2d, dscnn2d, score2d; hourglass; or package.module:function, your own net."
)
_RECIPE_OPTIONS = (
    click.option("--recipe", "recipe_file", type=PATH, help="Recipe (TOML) to start from."),
    data_option(),
    click.option("--model", "kind", metavar="KIND", help=_KINDS),
    click.option("--rank-w", metavar="INTEGER", callback=as_whole_number, help="Rank of the input's matrix (low rank)."),
    click.option("--rank-u", metavar="INTEGER", callback=as_whole_number, help="Rank of the state's matrix (low rank)."),
    weights_option,
    density_option,
    click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Override a key of the recipe."),
)


def recipe_options(output: str, what: str, *more: Callable[[Any], Any]) -> Callable[[AnyCommand], AnyCommand]:
    """The options of the commands that start from a recipe. output, what: the directory by default, and what it is."""
    directory = click.option("-o", "--output", type=PATH, default=output, show_default=True, help=what)

    def with_options(command: AnyCommand) -> AnyCommand:
        for option in reversed((*_RECIPE_OPTIONS, directory, *more)):
            command = option(command)
        return command

    return with_options


_model_options = recipe_options(
    DEFAULT_DIRECTORY, "Model directory.", click.option("--force", is_flag=True, help="Replace an existing model directory.")
)


@click.command(short_help="Train, quantize, export and verify in one go.")
@_model_options
@against_option
@json_option
@click.option("--seeds", metavar="SEED,SEED,...", help="One model each, in OUTPUT/seed-<seed>; finished ones are not made again.")
@click.option("--fit", metavar="const=2KB,state=512B", help="Choose the model's size for a budget: const data, state + scratch.")
@click.option("--resume", is_flag=True, help="Go on with the model in OUTPUT, wherever it stopped, with the recipe kept there.")
def run(
    output: Path, force: bool, against: str | None, as_json: bool, seeds: str | None, fit: str | None, resume: bool, **asked: Any
) -> None:
    """Train, quantize, export and verify in one go."""
    from .. import stages
    from ..printing import TerminalListener, print_seeds, print_summary

    if resume:
        if force or seeds is not None or fit is not None or any(_is_given(value) for value in asked.values()):
            raise click.UsageError(
                "--resume goes on with the recipe in the model directory: give it no option but -o, --against and --json"
            )
        with TerminalListener() as listener:
            resumed = stages.resume_run(output, against=against, listener=listener)
        print_result(resumed, as_json, print_summary)
        resumed.verification.raise_failures()
        return
    recipe = recipe_of(**asked)
    if seeds is not None and fit is not None:
        raise click.UsageError("--fit goes with one seed: fit once, then give its recipe.toml to --recipe with --seeds")
    with TerminalListener() as listener:
        if seeds is not None:
            several = stages.run_seeds(recipe, _seeds(seeds), output, force=force, against=against, listener=listener)
        else:
            summary = stages.run(recipe, output, force=force, against=against, fit=fit, listener=listener)
    if seeds is not None:
        print_result(several, as_json, print_seeds)
        several.raise_failures()
    else:
        print_result(summary, as_json, print_summary)
        summary.verification.raise_failures()


@click.command("train", short_help="Train the float net.")
@_model_options
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in the model directory, with the recipe kept there.")
@click.option("--from", "begun_from", type=PATH, metavar="DIRECTORY", help="Go on with this model's float net and new --data.")
def train_command(output: Path, force: bool, resume: bool, begun_from: Path | None, **asked: Any) -> None:
    """Train the float net (makes a model directory)."""
    from .. import stages
    from ..printing import TerminalListener, in_brackets, show
    from ..stages.class_figures import by_class

    if resume and (force or begun_from is not None or any(_is_given(value) for value in asked.values())):
        raise click.UsageError("--resume goes on with the recipe in the model directory: give it no option but -o")
    if begun_from is not None:
        _train_from(begun_from, output, force=force, **asked)
        return
    with TerminalListener() as listener:
        accuracy = stages.train_model(None if resume else recipe_of(**asked), output, force=force, listener=listener)
    show(f"float accuracy {accuracy:.2%}{in_brackets(by_class(output).float_)}; next: rescomp quantize {output}")


def _train_from(begun_from: Path, output: Path, *, source: str | None, force: bool, **asked: Any) -> None:
    from .. import stages
    from ..printing import TerminalListener, in_brackets, show
    from ..stages.class_figures import by_class

    kept = {name: asked.pop(name) for name in ("recipe_file", "kind", "rank_w", "rank_u")}
    if source is None or any(_is_given(value) for value in kept.values()):
        raise click.UsageError(
            "--from goes on with the net and the recipe in its directory: give it --data, and no --recipe, --model or rank"
        )
    with TerminalListener() as listener:
        listener.stage(f"read {begun_from}")
        accuracy = stages.train_from(begun_from, source, output, force=force, listener=listener, **asked)
    show(f"float accuracy {accuracy:.2%}{in_brackets(by_class(output).float_)}; next: rescomp quantize {output}")


@click.command(short_help="Fine-tune, and lower to the integer graph.")
@directory_argument
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="SECTION.KEY=VALUE",
    help="Override a key of [quantize], [decide], [stream] or compress, or train.device.",
)
@weights_option
@density_option
@click.option("--resume", is_flag=True, help="Go on from the checkpoint of an interrupted fine-tuning, with its recipe.")
@click.option("--force", is_flag=True, help="Give up an interrupted fine-tuning.")
def quantize(directory: Path, resume: bool, force: bool, **changes: Any) -> None:
    """Fine-tune under the constraints and lower to the integer graph."""
    from .. import stages
    from ..printing import TerminalListener, in_brackets, show
    from ..stages.class_figures import by_class

    with TerminalListener() as listener:
        listener.stage(f"read {directory}")
        accuracy = stages.quantize(directory, **changes, resume=resume, force=force, listener=listener)
    show(f"integer accuracy {accuracy:.2%}{in_brackets(by_class(directory).integer)}; next: rescomp export {directory}")


def recipe_of(
    recipe_file: Path | None, overrides: tuple[str, ...], weights: str | None = None, density: float | None = None, **keys: Any
) -> Any:
    """The recipe that the options ask for; `keys` are those that stand for one key of it."""
    from ..recipe import load_recipe

    chosen = {_RECIPE_KEYS[name]: value for name, value in keys.items() if value is not None}
    return load_recipe(recipe_file, overrides, weights=weights, density=density, keys=chosen, note=say)


def _is_given(value: object) -> bool:
    """Whether an option is on the command line: 0 is a value, too."""
    return value is not None and value is not False and value != ()


_RECIPE_KEYS = {"source": "data.source", "kind": "model.kind", "rank_w": "model.rank_w", "rank_u": "model.rank_u"}


def _seeds(text: str) -> list[int]:
    seeds = [whole_number(seed.strip()) for seed in text.split(",")]
    if None in seeds:
        raise click.BadParameter(f"{text!r} is no list of seeds: give numbers separated by commas, 0,1,2 for instance")
    return [seed for seed in seeds if seed is not None]
