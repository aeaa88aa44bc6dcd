"""A plan in the making: its steps and layers so far, what is folded into them, and what each fx node stands for."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch.fx
from torch import Tensor, nn

from ...errors import UnsupportedError
from .kinds import LAYER_KINDS, Segments
from .plan import DERIVED, Layer, Plan, Step
from .plan_check import ATTRIBUTES, INPUT, NORMALIZE
from .pool_factors import move_pool_factors
from .traced import LayerModules, Traced, TracedValue

LONGEST_NAME = 96
"""Characters taken of a path in a net: what is derived from a name stays within what the graph takes."""


@dataclass(frozen=True)
class TorchCall:
    """A call of a module or a function. path: what its step is called after; where: in messages; in_place: it changes what it reads."""

    node: torch.fx.Node
    path: str
    where: str
    in_place: bool = False

    @property
    def source(self) -> Any:
        """The first argument, the value that it reads. Raises UnsupportedError where one is given by keyword."""
        if not self.node.args or any(isinstance(value, torch.fx.Node) for value in self.node.kwargs.values()):
            raise UnsupportedError(f"{self.where} is given a value by keyword: give it by position")
        return self.node.args[0]


@dataclass(frozen=True)
class Folded:
    """What a step takes into its layer's weights, by name: a batch normalisation, then a scalar parameter."""

    norm: str = ""
    scale: str = ""


class PlanBuilder:
    """axes: of the input, channels among them. prefix: of the names of steps and layers. values: what the fx nodes so far stand for."""

    def __init__(self, module: nn.Module, input_shape: tuple[int, ...], prefix: str = "") -> None:
        self.module, self.input_shape, self.prefix, self.axes = module, input_shape, prefix, len(input_shape)
        self.modules = dict(module.named_modules())
        self.values: dict[torch.fx.Node, TracedValue] = {}
        self.steps: dict[str, Step] = {}
        self.layers: dict[str, Layer] = {}
        self.folded: dict[str, Folded] = {}
        self._parameters: dict[str, LayerModules] = {}
        self._of_module: dict[str, str] = {}

    def where(self, path: str) -> str:
        """The module there, for messages."""
        return f"layer {path!r} ({type(self.modules[path]).__name__})"

    def value(self, node: Any) -> TracedValue:
        """What a node or a number stands for."""
        if isinstance(node, int | float):
            return TracedValue(number=float(node))
        if node not in self.values:
            raise UnsupportedError(f"forward reads {node!r:.60}: a net reads its input, numbers and scalar parameters")
        return self.values[node]

    def image(self, node: Any, where: str) -> TracedValue:
        """A value of the net, with its own axes. Raises UnsupportedError."""
        value = self.value(node)
        if not value.name:
            raise UnsupportedError(f"{where} reads a number: it takes a value of the net")
        value.check_axes(self.axes, where)
        return value

    def plain(self, node: Any, where: str) -> TracedValue:
        """The same, without zeros still to be added."""
        value = self.image(node, where)
        value.check_padding(where)
        return value

    def add(self, step: Step, segments: Segments = ()) -> TracedValue:
        """The value of a new step."""
        self.steps[step.name] = step
        return TracedValue(step.name, step.shape, segments)

    def change(self, x: TracedValue, **fields: Any) -> TracedValue:
        """The value, whose step does something else at its end."""
        self.steps[x.name] = replace(self.steps[x.name], **fields)
        return x

    def new_name(self, path: str) -> str:
        """An identifier for what stands at `path` of the module, unlike all before."""
        plain = re.sub(r"[^a-z0-9]+", "_", path.lower()).strip("_")
        plain = self.prefix + (plain if plain[:1].isalpha() else f"layer_{plain}")[:LONGEST_NAME]
        taken = {*self.steps, *ATTRIBUTES, INPUT, NORMALIZE}
        number = 2
        name = plain
        while name in taken or DERIVED.search(name):
            name, number = f"{plain}_{number}", number + 1
        return name

    def layer(self, path: str, rows: Tensor, bias: Tensor | None, *, depthwise: bool = False, seed: int | None = None) -> str:
        """The layer of a module, which several steps share when the module is called several times. rows: its matrix."""
        if path not in self._of_module:
            name = self.new_name(path)
            self._of_module[path] = name
            self.layers[name] = Layer(name, rows.shape[0], rows.shape[1], depthwise, bias is not None, seed=seed)
            self._parameters[name] = LayerModules(rows.detach(), None if bias is None else bias.detach())
        elif not torch.equal(self._parameters[self._of_module[path]].weight, rows):
            raise UnsupportedError(f"{self.where(path)} reads flattened maps of different shapes: use several layers")
        return self._of_module[path]

    def is_alone(self, value: TracedValue) -> bool:
        """Whether one node alone reads a value, under whatever name."""
        return all(len(node.users) == 1 for node, known in self.values.items() if known.name == value.name)

    def is_foldable(self, x: TracedValue) -> bool:
        """Whether x is a convolution's own result, which nobody else reads."""
        step = self.steps.get(x.name)
        foldable = step is not None and step.layer != "" and not step.relu and self.is_alone(x)
        return foldable and step is not None and self.layers[step.layer].seed is None  # a negative factor would turn drawn signs

    def overwrite(self, old: TracedValue, new: TracedValue, where: str) -> TracedValue:
        """What happens in place: whoever reads the old value from here on reads the new one."""
        for node, value in self.values.items():
            if value.name != old.name and self._shown(value.name) == self._shown(old.name) and not node.users.keys() <= self.values.keys():
                raise UnsupportedError(f"{where} changes in place what is read later on the other side of a Flatten: do not work in place")
            if value.name == old.name and not value.is_padded:
                self.values[node] = replace(value, name=new.name)
        return new

    def _shown(self, name: str) -> str:
        """The value whose memory a value shows in torch: a flattened one's map."""
        step = self.steps.get(name)
        return step.inputs[0] if step is not None and not LAYER_KINDS[step.kind].keeps_positions else name

    def finished(self, output: str) -> Traced:
        """The plan of what a value depends on."""
        steps = self._needed(output)
        layers = {name: self._with_folded(self.layers[name], steps) for name in dict.fromkeys(step.layer for step in steps if step.layer)}
        plan = Plan(self.input_shape, tuple(layers.values()), tuple(steps))
        return Traced(move_pool_factors(plan), {name: self._parameters[name] for name in layers})

    def _needed(self, output: str) -> list[Step]:
        names, steps = {output}, []
        for step in reversed(self.steps.values()):
            if step.name in names:
                names.update(step.inputs)
                steps.append(step)
        return steps[::-1]

    def _with_folded(self, layer: Layer, steps: Sequence[Step]) -> Layer:
        """The layer and its parameters with the normalisation and the factor of all the steps that read it."""
        first, *others = {self.folded.get(step.name, Folded()) for step in steps if step.layer == layer.name}
        if others:
            path = next(path for path, name in self._of_module.items() if name == layer.name)
            raise UnsupportedError(
                f"{self.where(path)} is used several times, not always with the same normalisation and factor: use several layers"
            )
        parameters = self._parameters[layer.name]
        parameters.norm = self.modules[first.norm] if first.norm else None
        parameters.scale = operator.attrgetter(first.scale)(self.module).detach() if first.scale else None
        return replace(layer, normalized=bool(first.norm), scaled=bool(first.scale))
