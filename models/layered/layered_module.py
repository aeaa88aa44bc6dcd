"""The layers of a plan, and the program of its steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import cast

from torch import Tensor, nn

from ..applied import AppliedLayer, LayerParameters, Statistics
from ..arithmetic import NORMALIZED
from ..matrix import Value
from .kinds import LAYER_KINDS, LayerArithmetic
from .plan import Plan, Step
from .plan_check import INPUT
from .traced import LayerModules


class LayeredModule(nn.Module):
    """The layers of a plan, and the run of its steps.

    dropout: probability for entries of what the last layer reads, in training only. folds: batch normalisation uses its running statistics
    in training too, folded into the weights; without it it uses those of the batch. factor_of: of each layer that is the first of two
    factors of another one, of which the name.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        uses = Counter(step.layer for step in plan.steps)
        self.layers = nn.ModuleDict({layer.name: LayerParameters(layer, repeats=uses[layer.name] > 1) for layer in plan.layers})
        self.dropout = 0.0
        self.folds = False
        self.factor_of: Mapping[str, str] = {}

    def become(self, plan: Plan, layers: Mapping[str, LayerParameters], factor_of: Mapping[str, str]) -> None:
        """Take another plan of the same values but for what stands between them, and all of its layers."""
        self.plan, self.factor_of = plan, factor_of
        self.layers = nn.ModuleDict({layer.name: layers[layer.name] for layer in plan.layers})

    def whole(self, layer: str) -> str:
        """The layer of which that one is a factor, or is all: the name under which an entry of `compress` has it."""
        return self.factor_of.get(layer, layer)

    def parameters_of(self, layer: str) -> LayerParameters:
        """Those of the layer of that name."""
        return cast(LayerParameters, self.layers[layer])

    def load(self, modules: Mapping[str, LayerModules]) -> None:
        """Take the values of traced modules, by layer."""
        for name, module in modules.items():
            self.parameters_of(name).load(module)

    @property
    def by_name(self) -> Mapping[str, LayerParameters]:
        """Every layer's parameters by its name."""
        return {layer.name: self.parameters_of(layer.name) for layer in self.plan.layers}

    @property
    def has_norm(self) -> bool:
        """Whether any layer is normalised by batch."""
        return any(layer.normalized for layer in self.plan.layers)

    def run(self, arithmetic: LayerArithmetic[Value], x: Value) -> dict[str, Value]:
        """Every value by name, from what the first steps read: the program."""
        values = {INPUT: x}
        statistics = self.statistics()
        for step in self.plan.steps:
            values[step.name] = self.run_step(arithmetic, step, [values[name] for name in step.inputs], statistics)
        return values

    def statistics(self, running: Tensor | None = None) -> Statistics | None:
        """What a batch is normalised with, of the steps `running` of its sequences; None: normalisation is folded."""
        return Statistics(running) if self.training and not self.folds else None

    def run_step(self, arithmetic: LayerArithmetic[Value], step: Step, read: Sequence[Value], statistics: Statistics | None) -> Value:
        """What a step makes of what it reads. statistics: of this batch so far; None: normalisation is folded."""
        kind = LAYER_KINDS[step.kind]
        if not kind.has_layer:
            return kind.run(arithmetic, read, step, None)
        if step.name == self.plan.output:
            read = [arithmetic.dropout(x, self.dropout, training=self.training) for x in read]
        return kind.run(arithmetic, read, step, self.applied(step, statistics))

    def applied(self, step: Step, statistics: Statistics | None = None) -> AppliedLayer:
        """The layer of a step as that applies it."""
        return AppliedLayer(step, self.parameters_of(step.layer), self.known_as(step.inputs[0]), statistics)

    def known_as(self, name: str) -> str:
        """The name by which formats know a value of the plan."""
        return NORMALIZED if name == INPUT else name
