"""The one list of passes: complete, in the order of the documents, and of functions that change no meaning at export."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import rescomp.graph
from rescomp.graph.ir import Graph, IntegerModel
from rescomp.graph.pass_order import PASS_ORDER

PAGE = Path(rescomp.__file__).parent / "docs" / "architecture.md"


def name_of(function) -> str:
    return f"{function.__module__.removeprefix('rescomp.')}.{function.__name__}"


def test_every_rewrite_of_a_graph_has_its_place():
    rewrites = set()
    for found in pkgutil.iter_modules(rescomp.graph.__path__):
        module = importlib.import_module(f"rescomp.graph.{found.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            read, *_ = [*function.__annotations__.values(), ""]
            kinds = {Graph.__name__, IntegerModel.__name__}
            if not name.startswith("_") and {read, function.__annotations__.get("return")} <= kinds:
                rewrites.add(name_of(function))
    assert rewrites == {name_of(each.run) for each in PASS_ORDER} - {"graph.verify.verify_model"}


def test_the_documents_tell_the_passes_in_this_order():
    section = PAGE.read_text(encoding="utf-8").partition("## What becomes of a graph, in order")[2].partition("\n## ")[0]
    told = re.findall(r"`(graph\.\w+\.\w+)`", section)
    assert told == [name_of(each.run) for each in PASS_ORDER]


def test_quantize_is_over_before_an_export_rewrites():
    assert [each.at for each in PASS_ORDER] == sorted((each.at for each in PASS_ORDER), reverse=True)
    assert all(each.why for each in PASS_ORDER)
