"""A net behind a front-end whose state adds up what it makes of its frames, and a program around its C."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rescomp.frontend.description import FrontEnd
from rescomp.frontend.lowering import with_front_end
from rescomp.graph.fixed_point import Requantization
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ir import Graph, IntegerModel, Node, Value
from rescomp.graph.ops import Add, FullyConnected
from rescomp.graph.weights import Int8Weight
from rescomp.targets.kernel_choice import Target
from rescomp.validate.c_program import write_export

Q10 = Format(10)


def product(rng: np.random.Generator, rows: int, columns: int) -> FullyConnected:
    """With drawn weights."""
    weight = Int8Weight(rng.integers(-20, 21, (rows, columns), dtype=np.int8))
    return FullyConnected(weight, np.zeros(0, np.int32), Requantization(np.full(rows, 1 << 14), np.full(rows, 21)), Q10)


def summing_net(front_end: FrontEnd, frames: int) -> IntegerModel:
    """A state of four entries, to which each step adds what it makes of so many frames."""
    rng, size = np.random.default_rng(0), front_end.features * frames
    nodes = (Node("a", product(rng, 4, size), ("x",), ("a",)), Node("h_next", Add(), ("a", "h"), ("h_next",)))
    values = Value("x", TensorType((size,), Q10)), Value("h", TensorType((4,), Q10))
    step = Graph("step", values, nodes, (), {"h": "h_next"})
    head = Graph("head", (values[1],), (Node("scores", product(rng, 3, 4), ("h",), ("scores",)),), ("scores",))
    return with_front_end(IntegerModel("ear", {"step": step, "head": head}), front_end)


def write_sources(folder: Path, model: IntegerModel, main: str, target: Target | None = None) -> list[Path]:
    """The C of the model and a program that calls it: what is to be compiled."""
    write_export(folder, model, target)
    (folder / "main.c").write_text(main)
    kernels = sorted(path for path in (folder / "rescomp").iterdir() if path.suffix in {".c", ".S"})
    return [folder / "main.c", folder / f"{model.name}.c", *kernels]
