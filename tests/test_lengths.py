"""Functions are short, and files hold one idea each. Tests lie as what they test does, however long that makes a file of them."""

import ast
import subprocess
from pathlib import Path
from statistics import median

import rescomp

ROOT = Path(rescomp.__file__).parent
MOST_LINES_OF_A_FILE, MOST_LINES_OF_A_FUNCTION, MEDIAN = 300, 60, 8
ONE_IDEA = {
    "graph/ops/base.py": "the one interface between an op and the exports: it is read as a whole by whoever writes an op",
}
"""Longer files, and why they are whole."""


def sources():
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    return {name: (ROOT / name).read_text(encoding="utf-8") for name in listed.stdout.splitlines() if (ROOT / name).is_file()}


def functions(text):
    """(name, lines) of each, without its decorators: the cases of a test are a table."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.end_lineno - node.lineno + 1


def test_a_long_file_says_what_its_one_idea_is():
    long = {name for name, text in sources().items() if text.count("\n") > MOST_LINES_OF_A_FILE and not name.startswith("tests/")}
    assert long == set(ONE_IDEA)


def test_functions_are_short():
    lengths = [(lines, name, function) for name, text in sources().items() for function, lines in functions(text)]
    assert [each for each in lengths if each[0] > MOST_LINES_OF_A_FUNCTION] == []
    assert median(lines for lines, name, _ in lengths if not name.startswith("tests/")) <= MEDIAN
