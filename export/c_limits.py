"""What the kernels cannot run, or a core cannot count."""

from __future__ import annotations

from ..errors import UnsupportedError
from ..graph.ir import IntegerModel
from ..model_names import is_model_name
from ..targets.cores import AVR, Core
from .int32_values import refuse_int32

MAX_ENTRIES, NARROW_ENTRIES = (1 << 30) - 1, (1 << 15) - 1
"""Of a value: where an object may have so many bytes, and where kernels count in 16 bits (RESCOMP_COUNT_BITS)."""


def check_supported(model: IntegerModel) -> None:
    """Raise UnsupportedError for a model that no C can be written of."""
    if not is_model_name(model.name):
        raise UnsupportedError(
            f"a model exported to C cannot be named {model.name!r}: a header of that name exists, or it is no identifier"
        )
    if not model.is_recurrent and not model.graphs["whole"].data_inputs:
        raise UnsupportedError(f"model {model.name!r} reads no input")
    for role in sorted({"head", "whole"} & set(model.graphs)):
        if len(model.graphs[role].outputs) != 1:
            raise UnsupportedError(f"graph {role!r} gives {len(model.graphs[role].outputs)} values: the C gives exactly one, the scores")
    for graph in model.graphs.values():
        refuse_int32(graph, "the C kernels compute")


def check_counts(model: IntegerModel, core: Core | None = None) -> None:
    """Raise UnsupportedError for a value with more entries than the C counts: on a core, or (None) where an object may be that large."""
    narrow = core is not None and core.family is AVR
    most, who = (NARROW_ENTRIES, f"the C on {core.name}") if core and narrow else (MAX_ENTRIES, "the C")
    remedy = f"take {'a core of 32 bits, or ' if narrow else ''}shorter windows, smaller images, a larger stem_stride or smaller widths"
    for graph in model.graphs.values():
        for name, type in graph.types().items():
            if type.size > most:
                where = f"value {name!r} of graph {graph.name!r}"
                raise UnsupportedError(f"{where} has {type.size} entries and {who} counts up to {most}: {remedy}")
