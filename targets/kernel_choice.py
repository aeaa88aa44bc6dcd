"""Which kernel multiplies by a matrix on a core, and in which layout the matrix lies there: the cheapest by a model of measured counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Literal, get_args

from ..graph.formats import DType
from ..graph.ir import Graph
from ..graph.ops.base import Array
from ..graph.passes import fuse_fastgrnn_update
from ..graph.weights import Weight
from .cores import AVR, CORTEX_M, Core
from .kernel_costs import COSTS
from .row_scales import Multiply
from .ternary_layouts import tabled_entries, tabled_words
from .ternary_layouts_bytes import MOST_COLUMNS, tabled_byte_entries, tabled_bytes

Preference = Literal["speed", "size"]
PREFERENCES: Sequence[Preference] = get_args(Preference)


@dataclass(frozen=True)
class Target:
    """A core for which C is generated, and what to win where both cannot be had."""

    core: Core
    prefer: Preference = "speed"


def graph_on(graph: Graph, target: Target | None) -> Graph:
    """The graph whose nodes the C of a core calls, one after the other: layers that it computes in one pass are one node."""
    return graph if target is None else fuse_fastgrnn_update(graph, mirrored=target.core.family is not AVR)


def wants_own_scales(target: Target) -> bool:
    """Whether rows are rescaled faster by a multiplier and a shift each than by shared ones: four or two at a time in Arm's assembly."""
    return target.prefer == "speed" and target.core.family is CORTEX_M


def multiply_on(core: Core) -> Multiply:
    """What makes a requantization cheap there."""
    return _MULTIPLY.get(core.kernels[0], "high")


EXPANDING = frozenset({"cortex-m55"})
"""Folders of cores that multiply so many int8 weights at once that smaller ones may lie there as int8."""
MOST_TABLED_COLUMNS = 4 * ((1 << 16) - 1)
"""Of a matrix multiplied by tables of partial sums: a sum begins at -2^15 for every 4 columns, and stays an int32."""
_MULTIPLY: Mapping[str, Multiply] = {"cortex-m0": "split", "avr": "narrow"}
"""By the first folder of a core's kernels."""


@dataclass(frozen=True, eq=False)
class Product:
    """A matrix as rescomp_product_<activation>_<storage> reads it. table_bytes: of the scratch it needs beside the accumulators."""

    storage: str
    packed: Array
    layout: str
    table_bytes: int = 0


def choose_products(needs: Sequence[tuple[Weight, DType]], target: Target) -> list[Product | None]:
    """The forms in which a model's matrices, each beside the dtype of its input, lie on the target, in order.

    None where it has only the plain kernels' own. speed: each the cheapest by COSTS. size: those that, with the kernels they need,
    take the fewest bytes.
    """
    forms = [product_forms(weight, activation, target) for weight, activation in needs]
    costs = COSTS[target.core.kernels[0]]

    def count(i: int, form: Product) -> float:
        return costs[needs[i][1], form.storage].of(*needs[i][0].matrix.shape) if len(forms[i]) > 1 else 0

    if target.prefer == "speed":
        return [min(options, key=partial(count, i), default=None) for i, options in enumerate(forms)]
    contested = sorted({(needs[i][1], form.storage) for i, options in enumerate(forms) for form in options if len(options) > 1})
    choices = [_smallest(needs, forms, kernels) for n in range(1, len(contested) + 1) for kernels in combinations(contested, n)]
    code: dict[tuple[str, str], int] = {kernel: costs[kernel].code for kernel in contested}
    complete = [choice for choice in choices if choice is not None]
    return min(complete, key=lambda choice: _bytes(choice, needs, code), default=[options[0] if options else None for options in forms])


def _smallest(
    needs: Sequence[tuple[Weight, DType]], forms: Sequence[Sequence[Product]], kernels: Sequence[tuple[str, str]]
) -> list[Product | None] | None:
    """The smallest form of each matrix that has a choice, with these kernels alone; None where one has no form then."""
    chosen: list[Product | None] = []
    for (_, activation), options in zip(needs, forms, strict=True):
        allowed = [form for form in options if len(options) == 1 or (activation, form.storage) in kernels]
        if options and not allowed:
            return None
        chosen.append(min(allowed, key=lambda form: form.packed.nbytes, default=None))
    return chosen


def _bytes(choice: Sequence[Product | None], needs: Sequence[tuple[Weight, DType]], code: Mapping[tuple[str, str], int]) -> int:
    """Of the matrices, and of the contested kernels that they need."""
    used = {(activation, form.storage) for (_, activation), form in zip(needs, choice, strict=True) if form}
    return sum(form.packed.nbytes for form in choice if form) + sum(code.get(kernel, 0) for kernel in used)


def product_forms(weight: Weight, activation: DType, target: Target) -> list[Product]:
    """Every form in which a core may multiply by `weight`; none for storages that only the plain kernels read."""
    if not weight.is_dense:
        return []
    plain, others = Product(weight.storage, weight.pack(), weight.layout), weight.other_forms
    if target.core.kernels[0] in EXPANDING:
        expanded = Product("int8", weight.matrix.reshape(-1), f"{weight.storage} as int8, row after row")
        return [plain, expanded] if "int8" in others else [plain]
    if "tables" not in others:
        return [plain]
    return [plain, *(_tabled_bytes(weight, activation) if target.core.family is AVR else _tabled_words(weight))]


def _tabled_words(weight: Weight) -> list[Product]:
    layout = "3:4 ternary, padded, for tables of partial sums (rescomp_product_ternary_tabled_words_body.h)"
    if weight.matrix.shape[1] > MOST_TABLED_COLUMNS:
        return []
    return [Product("ternary_tabled_words", tabled_words(weight.matrix), layout, 2 * tabled_entries(weight.matrix.shape[1]))]


def _tabled_bytes(weight: Weight, activation: DType) -> list[Product]:
    columns = weight.matrix.shape[1]
    if columns > MOST_COLUMNS[activation]:
        return []
    layout = "3:4 ternary, padded, for tables of partial sums (rescomp_product_ternary_tabled_bytes_body.h)"
    return [Product("ternary_tabled_bytes", tabled_bytes(weight.matrix), layout, 2 * tabled_byte_entries(columns))]
