"""The commands and recipes that the README, the documents and the benchmarks show can be; the set-up commands are those that CI runs."""

import importlib
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest

import rescomp
from rescomp.cli import command_line
from rescomp.cli.making import recipe_of
from rescomp.model_names import CELL_KINDS
from rescomp.recipe import Recipe, load_recipe

ROOT = Path(rescomp.__file__).parent
README = (ROOT / "README.md").read_text()
PAGES = {str(page.relative_to(ROOT)): page.read_text() for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}


def commands(text):
    return sorted({line.partition("#")[0].strip() for line in re.findall(r"^    rescomp (.+)$", text, re.MULTILINE)})


@pytest.mark.parametrize("command", sorted({command for text in PAGES.values() for command in commands(text)}))
def test_commands_parse_and_ask_for_recipes_that_can_be(command):
    name, *arguments = shlex.split(command)
    context = command_line.commands[name].make_context(name, arguments)
    assert context.command.name == name
    if name in ("run", "train"):
        keys = {"source", "kind", "rank_w", "rank_u", "weights", "density", "overrides"}
        recipe_of(recipe_file=None, **{key: value for key, value in context.params.items() if key in keys})


def test_every_command_is_shown():
    assert {shlex.split(command)[0] for command in commands(README)} == set(command_line.commands)


@pytest.mark.parametrize("page", [name for name, text in PAGES.items() if re.search(r"^\[(model|train|data)\]", text, re.MULTILINE)])
def test_recipes_that_are_shown_can_be(page, tmp_path):
    blocks = [block for block in re.findall(r"```toml\n(.*?)```", PAGES[page], re.DOTALL) if re.search(r"\[model[].]", block)]
    assert blocks
    for block in blocks:
        (tmp_path / "recipe.toml").write_text(block)
        said = []
        load_recipe(tmp_path / "recipe.toml", note=said.append)
        assert said == []


def test_the_recipe_of_the_readme_shows_the_defaults():
    block = re.search(r"```toml\n(.*?)```", README, re.DOTALL)
    assert Recipe.model_validate(tomllib.loads(block[1])) == Recipe()


def har2():
    return [job.recipe() for job in importlib.import_module("har2_jobs").all_jobs()]


def resnet1d_har():
    module = importlib.import_module("resnet1d_har")
    return [load_recipe(None, [*module.BASE, *overrides], weights=weights) for weights, overrides in module.VARIANTS.values()]


def resnet8_cifar10():
    return [load_recipe(None, importlib.import_module("resnet8_cifar10").BASE, weights="int8")]


def witness_table():
    module = importlib.import_module("witness_table")
    rows = [(module.MODELS[model], *module.FORMATS[name]) for _, model, name in module.combinations()]
    return [load_recipe(None, [*model, *module.EPOCHS, *overrides], weights=weights) for model, weights, overrides in rows]


def recipes():
    module = importlib.import_module("recipes")
    return [module.Job(variant, 0, 0).recipe(Path("work")) for variant in module.VARIANTS]


@pytest.mark.parametrize("recipes", [har2, recipes, resnet1d_har, resnet8_cifar10, witness_table], ids=lambda each: each.__name__)
def test_recipes_of_the_benchmarks_can_be(recipes, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    assert all(isinstance(recipe, Recipe) for recipe in recipes())


def test_the_index_of_the_documents_names_each_once():
    links = re.findall(r"^\| \[(.+?)\]\((.+?)\)", PAGES["docs/README.md"], re.MULTILINE)
    named = [target for _, target in links]
    assert sorted(named) == sorted(
        [*(page.name for page in (ROOT / "docs").glob("*.md") if page.name != "README.md"), "../CONTRIBUTING.md"]
    )
    assert all(text == Path(target).name for text, target in links)


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


def test_the_rooms_that_contributing_lists_are_those_that_are_enforced():
    (said,) = re.findall(r"Imports run one way: (.*?),\s", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract.get("exhaustive"))
    assert said.split(" > ") == layers[layers.index("cli") : layers.index("graph") + 1]


def test_the_page_of_readouts_is_headed_as_its_benchmark_heads_it(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    fixed = re.split(r"\{\w+\}", importlib.import_module("readouts").HEAD)
    assert re.match(".*?".join(map(re.escape, fixed)), PAGES["docs/readouts.md"])


def test_the_list_of_stages_names_every_cell():
    listed = ", ".join(f"`{kind}`" for kind in CELL_KINDS)
    assert f"| {listed} | `hidden_size`" in PAGES["docs/nets.md"]
    (example,) = re.findall(r'kind = "(\w+)" +# or (.*fastrnn.*)', PAGES["docs/nets.md"])
    assert sorted([example[0], *example[1].split(", ")]) == sorted(CELL_KINDS)


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
