"""A traced net computes what its torch module computes, in every supported form; what is not supported is refused by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rescomp.compress import calibrate, constrain
from rescomp.errors import InputError, UnsupportedError
from rescomp.graph.evaluate import evaluate
from rescomp.lowering.lower import lower
from rescomp.models import FeedForwardNet, trace
from rescomp.models.layered.convolutions import NetShape
from rescomp.models.layered.hourglass import RandomProjection
from rescomp.models.layered.resnet import resnet
from rescomp.recipe import Quantize
from rescomp.validate.torch_net import evaluate_net

TIME, IMAGE = (12, 3), (8, 6, 3)
CLASSES = 4


class Net(nn.Module):
    """Modules by name and a forward that uses them: Net(lambda net, x: ..., conv=nn.Conv1d(...))."""

    def __init__(self, forward: Callable[[Net, Tensor], Tensor], **modules: nn.Module | nn.Parameter) -> None:
        super().__init__()
        self.run = forward
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


def images(*layers: nn.Module, channels: int) -> nn.Sequential:
    """Layers over images, and a head that reads `channels` of them."""
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES))


def windows(*layers: nn.Module, channels: int) -> nn.Sequential:
    """The same over time."""
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(channels, CLASSES))


def head(x: Tensor) -> Tensor:
    return torch.flatten(F.relu(x), 1)


def scalar(value: float) -> nn.Parameter:
    return nn.Parameter(torch.tensor(value))


@torch.no_grad()
def randomize(module: nn.Module) -> nn.Module:
    """Random statistics and parameters for every batch normalisation."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.1, 3)
            if norm.affine:
                norm.weight.normal_()
                norm.bias.normal_()
    return module


@torch.no_grad()
def difference(module: nn.Module, shape: tuple[int, ...]) -> float:
    """Between the traced net's scores and the module's, relative to the largest of these, in float64."""
    net = FeedForwardNet.of(trace(module, shape, CLASSES)).double().eval()
    module = module.double().eval()
    x = torch.randn(7, *shape, dtype=torch.float64)
    wanted = module(x.movedim(-1, 1).clone())
    assert wanted.std() > 1e-3
    assert len(wanted.unique(dim=0)) == 7, "scores that do not depend on the input prove nothing"
    return float((net(x) - wanted).abs().max() / wanted.abs().max())


LAYERS = {
    "conv1d": lambda: windows(nn.Conv1d(3, 5, 3), channels=5),
    "conv1d stride and padding": lambda: windows(nn.Conv1d(3, 5, 4, stride=3, padding=2), channels=5),
    "conv1d same": lambda: windows(nn.Conv1d(3, 5, 4, padding="same"), channels=5),
    "conv1d valid without bias": lambda: windows(nn.Conv1d(3, 5, 4, padding="valid", bias=False), channels=5),
    "conv2d": lambda: images(nn.Conv2d(3, 5, (3, 2)), channels=5),
    "conv2d stride and padding": lambda: images(nn.Conv2d(3, 5, (3, 2), stride=(1, 2), padding=(2, 1)), channels=5),
    "conv2d same": lambda: images(nn.Conv2d(3, 5, (2, 4), padding="same"), channels=5),
    "depthwise over time": lambda: windows(nn.Conv1d(3, 3, 3, groups=3, padding=1), channels=3),
    "depthwise over images": lambda: images(nn.Conv2d(3, 3, (3, 2), stride=2, groups=3), nn.Conv2d(3, 5, 1), channels=5),
    "depthwise after a global pool": lambda: images(nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 3, 1, groups=3), channels=3),
    "1x1 with padding after a global pool": lambda: images(nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 5, 1, padding=1), channels=5),
    "linear over a map": lambda: nn.Sequential(nn.Conv2d(3, 5, 3), nn.Flatten(), nn.Linear(6 * 4 * 5, CLASSES)),
    "linear over the window itself": lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 6), nn.ReLU(), nn.Linear(6, CLASSES)),
    "relu between flatten and linear": lambda: nn.Sequential(nn.Conv1d(3, 5, 3), nn.Flatten(), nn.ReLU(), nn.Linear(50, CLASSES)),
    "relu in place between flatten and linear": lambda: nn.Sequential(
        nn.Conv1d(3, 5, 3), nn.Flatten(), nn.ReLU(inplace=True), nn.Linear(50, CLASSES)
    ),
    "dropout between flatten and linear": lambda: nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(36, CLASSES)),
    "batch norm after conv": lambda: images(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), channels=5),
    "batch norm without affine": lambda: windows(nn.Conv1d(3, 5, 3, bias=False), nn.BatchNorm1d(5, affine=False, eps=0.1), channels=5),
    "batch norm after linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 6), nn.BatchNorm1d(6), nn.Linear(6, CLASSES)),
    "depthwise with batch norm": lambda: windows(nn.Conv1d(3, 3, 3, groups=3), nn.BatchNorm1d(3), nn.ReLU(), channels=3),
    "relu of the input": lambda: windows(nn.ReLU(), nn.Conv1d(3, 5, 3), channels=5),
    "relu after a pool": lambda: windows(nn.Conv1d(3, 5, 3), nn.AvgPool1d(2), nn.ReLU(), channels=5),
    "max pool": lambda: images(nn.Conv2d(3, 5, 3), nn.MaxPool2d(2), channels=5),
    "max pool with a stride": lambda: windows(nn.MaxPool1d(3, stride=2), nn.Conv1d(3, 5, 1), channels=5),
    "max pool padded": lambda: images(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1), channels=5),
    "max pool padded over time": lambda: windows(nn.Conv1d(3, 5, 3), nn.ReLU(), nn.MaxPool1d(2, padding=1), channels=5),
    "average pool": lambda: images(nn.Conv2d(3, 5, 3), nn.AvgPool2d(2), nn.Conv2d(5, 4, 2), channels=4),
    "average pool of 9": lambda: images(nn.AvgPool2d(3, 1), nn.Conv2d(3, 5, 2), nn.ReLU(), channels=5),
    "average pool of 3 padded": lambda: windows(nn.AvgPool1d(3, 2, padding=1), nn.Conv1d(3, 5, 2), channels=5),
    "average pool of 6 padded": lambda: images(nn.AvgPool2d((3, 2), (1, 2), padding=(1, 1)), nn.Conv2d(3, 5, 2), channels=5),
    "average pools in a row": lambda: images(nn.AvgPool2d(3, 1), nn.AvgPool2d((3, 1), 1), nn.ReLU(), nn.Conv2d(3, 5, 2), channels=5),
    "average pool that leaves no zeros out": lambda: windows(nn.AvgPool1d(3, count_include_pad=False), channels=3),
    "global max": lambda: nn.Sequential(nn.Conv2d(3, 5, 3), nn.AdaptiveMaxPool2d((1, 1)), nn.Flatten(), nn.Linear(5, CLASSES)),
    "global max over time": lambda: nn.Sequential(nn.Conv1d(3, 5, 3), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(5, CLASSES)),
    "zeros before a convolution": lambda: images(nn.ZeroPad2d((2, 1, 0, 3)), nn.Conv2d(3, 5, 3), channels=5),
    "zeros before a padded convolution": lambda: windows(nn.ConstantPad1d((2, 0), 0.0), nn.Conv1d(3, 5, 3, padding=1), channels=5),
    "zeros twice": lambda: windows(nn.ZeroPad1d((2, 0)), nn.ZeroPad1d((0, 1)), nn.Conv1d(3, 5, 3), channels=5),
    "zeros before an average": lambda: windows(nn.Conv1d(3, 5, 3), nn.ZeroPad1d((2, 1)), nn.AvgPool1d(4), channels=5),
    "zeros before a global average": lambda: windows(nn.Conv1d(3, 5, 3), nn.ZeroPad1d((2, 4)), channels=5),
    "dropout and identity": lambda: images(nn.Identity(), nn.Conv2d(3, 5, 3), nn.Dropout2d(0.5), nn.ReLU(), nn.Dropout(0.2), channels=5),
    "nested": lambda: windows(nn.Sequential(nn.Sequential(nn.Conv1d(3, 5, 3), nn.BatchNorm1d(5)), nn.ReLU()), channels=5),
    "scores of a convolution": lambda: nn.Sequential(nn.Conv2d(3, 5, 3), nn.Conv2d(5, CLASSES, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
}


def shape_of(module: nn.Module) -> tuple[int, ...]:
    """The input that a net of LAYERS is for."""
    return IMAGE if any(isinstance(layer, nn.Conv2d | nn.AvgPool2d) for layer in module.modules()) else TIME


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str) -> None:
    torch.manual_seed(0)
    module = randomize(LAYERS[name]())
    assert difference(module, shape_of(module)) < 1e-9


