"""What an exported file says about the model it was made from."""

from __future__ import annotations

from collections.abc import Mapping

from ..graph.ir import IntegerModel
from ..graph.serialize import CONTRACT, digest

PRODUCER = "rescomp"


def provenance(model: IntegerModel) -> Mapping[str, str]:
    """The entries that ONNX and TFLite files carry as metadata: digest of the model, contract version, format of the input."""
    return {
        "rescomp.model": model.name,
        "rescomp.digest": digest(model),
        "rescomp.contract": str(CONTRACT),
        "rescomp.input": str(model.input.type),
    }
