"""What shells complete, asked of the shells themselves where they are installed."""

import os
import shutil
import subprocess
import sys

import pytest

from rescomp.boards import board_names
from rescomp.cli import main
from rescomp.stages.exporting import ALL_FORMATS
from rescomp.targets.cores import CORES
from rescomp.validate.registry import WITNESSES

CASES = {
    "rescomp ver": {"verify"},
    "rescomp verify --aga": {"--against"},
    "rescomp verify --against onn": {"onnxruntime"},
    "rescomp verify --against c,simavr:atm": {"c,simavr:atmega328p", "c,simavr:atmega2560"},
    "rescomp verify --against qemu:cortex-m5": {"qemu:cortex-m55"},
    "rescomp profile --core cortex-m4,risc": {"cortex-m4,riscv32imc"},
    "rescomp flash --board micro": {name for name in board_names() if name.startswith("micro")},
    "rescomp export --format c,ardu": {"c,arduino"},
    "rescomp run --weights t": {"ternary"},
    "rescomp run --data japan": {"japanese_vowels"},
    "rescomp completion f": {"fish"},
}


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """A folder with the command `rescomp` of this interpreter."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "rescomp").write_text(f'#!/bin/sh\nexec {sys.executable} -m rescomp "$@"\n')
    (folder / "rescomp").chmod(0o755)
    return folder


BASH = """
eval "$(rescomp completion bash)"
COMP_LINE="$1" COMP_POINT=${#1} COMP_WORDS=($1) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_rescomp_completion rescomp
printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
compdef() { :; }
compadd() { print -l -- ${(P)@[-1]}; }
_describe() { print -l -- ${${(P)@[-2]}%%:*}; }
words=(${(z)1}) CURRENT=${#words}
eval "$(rescomp completion zsh)"
_rescomp_completion
"""
FISH = 'rescomp completion fish | source; complete --do-complete "$argv[1]" | string split --fields 1 \\t'


def answers(shell, line, folder):
    script = {"bash": BASH, "zsh": ZSH, "fish": FISH}[shell]
    flags = {"bash": ["--norc", "-c", script, "bash"], "zsh": ["-f", "-c", script, "zsh"], "fish": ["--no-config", "-c", script]}[shell]
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(folder)}
    result = subprocess.run(
        [shell, *flags, line],
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert result.stderr == ""
    return set(result.stdout.split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_all_of_it(shell, command):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    for line, expected in CASES.items():
        # bash begins a word anew at a colon and holds what stands before it
        wanted = {name.rpartition(":")[2] for name in expected} if shell == "bash" else expected
        assert answers(shell, line, command) == wanted, line


def asked(line, monkeypatch, capsys):
    monkeypatch.setenv("_RESCOMP_COMPLETE", "zsh_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split()) - (not line.endswith(" "))))
    assert main() == 0
    return capsys.readouterr().out.splitlines()[1::3]


def test_every_name_is_offered_once(monkeypatch, capsys):
    assert asked("rescomp profile --core ", monkeypatch, capsys) == list(CORES)
    assert asked("rescomp verify --against ", monkeypatch, capsys) == list(WITNESSES)
    assert asked("rescomp verify --against c,", monkeypatch, capsys) == [f"c,{name}" for name in WITNESSES if name != "c"]
    assert asked("rescomp export --format ", monkeypatch, capsys) == list(ALL_FORMATS)
    assert asked("rescomp flash --board ", monkeypatch, capsys) == list(board_names())
    emulated = [f"{core.family.witness}:{core.name}" for core in CORES.values() if core.family.witness == "qemu"]
    assert asked("rescomp verify --against qemu:", monkeypatch, capsys) == emulated


def test_paths_are_left_to_the_shell(monkeypatch, capsys):
    for line in ("rescomp run --data ./a", "rescomp run --recipe a", "rescomp verify a", "rescomp flash --board ./own"):
        assert asked(line, monkeypatch, capsys) == [line.split()[-1]]