def conv(inputs: int = 3, outputs: int = 5) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def last(channels: int = 5) -> nn.Linear:
    return nn.Linear(channels, CLASSES)


FUNCTIONS = {
    "relu function": lambda: Net(lambda n, x: n.b(F.relu(n.a(x)).mean((2, 3))), a=conv(), b=last()),
    "torch.relu": lambda: Net(lambda n, x: n.b(torch.relu(n.a(x)).mean((-2, -1))), a=conv(), b=last()),
    "relu method": lambda: Net(lambda n, x: n.b(n.a(x).relu().mean(dim=[2, 3])), a=conv(), b=last()),
    "relu beside its input": lambda: Net(lambda n, x: (lambda y: n.b((y + F.relu(y)).mean((2, 3))))(n.a(x)), a=conv(), b=last()),
    "relu beside its input through identity": lambda: Net(
        lambda n, x: (lambda y: n.b((y + F.relu(n.i(y))).mean((2, 3))))(n.a(x)), a=conv(), b=last(), i=nn.Identity()
    ),
    "relu in place beside its input": lambda: Net(
        lambda n, x: (lambda y: n.b(torch.add(n.r(y), y).mean((2, 3))))(n.a(x)), a=conv(), b=last(), r=nn.ReLU(inplace=True)
    ),
    "relu_ beside its input": lambda: Net(lambda n, x: (lambda y: n.b((y.relu_() + y).mean((2, 3))))(n.a(x)), a=conv(), b=last()),
    "a value read before it is changed in place": lambda: Net(
        lambda n, x: (lambda y: n.b((n.c(y) + n.r(y)).mean((2, 3))))(n.a(x)), a=conv(), c=conv(5), b=last(), r=nn.ReLU(inplace=True)
    ),
    "torch.mean with keepdim": lambda: Net(
        lambda n, x: n.b(torch.flatten(torch.mean(n.a(x), dim=(2, 3), keepdim=True), 1)), a=conv(), b=last()
    ),
    "torch.flatten": lambda: Net(lambda n, x: n.b(torch.flatten(n.a(x), start_dim=1)), a=conv(), b=nn.Linear(240, CLASSES)),
    "flatten method": lambda: Net(lambda n, x: n.b(n.a(x).flatten(1)), a=conv(), b=nn.Linear(240, CLASSES)),
    "flatten by positions": lambda: Net(lambda n, x: n.b(n.a(x).flatten(1, -1)), a=conv(), b=nn.Linear(240, CLASSES)),
    "flatten twice": lambda: Net(lambda n, x: n.b(n.a(x).flatten(1).flatten(1)), a=conv(), b=nn.Linear(240, CLASSES)),
    "a factor between flatten and linear": lambda: Net(lambda n, x: n.b(x.flatten(1) * 0.5), b=nn.Linear(144, CLASSES)),
    "a sum between flatten and linear": lambda: Net(
        lambda n, x: n.b(x.flatten(1) + n.a(x).flatten(1)), a=conv(3, 3), b=nn.Linear(144, CLASSES)
    ),
    "two linears over one pool": lambda: Net(lambda n, x: (lambda y: n.b(y) + n.c(y))(n.a(x).mean((2, 3))), a=conv(), b=last(), c=last()),
    "a pool beside a linear": lambda: Net(
        lambda n, x: n.b(n.a(x).mean((2, 3)) + n.c(x.flatten(1))), a=conv(), b=last(), c=nn.Linear(144, 5)
    ),
    "sum": lambda: Net(lambda n, x: n.b((x + n.a(x)).mean((2, 3))), a=conv(3, 3), b=last(3)),
    "torch.add": lambda: Net(lambda n, x: n.b(torch.add(n.c(x), n.a(x)).mean((2, 3))), a=conv(), c=conv(), b=last()),
    "add method": lambda: Net(lambda n, x: n.b(n.c(x).add(n.a(x)).relu().mean((2, 3))), a=conv(), c=conv(), b=last()),
    "sum of a value with itself": lambda: Net(lambda n, x: (lambda y: n.b((y + y).mean((2, 3))))(n.a(x)), a=conv(), b=last()),
    "number": lambda: Net(lambda n, x: n.b((n.a(x) * -0.3).relu().mean((2, 3))), a=conv(), b=last()),
    "number from the left": lambda: Net(lambda n, x: n.b((0.3 * n.a(x)).relu().mean((2, 3))), a=conv(), b=last()),
    "number after relu": lambda: Net(lambda n, x: n.b(n.c(torch.mul(F.relu(n.a(x)), 3)).mean((2, 3))), a=conv(), c=conv(5), b=last()),
    "number times the input": lambda: Net(lambda n, x: n.b(n.a(x * 0.7).mean((2, 3))), a=conv(), b=last()),
    "scalar parameter": lambda: Net(lambda n, x: n.b((n.c(x) + n.a(x) * n.s).mean((2, 3))), a=conv(), c=conv(), b=last(), s=scalar(-0.4)),
    "parameter and number after a norm": lambda: Net(
        lambda n, x: n.b((n.s * n.n(n.a(x)) * 2).relu().mean((2, 3))), a=conv(), n=nn.BatchNorm2d(5), b=last(), s=scalar(0.4)
    ),
    "concatenated channels": lambda: Net(lambda n, x: n.b(n.c(torch.cat([x, n.a(x)], 1)).mean((2, 3))), a=conv(), c=conv(8), b=last()),
    "concatenated channels, named": lambda: Net(
        lambda n, x: n.b(torch.concat(tensors=(n.a(x), n.c(x).relu()), dim=-3).mean((2, 3))), a=conv(), c=conv(3, 2), b=last(7)
    ),
    "many concatenated values": lambda: Net(
        lambda n, x: n.b(n.d(torch.concatenate([x, n.a(x), n.c(x), x], axis=1)).mean((2, 3))), a=conv(), c=conv(3, 2), d=conv(13), b=last()
    ),
    "one concatenated value": lambda: Net(lambda n, x: n.b(torch.cat([n.a(x)], 1).mean((2, 3))), a=conv(), b=last()),
    "a value beside itself": lambda: Net(lambda n, x: (lambda y: n.b(torch.cat([y, y], 1).mean((2, 3))))(n.a(x)), a=conv(), b=last(10)),
    "concatenated before it is changed in place": lambda: Net(
        lambda n, x: (lambda y: n.b((torch.cat([y, x], 1).relu_() + torch.cat([x, y], 1)).mean((2, 3))))(n.a(x)), a=conv(), b=last(8)
    ),
    "concatenated pools": lambda: Net(
        lambda n, x: n.b(torch.cat([n.a(x).mean((2, 3)), n.m(n.a(x)).flatten(1)], 1)), a=conv(), m=nn.AdaptiveMaxPool2d(1), b=last(10)
    ),
    "a concatenated average of 9": lambda: Net(
        lambda n, x: n.b(n.d(torch.cat([n.p(n.a(x)), n.a(x)], 1)).mean((2, 3))), a=conv(), p=nn.AvgPool2d(3, 1, 1), d=conv(10), b=last()
    ),
    "concatenated flattened maps": lambda: Net(
        lambda n, x: n.b(torch.cat([n.a(x).flatten(1), n.p(x).flatten(1)], -1)), a=conv(), p=nn.AvgPool2d(2), b=nn.Linear(276, CLASSES)
    ),
    "flattened maps between pooled ones": lambda: Net(
        lambda n, x: (lambda y, z: n.b(torch.cat([y, z, x.flatten(1), y, z], 1)))(n.a(x).mean((2, 3)), n.c(x).mean((2, 3))),
        a=conv(),
        c=conv(3, 2),
        b=nn.Linear(158, CLASSES),
    ),
    "abs function": lambda: Net(lambda n, x: n.b(torch.abs(n.a(x)).mean((2, 3))), a=conv(), b=last()),
    "abs of the input": lambda: Net(lambda n, x: n.b(n.a(abs(x)).mean((2, 3))), a=conv(), b=last()),
    "abs between flatten and linear": lambda: Net(lambda n, x: n.b(x.flatten(1).absolute()), b=nn.Linear(144, CLASSES)),
    "abs in place beside its input": lambda: Net(lambda n, x: (lambda y: n.b((y.abs_() + y).mean((2, 3))))(n.a(x)), a=conv(), b=last()),
    "abs before a padded max pool": lambda: Net(
        lambda n, x: n.b(n.m(n.a(x).abs()).mean((2, 3))), a=conv(), m=nn.MaxPool2d(3, padding=1), b=last()
    ),
    "the same module twice": lambda: Net(lambda n, x: n.b(n.a(n.a(x).relu()).mean((2, 3))), a=conv(3, 3), b=last(3)),
    "the same block twice": lambda: Net(
        lambda n, x: n.b(n.a(n.a(x)).mean((2, 3))), a=nn.Sequential(conv(3, 3), nn.BatchNorm2d(3)), b=last(3)
    ),
    "names like torch's own": lambda: Net(lambda n, x: n.items(n.values(x).mean((2, 3))), values=conv(), items=last()),
    "names that differ in case": lambda: Net(lambda n, x: n.b(n.a(n.A(x)).mean((2, 3))), A=conv(), a=conv(5), b=last()),
    "a dead branch": lambda: Net(lambda n, x: (n.d(x), n.b(n.a(x).mean((2, 3))))[1], a=conv(), b=last(), d=conv(3, 9)),
}


