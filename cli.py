"""The command line: parse, call one stage, print. Logs and progress go to stderr, results to stdout."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from . import __version__
from .errors import RescompError
from .model_names import CELL_KINDS
from .text_files import escaped

AnyCommand = TypeVar("AnyCommand", bound=Callable[..., Any])
_EMPTY = "an empty path names nothing: give one, or leave it out"


class _GivenPath(click.Path):
    """A path, which an empty text is not: it would be the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(value, param, ctx) if str(value).strip() else self.fail(_EMPTY, param, ctx)


_PATH = _GivenPath(path_type=Path)
DEFAULT_DIRECTORY = "rescomp-out"

_EXIT_CODES = """
Exit codes: 0 ok, 1 unexpected, 2 bad usage, recipe, data or artefact, 3 parity mismatch, 4 does not fit a budget,
5 unsupported, 6 device or port, 7 missing tool, 130 interrupted.
"""


@click.group(epilog=_EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__)
def cli() -> None:
    """From labelled sensor data to a kilobyte-sized integer model on a microcontroller, every bit predicted on the desk."""


def _whole_number(_context: click.Context, _option: click.Parameter, text: str | None) -> int | None:
    """An option's number in the digits 0 to 9; click's own types take what int() and float() do, which is more."""
    from .text_files import whole_number

    number = None if text is None else whole_number(text)
    if number is None and text is not None:
        raise click.BadParameter(f"{text!r} is no whole number")
    return number


