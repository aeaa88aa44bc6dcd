"""The table of kinds of layers is the one place that knows them."""

import ast
from pathlib import Path

import pytest

import rescomp
from rescomp.models.layered.kinds import LAYER_KINDS

ROOT = Path(rescomp.__file__).parent
READERS = [path for folder in ("models", "compress", "lowering", "validate", "stages") for path in (ROOT / folder).rglob("*.py")]


def asks(tree):
    """The comparisons of something's `kind` with the name of a kind of layer."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and ast.unparse(node.left).endswith("step.kind"):
            yield ast.unparse(node)
        if isinstance(node, ast.Match) and ast.unparse(node.subject).endswith("step.kind"):
            yield ast.unparse(node.subject)


def test_nobody_asks_of_which_kind_a_step_is():
    assert len(READERS) > 100
    assert {str(path): found for path in READERS if (found := list(asks(ast.parse(path.read_text(encoding="utf-8")))))} == {}
    assert list(asks(ast.parse("match step.kind:\n    case 'add': pass\nif step.kind in ('add',): pass"))), "the test can fail"


@pytest.mark.parametrize("name", LAYER_KINDS)
def test_no_function_of_torch_is_of_two_kinds(name):
    others = [function for kind, each in LAYER_KINDS.items() if kind != name for function in each.functions]
    assert not set(LAYER_KINDS[name].functions) & set(others)