def in_place(net: Net, x: Tensor) -> Tensor:
    """A sum into a value that is read again."""
    y = net.a(x)
    z = y
    y += net.c(x)
    return net.b((F.relu(y) + net.d(z)).mean((2, 3)))


def a_factor_in_place(net: Net, x: Tensor) -> Tensor:
    y = net.a(x)
    z = y
    y *= 0.5
    return net.b((y + net.d(z)).mean((2, 3)))


FUNCTIONS["a sum in place"] = lambda: Net(in_place, a=conv(), c=conv(), d=conv(5), b=last())
FUNCTIONS["add_"] = lambda: Net(lambda n, x: n.b(n.a(x).add_(n.c(x)).mean((2, 3))), a=conv(), c=conv(), b=last())
FUNCTIONS["a factor in place"] = lambda: Net(a_factor_in_place, a=conv(), d=conv(5), b=last())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_and_sharing(name: str) -> None:
    torch.manual_seed(1)
    assert difference(randomize(FUNCTIONS[name]()), IMAGE) < 1e-9


FORMATS = [Quantize(), Quantize(bits=6, scale="power_of_two", activations="int8")]


@pytest.mark.parametrize("constraint", FORMATS, ids=["int16", "int8"])
@pytest.mark.parametrize("name", [*LAYERS, *FUNCTIONS])
def test_every_form_as_integers(name: str, constraint: Quantize) -> None:
    torch.manual_seed(0)
    module = randomize((LAYERS | FUNCTIONS)[name]())
    shape = shape_of(module) if name in LAYERS else IMAGE
    net = constrain(FeedForwardNet.of(trace(module, shape, CLASSES)), [constraint])
    x = torch.randint(-3000, 3000, (20, *shape))
    calibrate(net, x / 1024, torch.full((20,), shape[0]), 10)
    integers = x.numpy().astype(np.int16)
    theirs = evaluate(lower(net, "tiny"), integers).scores
    assert len(np.unique(theirs)) > 20
    np.testing.assert_array_equal(evaluate_net(net, integers, np.zeros(0)).scores, theirs)


