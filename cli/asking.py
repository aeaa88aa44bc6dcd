"""The commands that ask what a model answers: verify and check compare bits, evaluate and predict read recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .options import (
    PATH,
    against_option,
    as_decimal,
    cores_option,
    data_set_option,
    directory_argument,
    json_option,
    names_in,
    new_data_option,
    prefer_option,
)
from .output import print_result


@click.command(short_help="Compare every witness with numpy, bit for bit.")
@directory_argument
@against_option
@click.option("--stress", default="quick", help="Inputs made from the graph, beside the test set: quick, full (twelve times as many), off.")
@click.option("--samples", type=int, metavar="N", help="So many sequences of each set, always the same ones: for slow boards.")
@click.option("--stream-steps", type=int, metavar="N", help="One run of N steps without a reset; by default 10,000 of the C here.")
@click.option("--cc", metavar="COMMAND", help="Your product's compiler, for the witnesses c, qemu:CORE and simavr:CORE.")
@click.option("--cflags", metavar="'FLAGS'", help="And its flags, of compiling and linking: '-O3 -flto'.")
@json_option
def verify(directory: Path, against: str | None, cc: str | None, cflags: str | None, as_json: bool, **asked: Any) -> None:
    """Compare every witness with numpy, bit for bit: on the test set, on a stress set, and layer by layer."""
    from .. import stages
    from ..printing import TerminalListener, print_verification
    from ..validate.build import Build

    build = Build.parse(cc, cflags)
    with TerminalListener() as listener:
        result = stages.verify(directory, against, build=build, listener=listener, **asked)
    print_result(result, as_json, print_verification)
    result.raise_failures()


@click.command(short_help="Measure accuracy, alone, in streams, perturbed.")
@directory_argument
@new_data_option()
@data_set_option
@click.option("--stream", is_flag=True, help="In streams too: continuous recordings where there are any, else single ones in a row.")
@click.option(
    "--perturb", is_flag=True, help="On perturbed readings too: rate, gain, offset, noise, lost ones, a dead channel, turned axes."
)
@click.option("--rate", metavar="HZ", callback=as_decimal, help="Readings a second, for changes a minute and alarms an hour.")
@click.option(
    "--background",
    metavar="CLASS",
    multiple=True,
    help="A class that is no wake word: false accepts and rejects, and latency, of the others. Several times for several.",
)
@json_option
def evaluate(directory: Path, as_json: bool, **asked: Any) -> None:
    """Measure the integer model's accuracy on its test recordings or on new data, alone, in streams, and on perturbed readings."""
    from .. import stages
    from ..printing import TerminalListener, print_evaluation

    with TerminalListener() as listener:
        result = stages.evaluate(directory, **asked, listener=listener)
    print_result(result, as_json, print_evaluation)


@click.command(short_help="Write answers to new recordings as a CSV file.")
@directory_argument
@new_data_option(required=True)
@data_set_option
@click.option("-o", "--output", type=PATH, required=True, help="The CSV file to write, outside the model directory.")
@click.option("--stream", is_flag=True, help="A row a step instead of a row a recording.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@json_option
def predict(directory: Path, source: str, output: Path, as_json: bool, **asked: Any) -> None:
    """Write the integer model's answers to new recordings, with labels or without, as a CSV file."""
    from .. import stages
    from ..printing import TerminalListener, print_prediction

    with TerminalListener() as listener:
        result = stages.predict(directory, source, output, **asked, listener=listener)
    print_result(result, as_json, print_prediction)


@click.command(short_help="Fail on a mismatch or past a limit (for CI).")
@directory_argument
@click.option("--limits", type=PATH, help="TOML file: [limits], [limits.CORE], [growth], [parity], [evaluation], [wake_words].")
@click.option("--baseline", type=PATH, help="What an earlier version's `check --json` printed.")
@click.option("--profile", "profile_document", type=PATH, help="What `profile --json` printed, instead of measuring cores anew.")
@cores_option("Measure these cores too, beside those that have limits.")
@click.option("--markdown", type=PATH, help="Write a summary for people to this file: a new one, or an earlier summary.")
@prefer_option
@json_option
def check(directory: Path, markdown: Path | None, cores: str, as_json: bool, **asked: Any) -> None:
    """For continuous integration: fail on a mismatch that verify found (exit 3), or a size or an accuracy past a limit (exit 4)."""
    from .. import stages
    from ..printing import TerminalListener, print_check
    from ..stages.summary_file import refuse_summary_target
    from ..store import write_atomically

    if markdown is not None:
        refuse_summary_target(markdown)
    with TerminalListener() as listener:
        result = stages.check(directory, cores=names_in(cores), listener=listener, **asked)
    if markdown is not None:
        write_atomically(markdown, result.as_markdown().encode())
    print_result(result, as_json, print_check)
    result.raise_failures()
