"""What integers cost, layer by layer: each value of the integer model against the same value of the float net."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ..graph.evaluate import evaluate_graph
from ..graph.fixed_point import IntArray
from ..graph.ir import IntegerModel
from ..models import Net

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LayerError:
    """Of one value. sqnr: signal to quantisation noise, dB (None: no difference). saturated: entries whose float value lies outside what
    the format holds, of `entries`. largest: the largest difference.
    """

    name: str
    format: str
    sqnr: float | None
    saturated: int
    entries: int
    largest: float


def layer_errors(net: Net, model: IntegerModel, x: IntArray, readings: npt.NDArray[np.float32]) -> Sequence[LayerError]:
    """Of a net without state, worst first. x: device integers [samples, *shape]; readings: the same samples in real numbers."""
    (module,) = net.layer_modules
    (graph,) = [graph for graph in model.graphs.values() if graph.inputs[0].name == model.input.name]
    values = evaluate_graph(graph, {model.input.name: x})
    net.eval()  # batch normalisation by its running statistics
    with torch.no_grad():
        wanted = module.values(torch.from_numpy(readings))  # type: ignore[operator]
    types, found = graph.types(), []
    for step in module.plan.steps:
        if step.name not in values:
            continue
        format = types[step.name].format
        real: _Floats = wanted[step.name].permute(0, 2, 3, 1).reshape(len(x), -1).double().numpy()
        unit = 2.0**-format.fraction_bits
        difference = values[step.name].reshape(len(x), -1) * unit - real
        outside = int(((real > (format.high + 0.5) * unit) | (real < (format.low - 0.5) * unit)).sum())
        noise = float((difference**2).sum())
        sqnr = 10 * math.log10(max(float((real**2).sum()), 1e-300) / noise) if noise else None
        found.append(LayerError(step.name, str(format), sqnr, outside, real.size, float(np.abs(difference).max())))
    return sorted(found, key=lambda each: math.inf if each.sqnr is None else each.sqnr)
