"""A name means one thing: no class twice, none that is a type alias elsewhere, no constant with another value in another module."""

import ast
from collections import defaultdict
from pathlib import Path

import rescomp

ROOT = Path(rescomp.__file__).parent
APART = ("tests", "benchmarks", "examples")
"""Not of the package."""


def definitions(tree):
    """(name, what it is) for each public class and alias of a type of a module; aliases by their definition."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield node.name, "class"
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, ast.unparse(node.value)


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
