"""A name means one thing: no class twice, none that is a type alias elsewhere, no constant in two modules."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import rescomp
from rescomp.validate.registry import WITNESSES

ROOT = Path(rescomp.__file__).parent
APART = ("tests", "benchmarks", "examples")
"""Not of the package."""


def definitions(tree):
    """(name, what it is) for each public class and alias of a type of a module; aliases by their definition. A type variable is of its
    module alone.
    """
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield node.name, "class"
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and "TypeVar(" not in ast.unparse(node.value):
            yield node.targets[0].id, ast.unparse(node.value)


def constants(tree):
    """(name, its value as text) for each constant of a module."""
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [each for target in targets for each in (target.elts if isinstance(target, ast.Tuple) else [target])]
            yield from ((name.id, ast.unparse(node.value)) for name in names if isinstance(name, ast.Name) and name.id.isupper())


def modules():
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT)
        if name.parts[0] not in APART and not name.parts[0].startswith("."):
            yield str(name), ast.parse(path.read_text(encoding="utf-8"))


def test_no_type_s_name_means_two_things():
    found = defaultdict(dict)
    for module, tree in modules():
        for name, meaning in definitions(tree):
            if not name.startswith("_") and not name.isupper():
                found[name][module if meaning == "class" else meaning] = module
    twice = {name: sorted(meanings.values()) for name, meanings in found.items() if len(meanings) > 1}
    assert not twice


def test_no_constant_is_defined_in_two_modules():
    """Not even with one value: what means the same is defined once, and imported."""
    found = defaultdict(list)
    for module, tree in modules():
        for name in {name for name, value in constants(tree) if not name.startswith("_") and "TypeVar(" not in value}:
            found[name].append(module)
    assert len(found) > 400
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


def test_no_public_function_bears_the_name_of_a_sub_package():
    folders = {Path(module).parent.name for module, _ in modules() if Path(module).name == "__init__.py"}
    assert {"train", "export", "validate", "compress", "data", "graph", "stages"} <= folders
    functions = {(node.name, module) for module, tree in modules() for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {each for each in functions if each[0] in folders} == set()


def names(tree):
    """What a module defines and calls: classes, functions, arguments, variables, attributes."""
    for node in ast.walk(tree):
        yield from (each for each in (getattr(node, part, None) for part in ("name", "id", "attr", "arg")) if isinstance(each, str))


def test_tracing_is_reading_a_torch_module_and_nothing_else():
    stranger = re.compile(r"(?<![a-z])trac(e|es|ed|er|ing)(?![a-z])", re.IGNORECASE)
    said = {name: module for module, tree in modules() for name in names(tree) if stranger.search(re.sub("(?=[A-Z])", "_", name))}
    assert {name for name, module in said.items() if not module.startswith("models/")} == set()
    assert "trace" in said


def compared(tree):
    """The texts that a module compares something with."""
    for node in ast.walk(tree):
        prefix = isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("startswith", "removeprefix")
        parts = node.args if prefix else [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
        constants = (each for part in parts for each in ast.walk(part) if isinstance(each, ast.Constant))
        yield from (each.value for each in constants if isinstance(each.value, str))


def test_no_stage_asks_what_a_witness_is_called():
    """A witness says itself what is special about it."""
    said = {(module, text) for module, tree in modules() if module.startswith("stages/") for text in compared(tree)}
    assert {each for each in said if each[1].rstrip(":") in WITNESSES} == set()


def test_the_words_of_the_architecture_are_defined_where_it_says():
    words = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## Words")[2]
    rows = [line.split("|") for line in words.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    named = [path for row in rows for path in re.findall(r"`([\w/]+(?:\.py|/))`", row[3])]
    assert [path for path in named if not (ROOT / path).exists() and path != "vectors/"] == []
    assert len({row[1] for row in rows}) == len(rows)
