"""What a row of the table of kernels says: a C function for each type of its tensors, their parameters, and what they consist of."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

C_WEIGHT_TYPES: Mapping[str, str] = {
    "int8": "int8_t",
    "int4": "uint8_t",
    "ternary": "uint8_t",
    "ternary_rows": "uint8_t",
    "ternary_tabled_words": "uint32_t",
    "ternary_tabled_bytes": "uint8_t",
    "sparse_bitmap_int8": "uint8_t",
    "sparse_bitmap_int4": "uint8_t",
    "sparse_delta_int8": "uint8_t",
    "sparse_delta_int4": "uint8_t",
    "sparse_kernels_int8": "uint8_t",
    "sparse_kernels_int4": "uint8_t",
    "sparse_rows_int8": "uint8_t",
    "sparse_rows_int4": "uint8_t",
}
"""Storages in the names of kernels, and what an array of them consists of in C."""
ACTIVATION: Mapping[str, str] = {"ACTIVATION": "{type}"}


@dataclass(frozen=True)
class Kernel:
    """A C function rescomp_<name>, and the text of its source where that is but an inclusion of headers; empty: it is written by hand."""

    name: str
    parameters: str
    source: str


@dataclass(frozen=True)
class KernelRow:
    """Kernels rescomp_<op>_<activation>[_<form>], one for each activation: alike but for their types.

    form: the storage, or what else comes last in the names. includes: the headers rescomp_<name>.h that define them, after
    RESCOMP_<key> for each of `defines`; none: the kernels have sources of their own. In parameters and defines stand for words of C
    {type}, {dtype} and {bits} of an activation (int16_t, int16, 15), {form}, and {weight_type}.
    """

    op: str
    form: str
    activations: Sequence[str]
    parameters: str
    includes: Sequence[str] = ()
    defines: Mapping[str, str] = field(default_factory=lambda: ACTIVATION)

    def kernels(self) -> Iterator[Kernel]:
        """All of the row."""
        for dtype in self.activations:
            bits = int(dtype.removeprefix("int")) - 1
            words: dict[str, object] = {"dtype": dtype, "type": f"{dtype}_t", "bits": bits, "form": self.form}
            if self.form in C_WEIGHT_TYPES:
                words["weight_type"] = C_WEIGHT_TYPES[self.form]
            name = "_".join(filter(None, (self.op, dtype, self.form)))
            yield Kernel(name, self.parameters.format_map(words), self._source(name, words) if self.includes else "")

    def _source(self, name: str, words: Mapping[str, object]) -> str:
        """A kernel's, of includes alone."""
        defines = {"KERNEL": f"rescomp_{name}", **{key: text.format_map(words) for key, text in self.defines.items()}}
        lines = ["/* SPDX-License-Identifier: 0BSD */", *(f"#define RESCOMP_{key} {text}".rstrip() for key, text in defines.items())]
        return "\n".join([*lines, *(f'#include "rescomp_{stem}.h"' for stem in self.includes), ""])


def sparse(op: str, activations: Sequence[str], parameters: str, *indices: str) -> Iterator[KernelRow]:
    """With weights in the streams of rescomp_sparse.h, whose values a function reads; stored rows are read as dense ones."""
    for index, bits in itertools.product(indices, (8, 4)):
        value = f"rescomp_sparse_int{bits}"
        read = {"rows": {}, "kernels": {"VALUE_AT": f"{value}_at"}}.get(index, {"VALUE": value})
        dense = (f"dot_int{bits}",) if index == "rows" else ()
        includes = (*dense, f"{op}_sparse_{index}_body")
        yield KernelRow(op, f"sparse_{index}_int{bits}", activations, parameters, includes, {**ACTIVATION, **read})
