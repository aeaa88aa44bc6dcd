"""What a shell completes: commands, options and paths by click, and the names of cores, boards, witnesses, formats and bundled data."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_RESCOMP_COMPLETE"
"""In the environment: what the script that a shell has read asks of this command."""
_NOT_IN_WORDS = "=:"
"""Characters at which bash begins a word anew, so that what stands before them is on its line already."""


class Bash(BashComplete):
    """Reads the line as the other shells give it: bash's own words end at every colon, `qemu:cortex-m4` would be three."""

    source_template = BashComplete.source_template.replace(
        'COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD', 'COMP_WORDS="${COMP_LINE:0:$COMP_POINT}"'
    )

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one that is completed, and that one."""
        line = os.environ["COMP_WORDS"]
        words = split_arg_string(line)
        incomplete = words.pop() if words and not line.endswith((" ", "\t")) else ""
        self._on_the_line = max(incomplete.rfind(each) for each in _NOT_IN_WORDS) + 1
        return words[1:], incomplete

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Less what bash holds for words before this one."""
        return f"{item.type},{item.value[self._on_the_line :] if item.type == 'plain' else item.value}"


class Fish(FishComplete):
    """Takes values that hold commas."""

    source_template = FishComplete.source_template.replace('string split ","', 'string split --max 1 ","')


add_completion_class(Bash)
add_completion_class(Fish)


def answer_shell(command: click.Command, instruction: str) -> int:
    """Print what the script of a shell asked for by VARIABLE; returns the exit code."""
    return click.shell_completion.shell_complete(command, {}, "rescomp", VARIABLE, instruction)


@click.command(short_help="Print what makes a shell complete this command.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script by which a shell completes rescomp's commands, options and names.

    bash: eval "$(rescomp completion bash)" in ~/.bashrc. zsh: the same with zsh in ~/.zshrc, behind compinit. fish: rescomp completion
    fish > ~/.config/fish/completions/rescomp.fish.
    """
    kind = get_completion_class(shell)
    assert kind is not None
    script: ShellComplete = kind(context.find_root().command, {}, "rescomp", VARIABLE)
    click.echo(script.source(), nl=False)


def complete_cores(_context: click.Context, _option: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Names of cores, separated by commas."""
    from ..targets.cores import CORES

    return _listed(incomplete, CORES)


def complete_formats(_context: click.Context, _option: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Export formats, separated by commas."""
    from ..stages.exporting import ALL_FORMATS

    return _listed(incomplete, ALL_FORMATS)


def complete_witnesses(_context: click.Context, _option: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Witnesses, separated by commas, with the cores of those that emulate them."""
    from ..targets.cores import CORES
    from ..validate.registry import WITNESSES

    emulated = [f"{core.family.witness}:{core.name}" for core in CORES.values()]
    last = incomplete.rpartition(",")[2]
    return _listed(incomplete, emulated if ":" in last else WITNESSES)


def complete_boards(_context: click.Context, _option: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Names of the boards that rescomp brings, or a file."""
    from ..boards import board_names

    return _named_or_file(incomplete, board_names())


def complete_sources(_context: click.Context, _option: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Names of the bundled data sets, or a file."""
    from ..data.bundled import names

    return _named_or_file(incomplete, names())


def complete_files(_context: click.Context, _option: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Files and folders."""
    return [CompletionItem(incomplete, type="file")]


def _listed(incomplete: str, known: Iterable[str]) -> list[CompletionItem[str]]:
    """The known names that may stand behind the last comma, with all before it; each stands in a list once."""
    before, comma, last = incomplete.rpartition(",")
    taken = before.split(",")
    return [CompletionItem(f"{before}{comma}{name}") for name in known if name.startswith(last) and name not in taken]


def _named_or_file(incomplete: str, known: Iterable[str]) -> list[CompletionItem[str]]:
    return (
        _listed(incomplete, known)
        if "," not in incomplete and any(name.startswith(incomplete) for name in known)
        else [CompletionItem(incomplete, type="file")]
    )
