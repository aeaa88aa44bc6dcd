"""Files of tensors that somebody else may have written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from ..documents import MOST_DOCUMENT_BYTES, parse_json
from ..store import MOST_BYTES, read_file

_LENGTH_BYTES = 8
"""Before the header, which is JSON."""


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors by name, header) of a safetensors file. Raises OSError, SafetensorError, and ValueError for a header that is too large."""
    data = read_file(path, MOST_BYTES)
    size = int.from_bytes(data[:_LENGTH_BYTES], "little")
    if min(size, len(data)) > MOST_DOCUMENT_BYTES:
        raise safetensors.SafetensorError(f"its header has {size:,} bytes, and at most {MOST_DOCUMENT_BYTES:,} are read")
    tensors = safetensors.torch.load(data)
    return tensors, parse_json(data[_LENGTH_BYTES : _LENGTH_BYTES + size])