def test_a_mean_over_time() -> None:
    torch.manual_seed(2)
    assert difference(Net(lambda n, x: n.b(n.a(x).mean(-1)), a=nn.Conv1d(3, 5, 3), b=last()), TIME) < 1e-9


def test_what_can_fold_folds() -> None:
    """relu, normalisation and factors are part of the convolution's step; the pool's odd divisor is part of its reader's."""
    module = images(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.AvgPool2d(3, 1), nn.Conv2d(5, 5, 1), channels=5)
    plan = trace(module, IMAGE, CLASSES).plan
    assert [step.kind for step in plan.steps] == ["convolution", "average_pool", "convolution", "average_pool", "convolution"]
    assert [layer.normalized for layer in plan.layers] == [True, False, False]
    assert plan.steps[0].relu
    assert (plan.steps[1].factor, plan.steps[2].gain_in) == (1 / 16, 16 / 9)
    assert (plan.steps[3].area, plan.steps[3].factor, plan.steps[4].gain_in) == (8, 1 / 8, 1.0)


def test_a_shared_layer_is_one_layer() -> None:
    plan = trace(FUNCTIONS["the same module twice"](), IMAGE, CLASSES).plan
    assert [layer.name for layer in plan.layers] == ["a", "b"]
    assert [(step.name, step.layer) for step in plan.steps if step.kind == "convolution"] == [("a", "a"), ("a_2", "a"), ("b", "b")]


def test_a_dead_branch_leaves_nothing() -> None:
    traced = trace(FUNCTIONS["a dead branch"](), IMAGE, CLASSES)
    assert [layer.name for layer in traced.plan.layers] == ["a", "b"]
    assert set(traced.modules) == {"a", "b"}


def test_a_deep_net() -> None:
    """Deeper than Python's stack."""
    shape = NetShape((4, 1), CLASSES, (1,), blocks=500)
    assert len(trace(resnet(shape), (4, 1), CLASSES).plan.steps) == 1 + 3 * 500 + 2


def block(inner: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Sequential(nn.Conv2d(3, 5, 3), inner), nn.AdaptiveAvgPool2d(1), nn.Flatten(), last())


def shown(change: Callable[[Tensor, Tensor], object]) -> Callable[[Net, Tensor], Tensor]:
    """A forward that reads a map and the same map flattened, which share their memory, after a change in place."""

    def forward(net: Net, x: Tensor) -> Tensor:
        y = net.a(x)
        flat = torch.flatten(y, 1)
        change(y, flat)
        return net.b(flat) + net.b(torch.flatten(y, 1))

    return forward


