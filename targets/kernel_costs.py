"""What products cost where a core has several kernels for a matrix: fitted by `python benchmarks/kernels.py --fit`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..graph.weights import BLOCK_ROWS, GROUP


@dataclass(frozen=True)
class Cost:
    """Instructions (AVR: cycles) of a product: a call, each group of four columns, each block of eight rows, each group of a block.

    code: bytes of the kernel.
    """

    call: float
    group: float
    block: float
    group_of_block: float
    code: int

    def of(self, rows: int, columns: int) -> float:
        """Of one call."""
        groups, blocks = -(-columns // GROUP), -(-rows // BLOCK_ROWS)
        return self.call + self.group * groups + (self.block + self.group_of_block * groups) * blocks


COSTS: Mapping[str, Mapping[tuple[str, str], Cost]] = {
    "cortex-m0": {
        ("int16", "ternary"): Cost(145, 0, 92, 401, 604),  # within 3%
        ("int16", "ternary_tabled_words"): Cost(94, 55, 32, 38, 676),  # within 4%
        ("int8", "ternary"): Cost(34, 0, 105, 378, 612),  # within 3%
        ("int8", "ternary_tabled_words"): Cost(93, 59, 32, 38, 680),  # within 3%
    },
    "cortex-m3": {
        ("int16", "ternary"): Cost(0, 8, 128, 296, 460),  # within 7%
        ("int16", "ternary_tabled_words"): Cost(73, 40, 17, 28, 776),  # within 5%
        ("int8", "ternary"): Cost(0, 8, 128, 297, 472),  # within 8%
        ("int8", "ternary_tabled_words"): Cost(73, 40, 16, 28, 772),  # within 4%
    },
    "cortex-m4": {
        ("int16", "ternary"): Cost(0, 8, 128, 296, 468),  # within 7%
        ("int16", "ternary_tabled_words"): Cost(73, 40, 17, 28, 776),  # within 5%
        ("int8", "ternary"): Cost(0, 8, 128, 297, 480),  # within 8%
        ("int8", "ternary_tabled_words"): Cost(73, 40, 16, 28, 772),  # within 4%
    },
    "cortex-m55": {
        ("int16", "ternary"): Cost(0, 9, 127, 269, 492),  # within 6%
        ("int16", "int4"): Cost(11, 0, 40, 65, 596),  # within 36%
        ("int16", "int8"): Cost(10, 0, 29, 11, 148),  # within 48%
        ("int8", "ternary"): Cost(0, 9, 126, 269, 504),  # within 6%
        ("int8", "int4"): Cost(19, 0, 29, 71, 612),  # within 39%
        ("int8", "int8"): Cost(1, 0, 42, 5, 148),  # within 39%
    },
    "riscv32": {
        ("int16", "ternary"): Cost(6, 0, 174, 277, 626),  # within 5%
        ("int16", "ternary_tabled_words"): Cost(76, 59, 35, 45, 1144),  # within 2%
        ("int8", "ternary"): Cost(12, 0, 173, 277, 656),  # within 5%
        ("int8", "ternary_tabled_words"): Cost(76, 59, 35, 45, 1144),  # within 2%
    },
    "avr": {
        ("int16", "ternary"): Cost(358, 0, 208, 1464, 1270),  # within 2%
        ("int16", "ternary_tabled_bytes"): Cost(57, 138, 142, 138, 810),  # within 19%
        ("int8", "ternary"): Cost(211, 0, 292, 1418, 1248),  # within 2%
        ("int8", "ternary_tabled_bytes"): Cost(72, 139, 127, 129, 780),  # within 17%
    },
}
"""By the first folder of a core's kernels, then by activations and storage. Behind each, the largest error over the sizes fitted."""
