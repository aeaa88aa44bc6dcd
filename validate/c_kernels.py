"""Which C functions compute the layers of an export."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ..export.c import translate
from ..export.c_source import Source
from ..graph.ir import Graph, IntegerModel, Value
from ..store import read_file
from ..targets.cores import Core
from ..targets.kernel_choice import PREFERENCES, Target


def exported_source(model: IntegerModel, folder: Path, core: Core | None = None) -> Source:
    """What the export in `folder` was written of, as far as the functions that it calls tell. core: it is one for this core."""
    targets = [None] if core is None else [Target(core, prefer) for prefer in PREFERENCES]
    sources = [translate(model, target) for target in targets]
    known = {kernel for source in sources for kernel in source.kernels}
    path = folder / f"{model.name}.c"
    called = set(re.findall(r"\brescomp_(\w+)\(", read_file(path).decode(errors="replace"))) if path.is_file() else set()
    return next((source for source in sources if set(source.kernels) == called & known), sources[0])


def layer_functions(source: Source, graph: Graph) -> Mapping[str, str]:
    """Witness.kernels where C runs: by each value the functions that its layer calls, in order. graph: one of the source's, as fused."""
    layers = source.functions[graph.name].layers
    called = [", ".join(f"rescomp_{call.kernel}" for call in layer.calls) or "a view of its input" for layer in layers for _ in layer.taps]
    return dict(zip((value.name for value in tapped_values(graph)), called, strict=True))


def tapped_values(graph: Graph) -> list[Value]:
    """What the tap of generated C tells, in order."""
    types = graph.types()
    return [Value(name, types[name]) for node in graph.nodes for name in node.outputs]