def calling(function: Callable[[Tensor], Tensor]) -> Net:
    return Net(lambda n, x: n.b(function(n.a(x)).mean((2, 3))), a=conv(), b=last())


def over_time(function: Callable[[Tensor], Tensor], features: int = 5) -> Net:
    """A net over time that calls a function between a convolution and its last layer."""
    return Net(lambda n, x: n.b(function(n.a(x))), a=nn.Conv1d(3, 5, 3), b=nn.Linear(features, CLASSES))


VIEWS = {
    "squeeze behind a pool": over_time(lambda y: F.relu(y).mean(2, keepdim=True).squeeze(-1)),
    "squeeze of every axis": over_time(lambda y: y.mean(2, keepdim=True).squeeze()),
    "squeeze of another axis": over_time(lambda y: y.squeeze(1).mean(2)),
    "unsqueeze and squeeze": over_time(lambda y: y.unsqueeze(1).squeeze(dim=1).mean(2)),
    "view to flat": over_time(lambda y: y.view(y.size(0), -1), 50),
    "view by a shape": over_time(lambda y: y.reshape(y.shape[0], y.shape[1], -1).mean(2)),
    "view to what it is": over_time(lambda y: torch.reshape(y, (-1, 5, 10)).view(y.shape).view(y.size()).mean(2)),
    "view of a pool": over_time(lambda y: y.mean(2, keepdim=True).view(-1, 5)),
    "flat and back": over_time(lambda y: y.mean(2).view(-1, 5, 1).squeeze(2).unsqueeze(2).flatten(1)),
    "flatten of one axis": over_time(lambda y: y.flatten(2).contiguous().flatten(-1, -1).flatten(1, 2), 50),
    "permute that keeps the order": over_time(lambda y: y.permute(0, 1, 2).float().mean(2)),
    "transposed twice": over_time(lambda y: y.transpose(1, 2).transpose(-1, 1).permute(dims=(0, 2, 1)).swapaxes(2, 1).mean(2)),
}


@pytest.mark.parametrize("name", VIEWS)
def test_what_changes_no_axis_is_taken(name: str) -> None:
    module = VIEWS[name]
    net = FeedForwardNet.of(trace(module, TIME, CLASSES)).eval()
    x = torch.randn(3, *TIME)
    assert torch.allclose(net(x), module(x.transpose(1, 2)), atol=1e-5)


def test_a_map_of_one_position_is_squeezed_to_what_linear_reads() -> None:
    for squeeze in (lambda y: y.squeeze(-1).squeeze(-1), lambda y: y.squeeze((2, 3)), torch.squeeze):
        module = Net(lambda n, x, s=squeeze: n.b(s(n.p(n.a(x)))), a=conv(), p=nn.AdaptiveAvgPool2d(1), b=last())
        x = torch.randn(3, *IMAGE)
        assert torch.allclose(FeedForwardNet.of(trace(module, IMAGE, CLASSES)).eval()(x), module(x.permute(0, 3, 1, 2)), atol=1e-5)


@pytest.mark.parametrize("view", [lambda x: x.view(x.size(0), -1), lambda x: x.reshape(-1, 144), lambda x: x.view(x.shape[0], -1)])
def test_an_image_is_flattened_by_any_spelling(view: Callable[[Tensor], Tensor]) -> None:
    module = Net(lambda n, x: n.b(view(x)), b=nn.Linear(144, CLASSES))
    x = torch.randn(3, *IMAGE)
    assert torch.allclose(FeedForwardNet.of(trace(module, IMAGE, CLASSES)).eval()(x), module(x.permute(0, 3, 1, 2).contiguous()), atol=1e-5)


MOVED = {
    "permute at first": (
        Net(lambda n, x: n.b(n.a(x.permute(0, 2, 1)).mean(2)), a=nn.Conv1d(3, 5, 3), b=nn.Linear(5, CLASSES)),
        r"layer 'a' \(Conv1d\) reads axes that were moved, \[batch, width or time, channels\]: rescomp gives the net "
        r"\[batch, channels, time\], .*: leave permute and its like out",
    ),
    "transpose before the mean": (over_time(lambda y: y.transpose(1, 2).mean(1)), "mean in forward reads axes that were moved"),
    "moved and added": (over_time(lambda y: (y.transpose(1, 2) + y.transpose(1, 2)).transpose(1, 2).mean(2)), "add in forward reads axes"),
    "scores behind another axis": (over_time(lambda y: y.mean(2).unsqueeze(1)), r"layer 'b' \(Linear\) reads axes that were moved"),
    "moved scores": (Net(lambda n, x: n.b(n.a(x).mean(2)).unsqueeze(1), a=nn.Conv1d(3, 5, 3), b=nn.Linear(5, 4)), "forward's result reads"),
    "a view of other axes": (over_time(lambda y: y.view(y.size(0), 10, 5).mean(2)), r"view in forward asks for a shape .* torch\.flatten"),
    "a view of a fixed batch": (over_time(lambda y: y.view(32, -1), 50), r"view in forward asks for a shape that layers do not read"),
    "axes out of range": (over_time(lambda y: y.squeeze(7).mean(2)), r"squeeze in forward is not supported with \(7,\)"),
    "the batch's size as a factor": (over_time(lambda y: (y * y.size(0)).mean(2)), "multiplies by the size of the batch"),
    "a copy": (over_time(lambda y: y.clone().mean(2)), "clone in forward is not supported: use the value itself"),
}


@pytest.mark.parametrize("name", MOVED)
def test_axes_in_another_order_are_refused_with_what_to_do(name: str) -> None:
    module, message = MOVED[name]
    with pytest.raises(UnsupportedError, match=message):
        trace(module, TIME, CLASSES)


