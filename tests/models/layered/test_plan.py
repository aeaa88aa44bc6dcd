"""net.json: a net comes back as it was written, by this version and the ones before; a damaged file is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rescomp.errors import InputError
from rescomp.models import Blueprint, NetShape, Plan, RecurrentNet, Step, build_net, trace
from rescomp.models.layered.dscnn import dscnn
from rescomp.models.layered.resnet import resnet
from rescomp.recipe import load_recipe

SHAPES = {
    "resnet1d": (resnet, NetShape((8, 3), 4, (2, 3), causal=True, norm="none")),
    "resnet2d": (resnet, NetShape((8, 4, 3), 4, (2, 3))),
    "dscnn2d": (dscnn, NetShape((9, 5, 1), 4, (3,), stem_kernel=(4, 3), stem_stride=2)),
}


def plan(name: str = "resnet1d") -> Plan:
    build, shape = SHAPES[name]
    return trace(build(shape), shape.input_shape, shape.classes).plan


def older(plan: Plan) -> bytes:
    """What earlier versions wrote of a net of layers."""
    return json.dumps({"schema": 1, **asdict(plan)}).encode()


@pytest.mark.parametrize("name", SHAPES)
def test_round_trip(name: str) -> None:
    whole = Blueprint((plan(name),), plan(name).input_shape[-1], 4)
    again = Blueprint.from_json(whole.to_json(), "net.json")
    assert again == Blueprint.from_json(older(plan(name)), "net.json") == whole
    assert again.to_json() == whole.to_json()
    assert hash(again.parts[0]) == hash(plan(name)), "tuples stay tuples"


STAGES = (
    '[{kind="convolution",width=4,stride=2},{kind="gru",hidden_size=5,rank_u=2},{kind="convolution",width=3,norm="none"},'
    '{kind="lstm",hidden_size=6},{kind="dense",width=7}]'
)


def mixed() -> RecurrentNet:
    net = build_net(load_recipe(None, [f"model.stages={STAGES}", "model.nonlinearity=piecewise_linear"]).model, (3,), 4)
    assert isinstance(net, RecurrentNet)
    return net


def test_a_net_of_layers_and_cells_is_one_file() -> None:
    net = mixed()
    again = Blueprint.from_json(Blueprint.of(net).to_json(), "net.json")
    assert again == Blueprint.of(net)
    assert {name: value.shape for name, value in again.net().state_dict().items()} == {
        name: value.shape for name, value in net.state_dict().items()
    }
    assert again.net().state_shapes == net.state_shapes


def set_part(place: int, *keys: Any, value: Any) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        target = document["parts"][place]
        for key in keys[:-1]:
            target = target[key]
        target[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda document: document.update(schema=3), "has schema 3, this rescomp reads 1 and 2"),
        (lambda document: document.update(parts=[]), "0 parts"),
        (lambda document: document.update(parts=document["parts"] * 20), "parts"),
        (lambda document: document.update(parts=document["parts"][1:2] * 9), "9 cells among them"),
        (lambda document: document["parts"].reverse(), "do not fit|does not fit"),
        (lambda document: document.update(more=1), "other keys than parts"),
        (lambda document: document.update(channels=7), "do not fit"),
        (lambda document: document.update(channels=True), "no channels"),
        (lambda document: document.update(classes=1 << 17), "no channels or classes, or too many"),
        (lambda document: document.update(nonlinearity="relu"), "nonlinearity 'relu'"),
        (set_part(1, "kind", value="gruu"), "cell 'gruu'"),
        (set_part(1, "kind", value=["gru"]), "damaged"),
        (set_part(1, "shape", "hidden_size", value=1 << 12), "have .* entries|does not fit"),
        (set_part(1, "shape", "rank_u", value=0), "does not fit"),
        (set_part(1, "shape", "suffix", value="_x"), "suffixes"),
        (set_part(3, "shape", "suffix", value=""), "suffixes"),
        (set_part(0, "steps", 0, "padding", value=[0, 0, 0, 1]), "looks ahead"),
        (set_part(4, "steps", 0, "kernel_size", value=[1, 2]), "damaged"),
        (set_part(2, "steps", 0, "name", value="convolution1"), "two steps are called 'convolution1'"),
        (set_part(2, "layers", 0, "name", value="convolution1"), "damaged"),
        (lambda document: document["parts"].insert(3, document["parts"][2]), "two parts of layers follow each other"),
        (lambda document: document.update(schema=2.0), "has schema 2.0, this rescomp reads 1 and 2"),
        (lambda document: document.update(schema=True), "has schema True"),
        (set_part(0, "more", value=1), "a part with other keys than kind, input_shape, layers, steps"),
        (set_part(1, "more", value=1), "a part with other keys than kind, shape"),
        (set_part(1, "shape", "rank_w", value=1000000), "damaged .*does not fit the others"),
        (lambda document: document.update(readout={"kind": "sum", "steps": 0}), "damaged .*a readout is one of"),
        (lambda document: document.update(readout={"kind": "mean", "steps": 0}), "damaged .*blocks of 1 to"),
        (lambda document: document["parts"][4].update(layers=document["parts"][4]["layers"] * 4097), "4,098 layers|4,099 layers"),
    ],
)
def test_a_net_of_parts_that_somebody_else_wrote_is_refused(change, reason):
    document = json.loads(Blueprint.of(mixed()).to_json())
    change(document)
    with pytest.raises(InputError, match=rf"net\.json .*({reason})"):
        Blueprint.from_json(json.dumps(document).encode(), "net.json")


def renamed(document: Any, name: str) -> None:
    """The head's layer and step."""
    (layer,), (step,) = document["parts"][4]["layers"], document["parts"][4]["steps"]
    layer["name"] = step["layer"] = step["name"] = name


