"""The README's commands exist and parse; its two set-up commands are the ones that CI runs."""

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest

import rescomp
from rescomp.cli import cli
from rescomp.recipe import Recipe

ROOT = Path(rescomp.__file__).parent
README = (ROOT / "README.md").read_text()
COMMANDS = sorted({line.partition("#")[0].strip() for line in re.findall(r"^    rescomp (.+)$", README, re.MULTILINE)})


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_parse(command):
    name, *arguments = shlex.split(command)
    context = cli.commands[name].make_context(name, arguments)
    assert context.command.name == name


def test_every_command_is_shown():
    assert {shlex.split(command)[0] for command in COMMANDS} == set(cli.commands)


def test_the_recipe_shown_is_valid_and_shows_the_defaults():
    block = re.search(r"```toml\n(.*?)```", README, re.DOTALL)
    assert Recipe.model_validate(tomllib.loads(block[1])) == Recipe()


def test_the_set_up_commands_are_those_of_ci():
    assert re.findall(r"^    (\./bootstrap \w+)$", README, re.MULTILINE) == ["./bootstrap demo", "./bootstrap test"]
    assert "./bootstrap test\n" in (ROOT / ".ci" / "run").read_text()
    usage = subprocess.run([ROOT / "bootstrap"], capture_output=True, text=True, check=False, timeout=120)
    assert usage.returncode == 2
    assert "./bootstrap demo" in usage.stdout


def test_contributing_names_only_commands_that_exist():
    page = (ROOT / "CONTRIBUTING.md").read_text()
    commands = [shlex.split(line, comments=True) for line in re.findall(r"^    (\S.*)$", page, re.MULTILINE)]
    known = re.findall(r"^([\w-]+)\)$", (ROOT / "bootstrap").read_text(), re.MULTILINE)
    assert ["./bootstrap", "quick"] in commands
    assert [".ci/run"] in commands
    for command, *arguments in commands:
        assert (ROOT / command).is_file(), command
        assert command != "./bootstrap" or arguments[0] in known, arguments
        assert all((ROOT / name).exists() for name in arguments[1:]), arguments
    for command in re.findall(r"`((?:\./|make |python )[^`]+)`", page):
        program, *arguments = shlex.split(command)
        assert program == "python" or ((ROOT / program).is_file() and (not arguments or arguments[0] in known)), command
        assert program != "python" or (ROOT / arguments[0]).is_file(), command


def test_exit_codes_are_those_of_the_errors():
    from rescomp import errors

    text = re.search(r"## Exit codes\n\n(.*?)\n\n", README, re.DOTALL)[1].replace("\n", " ")
    codes = {int(code) for code in re.findall(r"(?:^|· )(\d+) ", text)}
    raised = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.RescompError)}
    assert codes == raised | {0, 130}


def test_links_lead_somewhere():
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