def test_what_forward_raises_is_the_user_s() -> None:
    with pytest.raises(InputError, match=r"^Net\.forward raised KeyError: 'conv1'.*: correct it there$"):
        trace(Net(lambda n, x: {}["conv1"]), TIME, CLASSES)
    with pytest.raises(InputError, match=r"^Net\.forward raised SystemExit"):
        trace(Net(lambda n, x: raise_exit()), TIME, CLASSES)


def raise_exit() -> Tensor:
    raise SystemExit(0)


UNSUPPORTED = {
    "gelu": (block(nn.GELU()), r"layer '0\.1' \(GELU\) is not supported: use nn\.ReLU"),
    "sigmoid": (block(nn.Sigmoid()), r"layer '0\.1' \(Sigmoid\) is not supported: use nn\.ReLU"),
    "group norm": (block(nn.GroupNorm(1, 5)), r"layer '0\.1' \(GroupNorm\) is not supported: use nn\.BatchNorm1d or nn\.BatchNorm2d"),
    "gru": (
        Net(lambda n, x: n.g(x)[0], g=nn.GRU(6, 4)),
        r"layer 'g' \(GRU\) is not supported: use a rescomp\.models\.RecurrentNet of GruCell",
    ),
    "softmax": (nn.Sequential(block(nn.ReLU()), nn.Softmax(1)), r"layer '1' \(Softmax\) is not supported: use nothing"),
    "upsampling": (block(nn.Upsample(scale_factor=2)), r"layer '0\.1' \(Upsample\) is not supported: supported are Conv1d"),
    "groups": (block(nn.Conv2d(5, 10, 1, groups=5)), r"layer '0\.1' \(Conv2d\) has 5 groups: only 1, or one a channel"),
    "dilation": (block(nn.Conv2d(5, 5, 2, dilation=2)), r"layer '0\.1' \(Conv2d\) is dilated: use dilation 1"),
    "reflection": (block(nn.Conv2d(5, 5, 3, padding=1, padding_mode="reflect")), r"pads by 'reflect': use zeros"),
    "norm elsewhere": (nn.Sequential(nn.BatchNorm2d(3), block(nn.ReLU())), r"layer '0' \(BatchNorm2d\) does not follow a convolution"),
    "norm after relu": (block(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(5))), r"layer '0\.1\.1' \(BatchNorm2d\) does not follow"),
    "norm without statistics": (block(nn.BatchNorm2d(5, track_running_stats=False)), r"leave track_running_stats on"),
    "two norms": (block(nn.Sequential(nn.BatchNorm2d(5), nn.BatchNorm2d(5))), r"layer '0\.1\.1' \(BatchNorm2d\) does not follow"),
    "norm after a factor": (
        Net(lambda n, x: n.b(n.n(n.a(x) * 2).mean((2, 3))), a=conv(), n=nn.BatchNorm2d(5), b=last()),
        "does not follow",
    ),
    "norm after a parameter": (
        Net(lambda n, x: n.b(n.n(n.a(x) * n.s).mean((2, 3))), a=conv(), n=nn.BatchNorm2d(5), b=last(), s=scalar(0.5)),
        "does not follow",
    ),
    "norm of a value that others read": (
        Net(lambda n, x: (lambda y: n.b((n.n(n.i(y)) + y).mean((2, 3))))(n.a(x)), a=conv(), n=nn.BatchNorm2d(5), i=nn.Identity(), b=last()),
        "does not follow",
    ),
    "a layer with a norm and without": (
        Net(lambda n, x: n.b(n.a(n.n(n.a(x))).mean((2, 3))), a=conv(3, 3), n=nn.BatchNorm2d(3), b=last(3)),
        r"layer 'a' \(Conv2d\) is used several times, not always with the same normalisation and factor",
    ),
    "a layer with a parameter and without": (
        Net(lambda n, x: n.b(n.a(n.a(x) * n.s).mean((2, 3))), a=conv(3, 3), b=last(3), s=scalar(0.5)),
        r"layer 'a' \(Conv2d\) is used several times, not always with the same normalisation and factor",
    ),
    "a layer with two norms": (
        Net(lambda n, x: n.b(n.m(n.a(n.n(n.a(x)))).mean((2, 3))), a=conv(3, 3), n=nn.BatchNorm2d(3), m=nn.BatchNorm2d(3), b=last(3)),
        r"layer 'a' \(Conv2d\) is used several times",
    ),
    "a linear over two maps": (
        Net(
            lambda n, x: n.b(n.c(x.flatten(1)) + n.c(n.a(x).flatten(1))),
            a=nn.Conv2d(3, 6, (1, 4), padding=(0, 0)),
            c=nn.Linear(144, 5),
            b=last(),
        ),
        r"layer 'c' \(Linear\) reads flattened maps of different shapes",
    ),
    "two parameters": (
        Net(lambda n, x: n.b((n.a(x) * n.s * n.t).mean((2, 3))), a=conv(), b=last(), s=scalar(0.5), t=scalar(2.0)),
        "one parameter",
    ),
    "a product of parameters": (
        Net(lambda n, x: n.b((n.a(x) * (n.s * 0.5)).mean((2, 3))), a=conv(), b=last(), s=scalar(0.5)),
        "multiplies a parameter by a number",
    ),
    "a parameter on a sum": (
        Net(lambda n, x: n.b(((n.a(x) + x) * n.s).mean((2, 3))), a=conv(3, 3), b=last(3), s=scalar(0.5)),
        "multiplies by a parameter something else than a convolution's own result",
    ),
    "two values multiplied": (calling(lambda y: y * y), "multiplies two values of the net"),
    "negative factor": (calling(lambda y: F.relu(y) * -1.0), "multiplies a value by -1: the factor must be positive"),
    "sum with alpha": (calling(lambda y: torch.add(y, y, alpha=2)), "alpha"),
    "sum with a number": (calling(lambda y: y + 1), "add in forward reads a number"),
    "difference": (calling(lambda y: y - y), "sub in forward is not supported"),
    "sigmoid function": (calling(torch.sigmoid), "sigmoid in forward is not supported: use nn.ReLU"),
    "pool function": (calling(lambda y: F.max_pool2d(y, 2)), "max_pool2d in forward is not supported: use the module nn.MaxPool2d"),
    "pool of average function": (calling(lambda y: F.adaptive_avg_pool2d(y, 1)), "use the module nn.AdaptiveAvgPool2d"),
    "dropout function": (calling(lambda y: F.dropout(y)), "dropout in forward is not supported: use the module nn.Dropout"),
    "pad function": (calling(lambda y: F.pad(y, (1, 1))), "pad in forward is not supported: use the module nn.ZeroPad1d or nn.ZeroPad2d"),
    "in a module": (
        nn.Sequential(Net(lambda n, x: n.a(x) / 2, a=conv()), nn.AdaptiveAvgPool2d(1), nn.Flatten(), last()),
        "truediv in forward of '0' is not supported: supported are",
    ),
    "concatenated positions": (
        calling(lambda y: torch.cat([y, y], 2)),
        r"cat in forward is not supported as it is called there: concatenate channels of the net's values, torch\.cat\(\[a, b\], dim=1\)",
    ),
    "concatenated samples": (calling(lambda y: torch.cat([y, y])), "cat in forward is not supported as it is called there"),
    "a concatenated tensor": (calling(lambda y: torch.cat([y, torch.ones(1, 2, 8, 6)], 1)), "forward reads the tensor '_tensor_constant0'"),
    "nothing added": (calling(lambda y: y.add(None)), "forward reads None: a net reads its input, numbers and scalar parameters"),
    "a concatenated padding": (
        Net(lambda n, x: n.b(torch.cat([n.p(x), n.p(x)], 1).mean((2, 3))), p=nn.ZeroPad2d(1), b=last(6)),
        "cat in forward reads a zero padding",
    ),
    "abs into a tensor": (calling(lambda y: torch.abs(y, out=None)), "abs in forward is not supported .*: give it values by position"),
    "norm after a concatenation": (
        Net(lambda n, x: n.b(n.n(torch.cat([x, n.a(x)], 1)).mean((2, 3))), a=conv(), n=nn.BatchNorm2d(8), b=last(8)),
        "does not follow a convolution",
    ),
    "a projection of a concatenated flattened map": (
        Net(lambda n, x: n.b(n.r(torch.cat([x.flatten(1), n.a(x).mean((2, 3))], 1))), a=conv(), r=RandomProjection(149, 6, 3), b=last(6)),
        r"layer 'r' \(RandomProjection\) follows a Flatten",
    ),
    "padding before the end": (
        nn.Sequential(nn.Conv2d(3, CLASSES, (8, 6)), nn.ZeroPad2d((1, 0, 0, 0))),
        "forward's result reads a zero padding",
    ),
    "by keyword": (Net(lambda n, x: n.b(n.a(input=x).mean((2, 3))), a=conv(), b=last()), r"layer 'a' \(Conv2d\).*by keyword"),
    "a function by keyword": (calling(lambda y: torch.relu(input=y)), "relu in forward.*by keyword"),
    "a summand by keyword": (
        calling(lambda y: torch.add(y, other=y)),
        "add in forward is not supported as it is called there: give it values by position, and leave out keywords",
    ),
    "flatten of some axes": (
        nn.Sequential(nn.Flatten(2), last()),
        r"layer '0' \(Flatten\) flattens the axes \(2, -1\): flatten all but the batch",
    ),
    "mean over channels": (
        calling(lambda y: y.mean(1)),
        r"mean in forward averages the axes 1: average all positions, x\.mean\(\(2, 3\)\)",
    ),
    "mean of everything": (calling(lambda y: y.mean()), "averages the axes None"),
    "pool to 2": (block(nn.AdaptiveAvgPool2d(2)), r"layer '0\.1' \(AdaptiveAvgPool2d\) gives a map of 2: only a single position, 1"),
    "ceil mode": (block(nn.MaxPool2d(2, ceil_mode=True)), "uses ceil_mode or dilation: leave them off"),
    "dilated pool": (block(nn.MaxPool2d(2, dilation=2)), "uses ceil_mode or dilation: leave them off"),
    "padding left out": (
        block(nn.AvgPool2d(3, padding=1, count_include_pad=False)),
        "leaves padded zeros out of the average: set count_include_pad",
    ),
    "another divisor": (block(nn.AvgPool2d(2, divisor_override=3)), "divisor_override"),
    "padded max pool of what may be negative": (block(nn.MaxPool2d(3, padding=1)), "pads a map that may be negative: put a ReLU before it"),
    "padding by ones": (block(nn.ConstantPad2d(1, 1.0)), "pads by 1.0: only zeros are supported"),
    "negative padding": (block(nn.ZeroPad2d(-1)), "cuts off: padding must not be negative"),
    "padding before relu": (block(nn.Sequential(nn.ZeroPad2d(1), nn.ReLU())), "reads a zero padding: padding may only stand before a conv"),
    "padding before a max pool": (block(nn.Sequential(nn.ReLU(), nn.ZeroPad2d(1), nn.MaxPool2d(2))), "reads a zero padding"),
    "a tensor": (
        Net(lambda n, x: n.b((n.a(x) * n.s).mean((2, 3))), a=conv(), b=last(), s=nn.Parameter(torch.ones(5, 1, 1))),
        "forward reads the tensor 's': only scalars",
    ),
    "a layer made in forward": (
        calling(lambda y: nn.ReLU()(y)),
        r"Net.forward cannot be followed \(module is not installed as a submodule\): make its layers in __init__",
    ),
    "in place before its flattened self is read": (
        Net(shown(lambda y, flat: y.relu_()), a=conv(), b=nn.Linear(240, CLASSES)),
        "relu_ in forward changes in place what is read later on the other side of a Flatten",
    ),
    "in place after Flatten": (
        Net(shown(lambda y, flat: flat.relu_()), a=conv(), b=nn.Linear(240, CLASSES)),
        "relu_ in forward changes in place what is read later on the other side of a Flatten",
    ),
    "control flow": (
        calling(lambda y: y if y.sum() > 0 else -y),
        "Net.forward cannot be followed .*: let it not depend on its input's values",
    ),
    "length of the input": (calling(lambda y: y * len(y)), "Net.forward cannot be followed"),
    "two results": (Net(lambda n, x: (n.a(x), n.a(x)), a=conv()), "forward gives more than one result: return the scores alone"),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_is_not_supported(name: str) -> None:
    module, message = UNSUPPORTED[name]
    with pytest.raises(UnsupportedError, match=message) as caught:
        trace(module, IMAGE, CLASSES)
    assert caught.value.exit_code == 5