@pytest.mark.parametrize(
    "name",
    [
        *("forward", "training", "parameters", "", "a.b", "normalize", "h", "h_2", "h_next", "c_2", "scores", "readout_sum", "h_rows"),
        *("normalize_rows", "input_product", "input", "dense5_rows", "layers1_wide", "layers9_a"),
    ],
)
def test_names_that_torch_or_another_value_has_are_refused(name):
    document = json.loads(Blueprint.of(mixed()).to_json())
    renamed(document, "layers3_dense")
    assert Blueprint.from_json(json.dumps(document).encode(), "net.json").net()
    renamed(document, name)
    with pytest.raises(InputError, match=r"^net\.json is damaged"):
        Blueprint.from_json(json.dumps(document).encode(), "net.json")


def test_two_layers_that_read_different_stretches_are_refused() -> None:
    document = json.loads(Blueprint.of(mixed()).to_json())
    front = document["parts"][0]
    (layer,), step = front["layers"], front["steps"][0]
    other, longer = {**layer, "name": "convolution9", "columns": 12}, {**step, "name": "convolution9", "layer": "convolution9"}
    front["layers"].append(other)
    front["steps"].append({**longer, "kernel_size": [1, 4], "padding": [0, 0, 2, 0], "relu": False})
    with pytest.raises(InputError, match=r"net\.json is damaged .*convolution1 and convolution9 read different stretches of normalize"):
        Blueprint.from_json(json.dumps(document).encode(), "net.json")


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


FACTORS = (("gain_in", 10**301), ("gain_out", 10**301), ("gain_out", -1e300), ("factor", 1e300), ("factor", 1e-300), ("factor", 0.0))
DAMAGES = {
    "no steps": (without("steps"), "damaged"),
    "no layers": (without("layers"), "damaged"),
    "no schema": (without("schema"), "damaged"),
    "another schema": (lambda document: document.update(schema=3), "has schema 3, this rescomp reads 1 and 2"),
    "a list": (lambda document: document.update(steps={}), "damaged"),
    "empty": (lambda document: document.update(steps=[]), "damaged"),
    "an unknown kind": (set_step("kind", "attention"), "damaged .*Step.kind cannot be 'attention'"),
    **{f"{name} {value:.0g}": (set_step(name, value), "multiplies by what no layer does") for name, value in FACTORS},
    "a layer of a kind that has none": (set_step("kind", "abs"), "damaged .*does not fit the others, for abs reads 1 value"),
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
    document = json.loads(older(plan()))
    change(document)
    with pytest.raises(InputError, match=rf"net\.json .*{message}|net\.json {message}"):
        Blueprint.from_json(json.dumps(document).encode(), "net.json")


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"3", older(plan())[:-20]])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match=r"^net\.json is damaged .*: train the model again$"):
        Blueprint.from_json(data, "net.json")


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
        (("layers", 0, "name"), "training", "no layer can be called 'training'"),
        (("layers", 0, "name"), "", "is not a lower-case C identifier"),
        (("steps", 0, "name"), "normalize", "does not fit the others"),
        (("layers",), [{}] * 4097, "4,097 layers and 1 steps, and a model holds at most 4,096"),
        (("more",), 1, "other keys than schema"),
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
    assert Blueprint.from_json(json.dumps(document).encode(), "net.json").parts[0].steps == (step,)
    target = document
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    with pytest.raises(InputError, match=reason):
        Blueprint.from_json(json.dumps(document).encode(), "net.json")
