"""What import made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import counted
from .output import show
from .tables import table

if TYPE_CHECKING:
    from ..stages.importing import Imported

_POOR = 20.0
"""dB below which a layer's integers are a poor likeness."""


def print_imported(result: Imported) -> None:
    """Parity in floating point, then what the integers cost."""
    parity = result.parity
    if result.dropped:
        show(f"{result.dropped} at the end is left out: it changes no answer")
    show(
        f"float parity with onnxruntime: largest difference {parity.largest_difference:.3g} in values of up to {parity.of:.3g} "
        f"({counted(parity.inputs, 'input')}; the file reads {result.layout})"
    )
    show(f"integer against float: {result.agreement:.2%} of {counted(result.samples, 'answer')} agree\n")
    rows = [
        [
            each.name,
            each.format,
            "exact" if each.sqnr is None else f"{each.sqnr:.1f} dB",
            f"{each.largest:.3g}",
            f"{each.saturated:,} of {each.entries:,}",
        ]
        for each in result.layers
    ]
    show(table(["layer", "format", "signal to error", "largest error", "saturated"], rows))
    if any(each.sqnr is not None and each.sqnr < _POOR for each in result.layers):
        show(f"layers below {_POOR:g} dB: try more calibration data, int16 activations, or train on with labels (docs/import.md)")
    show(f"next: rescomp export {result.model_dir}")
