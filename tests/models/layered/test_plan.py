"""net.json: a plan comes back as it was written, and a damaged one is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rescomp.errors import InputError
from rescomp.models import NetShape, Plan, Step, trace
from rescomp.models.layered.dscnn import dscnn
from rescomp.models.layered.resnet import resnet

SHAPES = {
    "resnet1d": (resnet, NetShape((8, 3), 4, (2, 3), causal=True, norm="none")),
    "resnet2d": (resnet, NetShape((8, 4, 3), 4, (2, 3))),
    "dscnn2d": (dscnn, NetShape((9, 5, 1), 4, (3,), stem_kernel=(4, 3), stem_stride=2)),
}


def plan(name: str = "resnet1d") -> Plan:
    build, shape = SHAPES[name]
    return trace(build(shape), shape.input_shape, shape.classes).plan


@pytest.mark.parametrize("name", SHAPES)
def test_round_trip(name: str) -> None:
    again = Plan.from_json(plan(name).to_json(), "net.json")
    assert again == plan(name)
    assert again.to_json() == plan(name).to_json()
    assert hash(again.steps) == hash(plan(name).steps), "tuples stay tuples"


class Fork(nn.Module):
    """Two layers read the input, one of them behind a pool; one is between; two are summed to the scores."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 2, stride=2), nn.Conv2d(4, 4, 1)
        self.d, self.e, self.pool = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1), nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.c(torch.relu(self.a(self.pool(x)) + self.b(x))).mean((2, 3), keepdim=True)
        return (self.d(y) + self.e(y)).flatten(1)


def test_first_and_last_layers() -> None:
    assert plan().first_and_last() == plan("resnet2d").first_and_last() == {"stem", "classifier"}
    assert trace(Fork(), (6, 6, 3), 4).plan.first_and_last() == {"a", "b", "d", "e"}
    single = nn.Sequential(nn.Flatten(), nn.Linear(12, 4))
    assert trace(single, (4, 3), 4).plan.first_and_last() == {"layer_1"}


def without(key: str) -> Callable[[Any], None]:
    return lambda document: document.pop(key)


def set_step(key: str, value: Any) -> Callable[[Any], None]:
    return lambda document: document["steps"][1].update({key: value})


DAMAGES = {
    "no steps": (without("steps"), "damaged"),
    "no layers": (without("layers"), "damaged"),
    "no schema": (without("schema"), "damaged"),
    "another schema": (lambda document: document.update(schema=2), "has schema 2, this rescomp reads 1"),
    "a list": (lambda document: document.update(steps={}), "damaged"),
    "empty": (lambda document: document.update(steps=[]), "damaged"),
    "an unknown kind": (set_step("kind", "attention"), "damaged .*Step.kind cannot be 'attention'"),
    "a value from nowhere": (set_step("inputs", ["nowhere"]), "damaged .*does not fit the others"),
    "a later value": (set_step("inputs", ["classifier"]), "damaged .*does not fit the others"),
    "an unknown layer": (set_step("layer", "nowhere"), "damaged .*cannot give the shape"),
    "a step without its name": (lambda document: document["steps"][0].pop("name"), "damaged"),
    "a layer without rows": (lambda document: document["layers"][0].pop("rows"), "damaged"),
    "a wrong input": (lambda document: document.update(input_shape="wide"), "damaged"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_plan_is_refused(name: str) -> None:
    change, message = DAMAGES[name]
    document = json.loads(plan().to_json())
    change(document)
    with pytest.raises(InputError, match=rf"net\.json .*{message}|net\.json {message}"):
        Plan.from_json(json.dumps(document).encode(), "net.json")


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"3", plan().to_json()[:-20]])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match=r"^net\.json is damaged .*: train the model again$"):
        Plan.from_json(data, "net.json")


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (("steps", 0, "kind"), {}, "Step.kind cannot be"),
        (("steps", 0, "shape"), [1, 10**12, 1], "Step.shape cannot be"),
        (("steps", 0, "shape"), [1, 1, 1], "cannot give the shape"),
        (("steps", 0, "inputs"), [], "does not fit the others"),
        (("steps", 0, "inputs"), [[]], "Step.inputs cannot be"),
        (("steps", 0, "stride"), [0, 1], "stride of at least 1"),
        (("steps", 0, "relu"), 1, "Step.relu cannot be"),
        (("steps", 0, "factor"), "1", "Step.factor cannot be"),
        (("steps", 0, "name"), "x */", "is not a lower-case C identifier"),
        (("layers", 0, "rows"), True, "Layer.rows cannot be"),
        (("layers", 0, "rows"), 10**9, "past what a model may hold"),
        (("layers", 0, "columns"), -1, "past what a model may hold"),
        (("layers", 0, "seed"), 1.0, "Layer.seed cannot be"),
        (("input_shape",), [10**9, 3], "one to 4,194,304 entries"),
        (("input_shape",), [8], "no input"),
        (("input_shape",), "83", "whole numbers"),
        (("steps",), [], "no steps"),
        (("layers",), {}, "cannot give the shape"),
    ],
)
def test_a_plan_that_somebody_else_wrote_is_refused(place, value, reason):
    layer = {"name": "a", "rows": 4, "columns": 9, "depthwise": False, "biased": True, "normalized": False, "scaled": False, "seed": None}
    step = Step("a", "convolution", ("input",), (1, 6, 4), "a", (1, 3))
    document = {"schema": 1, "input_shape": [8, 3], "layers": [layer], "steps": [json.loads(json.dumps(asdict(step)))]}
    assert Plan.from_json(json.dumps(document).encode(), "net.json").steps == (step,)
    target = document
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    with pytest.raises(InputError, match=reason):
        Plan.from_json(json.dumps(document).encode(), "net.json")