def _given(_context: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    """A text that names a file or something else, which an empty one does not."""
    if text is not None and not text.strip():
        raise click.BadParameter(_EMPTY)
    return text


def _decimal(_context: click.Context, _option: click.Parameter, text: str | None) -> float | None:
    from .text_files import decimal

    number = None if text is None else decimal(text)
    if number is None and text is not None:
        raise click.BadParameter(f"{text!r} is no number")
    return number


_weights_option = click.option(
    "--weights", type=click.Choice(["ternary", "int8", "int6", "int4"]), help="How weights are stored (the scale form is kept)."
)
_density_option = click.option(
    "--density", metavar="FLOAT", callback=_decimal, help="Fraction of weights kept in the cell's matrices (sparse)."
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
_directory_argument = click.argument("directory", type=_PATH, default=DEFAULT_DIRECTORY)
_against_option = click.option(
    "--against", help="Witnesses `name[:argument],...`: onnxruntime, tflite, c, torch, tflite-micro, qemu:CORE, simavr:CORE, serial:PORT."
)
_prefer_option = click.option(
    "--prefer",
    type=click.Choice(["speed", "size"]),
    default="speed",
    show_default=True,
    help="What to win where a core has several kernels for a matrix.",
)
_new_data_option = functools.partial(
    click.option,
    "--data",
    "source",
    callback=_given,
    help="New data, read as the model's own: a .csv file or folder, a .npz or .ts file, images, a bundled set's name.",
)
_data_set_option = click.option("--set", "overrides", multiple=True, metavar="data.KEY=VALUE", help="Override how new CSV logs are read.")
_board_file_option = click.option("--board-file", type=_PATH, help="A board of your own, in TOML: docs/boards.md.")
_CORES = "cortex-m0, cortex-m3, cortex-m4, cortex-m7, cortex-m33, cortex-m55, riscv32imc, atmega328p, atmega2560."
_FORMATS = (
    "Comma-separated: onnx, tflite, c (all three where neither this nor --core is given); arduino, platformio, zephyr, esp-idf: "
    "the C as a library, in package-<format>/."
)
_KINDS = (
    f"{', '.join(CELL_KINDS)}; resnet1d, dscnn1d, score1d; resnet2d, dscnn2d, score2d; hourglass; or package.module:function, your own net."
)
_RECIPE_OPTIONS = (
    click.option("--recipe", "recipe_file", type=_PATH, help="Recipe (TOML) to start from."),
    click.option(
        "--data", "source", callback=_given, help="A bundled set's name, a .csv file or folder, a .npz file, or TRAIN.ts,TEST.ts."
    ),
    click.option("--model", "kind", metavar="KIND", help=_KINDS),
    click.option("--rank-w", metavar="INTEGER", callback=_whole_number, help="Rank of the input's matrix (low rank)."),
    click.option("--rank-u", metavar="INTEGER", callback=_whole_number, help="Rank of the state's matrix (low rank)."),
    _weights_option,
    _density_option,
    click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Override a key of the recipe."),
    click.option("-o", "--output", type=_PATH, default=DEFAULT_DIRECTORY, show_default=True, help="Model directory."),
    click.option("--force", is_flag=True, help="Replace an existing model directory."),
)


def _recipe_options(command: AnyCommand) -> AnyCommand:
    """The options of the commands that make a model directory."""
    for option in reversed(_RECIPE_OPTIONS):
        command = option(command)
    return command


@cli.command()
@_recipe_options
@_against_option
@_json_option
@click.option("--seeds", metavar="SEED,SEED,...", help="One model each, in OUTPUT/seed-<seed>; finished ones are not made again.")
@click.option("--fit", metavar="const=2KB,state=512B", help="Choose the model's size for a budget: const data, state + scratch.")
@click.option("--resume", is_flag=True, help="Go on with the model in OUTPUT, wherever it stopped, with the recipe kept there.")
def run(
    output: Path, force: bool, against: str | None, as_json: bool, seeds: str | None, fit: str | None, resume: bool, **asked: Any
) -> None:
    """Train, quantize, export and verify in one go."""
    from . import stages
    from .printing import TerminalListener, print_seeds, print_summary

    if resume:
        if force or seeds is not None or fit is not None or any(_is_given(value) for value in asked.values()):
            raise click.UsageError(
                "--resume goes on with the recipe in the model directory: give it no option but -o, --against and --json"
            )
        with TerminalListener() as listener:
            resumed = stages.resume_run(output, against=against, listener=listener)
        _print(resumed, as_json, print_summary)
        resumed.verification.raise_failures()
        return
    recipe = _recipe(**asked)
    if seeds is not None and fit is not None:
        raise click.UsageError("--fit goes with one seed: fit once, then give its recipe.toml to --recipe with --seeds")
    with TerminalListener() as listener:
        if seeds is not None:
            several = stages.run_seeds(recipe, _seeds(seeds), output, force=force, against=against, listener=listener)
        else:
            summary = stages.run(recipe, output, force=force, against=against, fit=fit, listener=listener)
    if seeds is not None:
        _print(several, as_json, print_seeds)
        several.raise_failures()
    else:
        _print(summary, as_json, print_summary)
        summary.verification.raise_failures()


@cli.command("train")
@_recipe_options
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in the model directory, with the recipe kept there.")
@click.option("--from", "begun_from", type=_PATH, metavar="DIRECTORY", help="Go on with this model's float net and new --data.")
def train_command(output: Path, force: bool, resume: bool, begun_from: Path | None, **asked: Any) -> None:
    """Train the float net (makes a model directory)."""
    from . import stages
    from .printing import TerminalListener

    if resume and (force or begun_from is not None or any(_is_given(value) for value in asked.values())):
        raise click.UsageError("--resume goes on with the recipe in the model directory: give it no option but -o")
    if begun_from is not None:
        _train_from(begun_from, output, force=force, **asked)
        return
    with TerminalListener() as listener:
        accuracy = stages.train_model(None if resume else _recipe(**asked), output, force=force, listener=listener)
    click.echo(f"float accuracy {accuracy:.2%}; next: rescomp quantize {output}")


def _train_from(begun_from: Path, output: Path, *, source: str | None, force: bool, **asked: Any) -> None:
    from . import stages
    from .printing import TerminalListener

    kept = {name: asked.pop(name) for name in ("recipe_file", "kind", "rank_w", "rank_u")}
    if source is None or any(_is_given(value) for value in kept.values()):
        raise click.UsageError(
            "--from goes on with the net and the recipe in its directory: give it --data, and no --recipe, --model or rank"
        )
    with TerminalListener() as listener:
        accuracy = stages.train_from(begun_from, source, output, force=force, listener=listener, **asked)
    click.echo(f"float accuracy {accuracy:.2%}; next: rescomp quantize {output}")


@cli.command()
@_directory_argument
@click.option(
    "--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Override a key of [quantize], [decide], [stream] or compress."
)
@_weights_option
@_density_option
@click.option("--resume", is_flag=True, help="Go on from the checkpoint of an interrupted fine-tuning, with its recipe.")
@click.option("--force", is_flag=True, help="Give up an interrupted fine-tuning.")
def quantize(directory: Path, resume: bool, force: bool, **changes: Any) -> None:
    """Fine-tune under the constraints and lower to the integer graph."""
    from . import stages
    from .printing import TerminalListener

    with TerminalListener() as listener:
        accuracy = stages.quantize(directory, **changes, resume=resume, force=force, listener=listener)
    click.echo(f"integer accuracy {accuracy:.2%}; next: rescomp export {directory}")


@cli.command("export")
@_directory_argument
@click.option("--format", "formats", help=_FORMATS)
@click.option("--core", "cores", default="", help="C with these cores' own kernels, in c-<core>/: cortex-m4, atmega328p, ...")
@_prefer_option
@click.option("--package-version", "version", default="0.1.0", show_default=True, help="Of a package: a semantic version.")
@click.option("--package-author", "author", default="Anonymous", show_default=True, metavar="'NAME <ADDRESS>'", help="Of a package.")
@click.option("--package-url", "url", default="", help="Of a package: its page.")
def export_command(directory: Path, formats: str | None, cores: str, prefer: str, **package: str) -> None:
    """Write the integer model as ONNX, TFLite and C, or the C as a library for other build systems."""
    from . import stages
    from .export.packages import About
    from .printing import TerminalListener

    with TerminalListener() as listener:
        chosen = None if formats is None else _names(formats)
        written = stages.export_model(directory, chosen, cores=_names(cores), prefer=prefer, about=About(**package), listener=listener)
    for name in written:
        click.echo(directory / name)


@cli.command()
@_directory_argument
@_against_option
@click.option("--stress", default="quick", help="Inputs made from the graph, beside the test set: quick, full (twelve times as many), off.")
@click.option("--samples", type=int, metavar="N", help="So many sequences of each set, always the same ones: for slow boards.")
@click.option("--stream-steps", type=int, metavar="N", help="One run of N steps without a reset; by default 10,000 of the C here.")
@click.option("--cc", metavar="COMMAND", help="Your product's compiler, for the witnesses c, qemu:CORE and simavr:CORE.")
@click.option("--cflags", metavar="'FLAGS'", help="And its flags, of compiling and linking: '-O3 -flto'.")
@_json_option
def verify(directory: Path, against: str | None, cc: str | None, cflags: str | None, as_json: bool, **asked: Any) -> None:
    """Compare every witness with numpy, bit for bit: on the test set, on a stress set, and layer by layer."""
    from . import stages
    from .printing import TerminalListener, print_verification
    from .validate.build import Build

    build = Build.parse(cc, cflags)
    with TerminalListener() as listener:
        result = stages.verify(directory, against, build=build, listener=listener, **asked)
    _print(result, as_json, print_verification)
    result.raise_failures()


@cli.command()
@_directory_argument
@_new_data_option()
@_data_set_option
@click.option("--stream", is_flag=True, help="In streams too: continuous recordings where there are any, else single ones in a row.")
@click.option(
    "--perturb", is_flag=True, help="On perturbed readings too: rate, gain, offset, noise, lost ones, a dead channel, turned axes."
)
@click.option("--rate", metavar="HZ", callback=_decimal, help="Readings a second, for changes a minute and alarms an hour.")
@click.option(
    "--background", metavar="CLASS", help="The class that is no wake word: false accepts and rejects, and latency, of the others."
)
@_json_option
def evaluate(directory: Path, as_json: bool, **asked: Any) -> None:
    """Measure the integer model's accuracy on its test recordings or on new data, alone, in streams, and on perturbed readings."""
    from . import stages
    from .printing import TerminalListener, print_evaluation

    with TerminalListener() as listener:
        result = stages.evaluate(directory, **asked, listener=listener)
    _print(result, as_json, print_evaluation)


@cli.command()
@_directory_argument
@_new_data_option(required=True)
@_data_set_option
@click.option("-o", "--output", type=_PATH, required=True, help="The CSV file to write, outside the model directory.")
@click.option("--stream", is_flag=True, help="A row a step instead of a row a recording.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@_json_option
def predict(directory: Path, source: str, output: Path, as_json: bool, **asked: Any) -> None:
    """Write the integer model's answers to new recordings, with labels or without, as a CSV file."""
    from . import stages
    from .printing import TerminalListener, print_prediction

    with TerminalListener() as listener:
        result = stages.predict(directory, source, output, **asked, listener=listener)
    _print(result, as_json, print_prediction)


@cli.command()
@_directory_argument
@_json_option
def inspect(directory: Path, as_json: bool) -> None:
    """Show layers, shapes, bits, bytes and multiply-accumulates a step."""
    from . import stages
    from .printing import print_inspection

    _print(stages.inspect(directory), as_json, print_inspection)


@cli.command()
@_directory_argument
@_json_option
def migrate(directory: Path, as_json: bool) -> None:
    """Write an earlier version's files in a model directory as this version does. The model and its evidence stay what they are."""
    from . import stages
    from .printing import TerminalListener, print_migration

    with TerminalListener() as listener:
        result = stages.migrate(directory, listener=listener)
    _print(result, as_json, print_migration)


@cli.command()
@_directory_argument
@click.option("--core", "cores", required=True, metavar="CORE,CORE,...", help=_CORES)
@_prefer_option
@_json_option
def profile(directory: Path, cores: str, prefer: str, as_json: bool) -> None:
    """Count what a step costs on emulated cores, layer by layer, and what it takes of flash, RAM and stack."""
    from . import stages
    from .printing import TerminalListener, print_profile

    with TerminalListener() as listener:
        result = stages.profile(directory, _names(cores), prefer=prefer, listener=listener)
    _print(result, as_json, print_profile)


@cli.command()
@_directory_argument
@click.option("--limits", type=_PATH, help="TOML file: [limits], [limits.CORE], [growth], [parity], [evaluation].")
@click.option("--baseline", type=_PATH, help="What an earlier version's `check --json` printed.")
@click.option("--profile", "profile_document", type=_PATH, help="What `profile --json` printed, instead of measuring cores anew.")
@click.option("--core", "cores", default="", help="Measure these cores too, beside those that have limits.")
@click.option("--markdown", type=_PATH, help="Write a summary for people to this file: a new one, or an earlier summary.")
@_prefer_option
@_json_option
def check(directory: Path, markdown: Path | None, cores: str, as_json: bool, **asked: Any) -> None:
    """For continuous integration: fail on a mismatch that verify found (exit 3), or a size or an accuracy past a limit (exit 4)."""
    from . import stages
    from .printing import TerminalListener, print_check
    from .stages.summary_file import refuse_summary_target
    from .store import write_atomically

    if markdown is not None:
        refuse_summary_target(markdown)
    with TerminalListener() as listener:
        result = stages.check(directory, cores=_names(cores), listener=listener, **asked)
    if markdown is not None:
        write_atomically(markdown, result.as_markdown().encode())
    _print(result, as_json, print_check)
    result.raise_failures()


@cli.command("boards")
@_board_file_option
@_json_option
def boards_command(board_file: Path | None, as_json: bool) -> None:
    """List the boards that flash knows, and what is known of their firmware."""
    from .boards import list_boards
    from .printing import print_boards

    found = list_boards(board_file)
    if as_json:
        click.echo(json.dumps({"schema": 1, "boards": [board.as_json() for board in found]}, indent=1))
    else:
        print_boards(found)


@cli.command()
@_directory_argument
@click.option("--board", metavar="NAME", callback=_given, help="One that `rescomp boards` lists, or a .toml file of your own.")
@_board_file_option
@click.option("--method", help="How, where the board has several ways: avrdude, pyocd, stm32loader, daplink, uf2.")
@click.option(
    "--port", callback=_given, help="Serial port, or the folder of the board's drive; of an emulated board a TCP port's number, or pty."
)
@click.option("--dry-run", is_flag=True, help="Print the exact commands, and do nothing.")
@click.option("--erase-chip", is_flag=True, help="Agree that stm32loader erases all of the chip's flash.")
@click.option("--run-verify", is_flag=True, help="Then compare every value over the serial line, as verify does.")
@click.option("--samples", type=int, metavar="N", help="Of --run-verify: so many sequences of each set, always the same ones.")
@_json_option
def flash(directory: Path, as_json: bool, dry_run: bool, run_verify: bool, **asked: Any) -> None:
    """Build the parity firmware for a board, check that it fits, and flash it. An emulated board runs until it is interrupted."""
    from . import stages
    from .boards import load_board
    from .printing import TerminalListener, print_flashed

    stays = load_board(asked["board"], asked["board_file"]).is_emulated and not dry_run and not run_verify

    def ready(result: Any) -> None:
        _print(result, as_json, print_flashed)
        if stays:
            sys.stdout.flush()
            with contextlib.suppress(KeyboardInterrupt):
                threading.Event().wait()

    with TerminalListener() as listener:
        result = stages.flash(directory, dry_run=dry_run, run_verify=run_verify, ready=ready, listener=listener, **asked)
    if dry_run:
        _print(result, as_json, print_flashed)
    elif result.verification is not None:
        result.verification.raise_failures()


@cli.command()
@_json_option
def doctor(as_json: bool) -> None:
    """Show what is installed here, what is missing and how to get it, and which boards are plugged in. Changes nothing."""
    from . import stages
    from .printing import print_diagnosis

    _print(stages.doctor(), as_json, print_diagnosis)


def _recipe(
    recipe_file: Path | None, overrides: tuple[str, ...], weights: str | None = None, density: float | None = None, **keys: Any
) -> Any:
    """The recipe that the options ask for; `keys` are those that stand for one key of it."""
    from .recipe import load_recipe

    chosen = {_RECIPE_KEYS[name]: value for name, value in keys.items() if value is not None}
    return load_recipe(recipe_file, overrides, weights=weights, density=density, keys=chosen, note=_say)


def _is_given(value: object) -> bool:
    """Whether an option is on the command line: 0 is a value, too."""
    return value is not None and value is not False and value != ()


def _names(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


_RECIPE_KEYS = {"source": "data.source", "kind": "model.kind", "rank_w": "model.rank_w", "rank_u": "model.rank_u"}


def _seeds(text: str) -> list[int]:
    from .text_files import whole_number

    seeds = [whole_number(seed.strip()) for seed in text.split(",")]
    if None in seeds:
        raise click.BadParameter(f"{text!r} is no list of seeds: give numbers separated by commas, 0,1,2 for instance")
    return [seed for seed in seeds if seed is not None]


def _print(result: Any, as_json: bool, show: Callable[[Any], None]) -> None:
    if as_json:
        click.echo(json.dumps(result.as_json(), indent=1))
    else:
        show(result)


def main(arguments: list[str] | None = None) -> int:
    """Entry point: the exit code, with every foreseen failure told in one sentence on stderr."""
    _restore_signals()
    _print_any_name()
    try:
        with cli.make_context("rescomp", sys.argv[1:] if arguments is None else arguments) as context:
            cli.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort) as interrupt:
        _say("; ".join(["interrupted", *getattr(interrupt, "__notes__", [])]))
        return 130
    except RescompError as error:
        _say(str(error))
        return error.exit_code
    except BrokenPipeError:
        return _hush_stdout(0)
    except MemoryError:
        _say("there is not enough memory for what the files ask for: give smaller ones")
        return 2
    except OSError as error:
        _say(f"{error.filename or 'standard output'}: {error.strerror}")
        return _hush_stdout(2)
    except Exception as error:
        if os.environ.get("RESCOMP_DEBUG"):
            raise
        _say(f"unexpected {type(error).__name__}: {error}; set RESCOMP_DEBUG=1 to see where")
        return 1
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


def _say(text: str) -> None:
    click.echo(f"rescomp: {escaped(text)}", err=True)


def _hush_stdout(code: int) -> int:
    """Let nothing more be written to a standard output that is closed or full."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code