def test_a_second_input_is_refused() -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return x + y

    with pytest.raises(UnsupportedError, match="forward reads a second input, 'y': a net reads one"):
        trace(Two(), IMAGE, CLASSES)


def test_a_parameter_of_two_modules_is_refused_and_a_module_of_two_names_is_not() -> None:
    first, second = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
    second.weight = first.weight
    with pytest.raises(UnsupportedError, match=r"'0\.weight' and '1\.weight' are one parameter: call one module in both places"):
        trace(images(first, second, channels=3), IMAGE, CLASSES)
    assert len(trace(images(first, first, channels=3), IMAGE, CLASSES).plan.layers) == 2


SHAPES = {
    "a flattened map as scores": (nn.Sequential(nn.Conv2d(3, 2, (8, 5)), nn.Flatten()), IMAGE, r"gives shape \(1, 2, 2\) where 4 scores"),
    "channels": (images(nn.Conv2d(4, 5, 3), channels=5), IMAGE, r"layer '0' \(Conv2d\) reads 4 channels, and there are 3"),
    "features": (nn.Sequential(nn.Flatten(), nn.Linear(100, CLASSES)), TIME, r"layer '1' \(Linear\) reads 100 features, and there are 36"),
    "a linear over a map": (
        nn.Sequential(nn.Linear(3, CLASSES)),
        TIME,
        r"layer '0' \(Linear\) reads a map of 1 x 12: put Flatten or a global pool",
    ),
    "a kernel larger than the map": (
        images(nn.Conv2d(3, 5, (9, 1)), channels=5),
        IMAGE,
        r"layer '0' \(Conv2d\) moves windows of 9 x 1 over a map of 8 x 6: take smaller ones",
    ),
    "a pool larger than the map": (
        windows(nn.AvgPool1d(13), channels=3),
        TIME,
        r"layer '0' \(AvgPool1d\) moves windows of 1 x 13 over a map of 1 x 12",
    ),
    "a pool over flattened values": (
        nn.Sequential(nn.Conv1d(3, 5, 12), nn.Flatten(), nn.ReLU(), nn.MaxPool1d(3, 1, padding=1), nn.Linear(5, CLASSES)),
        TIME,
        r"layer '3' \(MaxPool1d\) reads what is flattened, whose positions are gone: put it before Flatten",
    ),
    "maps that differ": (
        calling(lambda y: y + F.relu(y).mean((2, 3), keepdim=True)),
        IMAGE,
        r"add in forward reads maps of \(8, 6, 5\) and \(1, 1, 5\) \(height, width, channels\): they must be equal",
    ),
    "concatenated maps that differ": (
        calling(lambda y: torch.cat([y, y.mean((2, 3), keepdim=True)], 1)),
        IMAGE,
        r"cat in forward reads maps of \(8, 6, 5\) and \(1, 1, 5\) \(height, width, channels\): all but the channels must be equal",
    ),
    "a map concatenated to a flat value": (
        calling(lambda y: torch.cat([y.mean((2, 3), keepdim=True), y.mean((2, 3))], 1)),
        IMAGE,
        r"cat in forward reads maps of \(1, 1, 5\) and \(1, 1, 5\)",
    ),
    "the input as scores": (nn.Identity(), TIME, "the net gives its input where 4 scores are wanted"),
    "no linear at the end": (
        nn.Sequential(nn.Conv1d(3, CLASSES, 1)),
        TIME,
        r"the net gives shape \(1, 12, 4\) where 4 scores are wanted: end it with",
    ),
    "axes": (nn.Flatten(), (12,), r"reads \(time, channels\) or \(height, width, channels\), not \(12,\)"),
    "a net of images over time": (
        images(nn.Conv2d(3, 5, 3), channels=5),
        TIME,
        r"layer '0' \(Conv2d\) stands in a net that reads sequences: take its 1d form",
    ),
    "a net of time over images": (
        windows(nn.Conv1d(3, 5, 3), channels=5),
        IMAGE,
        r"layer '0' \(Conv1d\) stands in a net that reads images: take its 2d form",
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_that_do_not_fit(name: str) -> None:
    module, shape, message = SHAPES[name]
    with pytest.raises(InputError, match=message) as caught:
        trace(module, shape, CLASSES)
    assert caught.value.exit_code == 2


def test_another_number_of_scores() -> None:
    with pytest.raises(
        InputError, match=r"the net gives shape \(1, 1, 4\) where 5 scores are wanted: end it with Flatten and Linear\(\.\.\., 5\)"
    ):
        trace(images(channels=3), IMAGE, 5)
