"""Whether the net that was read from an ONNX file gives what onnxruntime makes of that file, in floating point."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..errors import InputError, ParityError, missing_package
from ..models import Net
from ..models.onnx_net.read import ImportedNet

DRAWN = 32
"""Random inputs that are compared, beside as many of the data's."""
TOLERANCE = 1e-4
"""Of the largest magnitude among the scores: what float32 sums in another order may differ by. Integers are compared exactly, later."""
_Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FloatParity:
    """largest_difference: of two scores (behind Softmax, where the file ends so); of: the largest magnitude among them."""

    inputs: int
    largest_difference: float
    of: float


def float_parity(imported: ImportedNet, net: Net, x: _Floats) -> FloatParity:
    """Compare on data [samples, *shape], channels last, and on drawn inputs of their spread.

    Raises InputError where onnxruntime does not run the file, ParityError past the tolerance, MissingToolError without onnxruntime.
    """
    data = x[:DRAWN]
    drawn = np.random.default_rng(0).standard_normal((DRAWN, *x.shape[1:])) * max(float(x.std()), 1e-6) + float(x.mean())
    inputs = np.concatenate([data, drawn.astype(np.float32)])
    theirs = _by_onnxruntime(imported, inputs)
    net.eval()
    with torch.no_grad():
        scores = net(torch.from_numpy(inputs))
    if imported.dropped:
        scores = torch.softmax(scores, 1) if imported.dropped == "Softmax" else torch.log_softmax(scores, 1)
    ours = scores.numpy()
    if theirs.shape != ours.shape or not np.isfinite(theirs).all():
        raise InputError(f"{imported.file.path} gives numbers that are not finite, or of another shape than it says: export it again")
    found = FloatParity(len(inputs), float(np.abs(ours - theirs).max()), float(np.abs(theirs).max()))
    if not found.largest_difference <= TOLERANCE * max(found.of, 1e-6):
        raise ParityError(
            f"the net read from {imported.file.path} and onnxruntime differ by {found.largest_difference:.3g} in scores of up to "
            f"{found.of:.3g}, more than rounding: this is a fault of the import, report it with the file"
        )
    return found


def _by_onnxruntime(imported: ImportedNet, x: _Floats) -> _Floats:
    """What the file gives, [samples, classes], one thread, as many samples at a time as it was exported for."""
    try:
        runtime: Any = importlib.import_module("onnxruntime")
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    file, batch = imported.file, imported.file.batch or len(x)
    laid = np.moveaxis(x, -1, 1) if imported.layout == "channels first" else x
    laid = np.ascontiguousarray(laid.reshape(len(x), *file.input_shape))
    padded = np.concatenate([laid, np.repeat(laid[-1:], -len(x) % batch, axis=0)])
    try:
        session = runtime.InferenceSession(file.data, options, providers=["CPUExecutionProvider"])
        given = [session.run([file.output], {file.input: padded[begin : begin + batch]})[0] for begin in range(0, len(padded), batch)]
    except Exception as error:  # onnxruntime's have no base of their own
        first = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InputError(f"onnxruntime does not run {Path(file.path)} ({first}): export it again") from error
    result: _Floats = np.concatenate(given).reshape(len(padded), -1)[: len(x)].astype(np.float32)
    return result
