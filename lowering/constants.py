"""Parameters of a net as the integers of a graph, and the types that ops make."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ..errors import UnsupportedError
from ..graph import ops
from ..graph.fixed_point import FloatArray, IntArray, Requantization, split_scale, to_fixed
from ..graph.formats import Format, FractionBits, TensorType
from ..models.fake_quantize import bits_of_entries, period


def infer(layer: str, op: ops.Op, *read: TensorType) -> TensorType:
    """The type of what an op makes. Raises UnsupportedError, naming the layer, where it cannot take what it reads."""
    try:
        (type,) = op.infer(*read)
    except UnsupportedError as error:
        raise UnsupportedError(f"layer {layer!r}: {error}") from error
    return type


def numpy_of(tensor: Tensor) -> FloatArray:
    """float64, of the same shape."""
    return np.asarray(tensor.detach().numpy(), dtype=np.float64)


def normalization(mean: Tensor, std: Tensor, bits: FractionBits, pre_shift: int, output: Format) -> ops.Requantize:
    """(x - mean) / std as ((x << pre_shift) + bias) * multiplier >> shift, with the constants of one reading of a step.

    bits: fraction bits of the readings, or of each channel of one.
    """
    mantissa, exponent = split_scale(1 / numpy_of(std))
    finer = numpy_of(bits_of_entries(bits, mean)).astype(np.int64) + pre_shift
    bias = to_fixed(-numpy_of(mean), finer, -(1 << 31), (1 << 31) - 1).astype(np.int32)
    shift = (exponent + finer - output.fraction_bits).astype(np.int32)
    n = period(bias.tolist(), mantissa.tolist(), shift.tolist())
    return ops.Requantize(pre_shift, bias[:n], Requantization(mantissa[:n], shift[:n]), output)


def accumulator_bias(bias: FloatArray, mantissa: IntArray, exponent: IntArray, read_bits: int, limit: int) -> IntArray:
    """A bias [rows] in units of the accumulators: int32 [rows], within +-limit."""
    unit = np.ldexp(mantissa.astype(np.float64), -exponent - read_bits)
    return to_fixed(bias / unit, 0, -limit, limit).astype(np.int32)


def scaling(factor: float, read: Format, written: Format) -> Requantization:
    """By `factor`, rounded to 15 bits, from a format to another."""
    mantissa, exponent = split_scale(np.array([factor]))
    return Requantization(mantissa, (exponent + read.fraction_bits - written.fraction_bits).astype(np.int32))


def rescaling(factor: float, read: Format, written: Format) -> ops.Requantize:
    """The op that multiplies by `factor`."""
    return ops.Requantize(0, np.zeros(1, np.int32), scaling(factor, read, written), written, read.dtype)
