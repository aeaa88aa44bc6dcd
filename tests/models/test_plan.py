"""net.json: a plan comes back as it was written, and a damaged one is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rescomp.errors import InputError
from rescomp.models import NetShape, Plan, trace
from rescomp.models.dscnn import dscnn
from rescomp.models.resnet import resnet

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
    "an unknown kind": (set_step("kind", "attention"), "damaged .*step .* does not fit the others"),
    "a value from nowhere": (set_step("inputs", ["nowhere"]), "damaged .*does not fit the others"),
    "a later value": (set_step("inputs", ["classifier"]), "damaged .*does not fit the others"),
    "an unknown layer": (set_step("layer", "nowhere"), "damaged .*does not fit the others"),
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
