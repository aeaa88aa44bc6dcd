"""From a torch module to a Plan and its layers' parameters."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping

import torch.fx
from torch import Tensor, nn

from ...errors import InputError, UnsupportedError, counted
from .followed import follow
from .kinds import LAYER_KINDS
from .plan_builder import PlanBuilder, TorchCall
from .plan_check import INPUT
from .read_axes import AskedSizes, move_axes
from .read_functions import read_flatten, read_kind, read_product, read_relu
from .read_modules import read_module
from .read_pools import read_mean
from .supported import COPIES, IN_PLACE, MEANS, PERMUTATIONS, PRODUCTS, SIZES, SQUEEZES, SWAPS, UNSQUEEZES, VIEWS, advice
from .traced import Traced, TracedValue, shown

FunctionReader = Callable[[PlanBuilder, TorchCall], TracedValue]


def trace(module: nn.Module, input_shape: tuple[int, ...], classes: int) -> Traced:
    """The plan of a module that reads [batch, channels, time] or [batch, channels, height, width] and gives [batch, classes].

    input_shape: channels last. Raises UnsupportedError naming the first layer that is not supported and what to use instead, and
    InputError where shapes do not fit.
    """
    if len(input_shape) not in (2, 3):
        raise InputError(f"a net without state reads (time, channels) or (height, width, channels), not {input_shape}")
    builder = PlanBuilder(module, input_shape)
    result = _Reader(builder).read_all()
    result.check_padding("forward's result")
    if result.name not in builder.steps or result.shape != (1, 1, classes) or not result.is_one_position:
        given = f"shape {shown([result])}" if result.name in builder.steps else "its input"
        raise InputError(f"the net gives {given} where {classes} scores are wanted: end it with Flatten and Linear(..., {classes})")
    return builder.finished(result.name)


def trace_part(module: nn.Module, input_shape: tuple[int, int], prefix: str = "", *, flat: bool = False) -> Traced:
    """The plan of a module that reads [batch, channels, time], or of flat [batch, channels], and gives some features of one time.

    input_shape: (readings of a step, channels). prefix: of the names of its steps. Raises as `trace` does.
    """
    builder = PlanBuilder(module, input_shape, prefix)
    result = _Reader(builder, flat=flat).read_all()
    if result.name not in builder.steps:
        raise InputError("layers beside cells give their input as it is: leave them out, or let them hold a layer that computes")
    if result.shape[:2] != (1, 1) or result.is_padded:
        raise InputError(
            f"layers beside cells make one row of what a step reads, {counted(input_shape[0], 'reading')}, and these give "
            f"{result.shape[1]} rows: let their strides divide time by just so much"
        )
    return builder.finished(result.name)


class _Reader:
    """Reads fx nodes one after another."""

    def __init__(self, builder: PlanBuilder, *, flat: bool = False) -> None:
        self.builder, self.flat, self.sizes = builder, flat, AskedSizes(builder)
        self.output = TracedValue()

    def read_all(self) -> TracedValue:
        """What the module's forward gives."""
        for node in follow(self.builder.module).nodes:
            if node.op == "output":
                self._output(node)
            else:
                self.builder.values[node] = self._value_of(node)
        return self.output

    def _value_of(self, node: torch.fx.Node) -> TracedValue:
        if node.op == "placeholder":
            return self._placeholder(node)
        if node.op == "get_attr":
            return self._attribute(node)
        if node.op == "call_module":
            path = str(node.target)
            return read_module(self.builder, TorchCall(node, path, self.builder.where(path)), self.builder.modules[path])
        return self._call_function(node)

    def _placeholder(self, node: torch.fx.Node) -> TracedValue:
        if INPUT in (value.name for value in self.builder.values.values()):
            raise UnsupportedError(f"forward reads a second input, {node.target!r}: a net reads one")
        *height, width, channels = self.builder.input_shape
        shape = (height[0] if height else 1, width, channels)
        return TracedValue(INPUT, shape, (shape,) if self.flat else ())

    def _attribute(self, node: torch.fx.Node) -> TracedValue:
        value = operator.attrgetter(str(node.target))(self.builder.module)
        if isinstance(value, Tensor) and value.numel() == 1:
            if isinstance(value, nn.Parameter):
                return TracedValue(parameter=str(node.target))
            return TracedValue(number=float(value))
        raise UnsupportedError(f"forward reads the tensor {node.target!r}: only scalars may stand beside the layers")

    def _output(self, node: torch.fx.Node) -> None:
        (result,) = node.args
        if not isinstance(result, torch.fx.Node):
            raise UnsupportedError("forward gives more than one result: return the scores alone")
        self.output = self.builder.value(result)
        self.output.check_axes(self.builder.axes, "forward's result")

    def _call_function(self, node: torch.fx.Node) -> TracedValue:
        function, target = getattr(node.target, "__name__", str(node.target)), node.target
        path = _module_path(node)
        where = f"{function} in forward" + (f" of {path!r}" if path else "")
        call = TorchCall(node, f"{path}_{re.sub(r'_[0-9]+$', '', node.name)}", where, target in IN_PLACE or function.endswith("_"))
        if target in SIZES:
            return self.sizes.size_of(call)
        if target in VIEWS:
            return self.sizes.view(call)
        if target in _READERS:
            return _READERS[target](self.builder, call)
        kind = _KIND_OF.get(target)
        if kind is None:
            raise UnsupportedError(f"{where} is not supported: {advice(function)}")
        return read_kind(self.builder, call, kind)


def _module_path(node: torch.fx.Node) -> str:
    """The module in whose forward a function is called."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return str(stack[-1][0]) if stack else ""


def _copy(builder: PlanBuilder, call: TorchCall) -> TracedValue:
    return builder.image(call.source, call.where)


_KIND_OF: Mapping[object, str] = {function: name for name, kind in LAYER_KINDS.items() for function in kind.functions}
_READERS: Mapping[object, FunctionReader] = {
    **dict.fromkeys(PRODUCTS, read_product),
    **dict.fromkeys(COPIES, _copy),
    **dict.fromkeys((*PERMUTATIONS, *SWAPS, *SQUEEZES, *UNSQUEEZES), move_axes),
    **dict.fromkeys(LAYER_KINDS["relu"].functions, read_relu),
    **dict.fromkeys(LAYER_KINDS["flatten"].functions, read_flatten),
    **dict.fromkeys(MEANS, read_mean),
}
"""Of functions that may become something else than a step of their kind; the others are read by the table of kinds."""
