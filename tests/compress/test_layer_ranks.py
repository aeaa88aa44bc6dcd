"""Layers of a low rank: two in the place of one, the same function at full rank, and the same integers in the graph as in the net."""

from itertools import product

import numpy as np
import pytest
import torch

from rescomp.compress import IntegerStorage, TernaryStorage, calibrate, constrain, cut_layers
from rescomp.compress.selection import layer_matrices, named_matrices
from rescomp.errors import InputError
from rescomp.graph.evaluate import evaluate
from rescomp.lowering.lower import lower
from rescomp.models import build_net
from rescomp.recipe import LowRank, ModelSection, Quantize, Ternary
from rescomp.validate.torch_net import evaluate_net

CLASSES, BITS = 4, 10
STAGES = (
    {"kind": "convolution", "width": 6, "kernel_size": 3, "stride": 2},
    {"kind": "fastgrnn", "hidden_size": 5},
    {"kind": "dense", "width": 5},
)
NETS = {
    "resnet1d": ({"kind": "resnet1d", "widths": (4, 6)}, (12, 3)),
    "resnet2d": ({"kind": "resnet2d", "widths": (4, 6)}, (6, 8, 3)),
    "score1d": ({"kind": "score1d", "widths": (4,), "blocks": 3}, (12, 3)),
    "stages": ({"kind": "stages", "stages": STAGES}, (3,)),
}


def of(name):
    """(a net with random normalisations, its input's shape)"""
    torch.manual_seed(0)
    section, shape = NETS[name]
    net = build_net(ModelSection.model_validate(section), shape, CLASSES, torch.zeros(3), torch.ones(3))
    for module in net.layer_modules:
        for layer in module.by_name.values():
            if layer.norm is not None:
                layer.norm.running_mean.normal_(0, 0.5)
                layer.norm.running_var.uniform_(0.5, 2)
    return net.eval(), shape if len(shape) > 1 else (12, 3)


def readings(shape, count=30):
    rng = np.random.default_rng(0)
    x = np.floor(rng.normal(size=(count, *shape)) * 2.0**BITS + 0.5).clip(-32768, 32767).astype(np.int16)
    return x, torch.from_numpy(x).float() * 2.0**-BITS, torch.full((count,), shape[0])


def in_steps(net, x, lengths):
    """Two readings a step, where layers before a cell read so many."""
    return (x.reshape(len(x), -1, 6), lengths // 2) if net.cells else (x, lengths)


@pytest.mark.parametrize("name", NETS)
def test_at_full_rank_a_net_computes_what_it_did(name):
    net, shape = of(name)
    _, x, lengths = readings(shape)
    x, lengths = in_steps(net, x, lengths)
    wanted = net(x, lengths)
    for module in net.layer_modules:
        whole = {n: min(layer.matrix.weight.shape) for n, layer in module.by_name.items() if not layer.layer.depthwise}
        cut_layers(module, whole)
        assert all(len(factors) == 2 for n, factors in layer_matrices(module).items() if n in whole)
    assert torch.allclose(net(x, lengths), wanted, atol=1e-4)


STORAGES = {"int8": Quantize(), "ternary": Ternary(), "int8 values": Quantize(bits=6, scale="power_of_two", activations="int8")}


@pytest.mark.parametrize(("name", "storage"), [pair for pair in product(NETS, STORAGES) if pair != ("stages", "int8 values")])
def test_the_graph_of_a_net_of_a_low_rank_computes_what_the_net_does(name, storage):
    net, shape = of(name)
    integers, x, lengths = readings(shape)
    compressed = constrain(net, [LowRank(share=0.5), STORAGES[storage]]).eval()
    x, lengths = in_steps(net, x, lengths)
    integers = integers.reshape(x.shape)
    calibrate(compressed, x, lengths, BITS)
    model = lower(compressed, "net")
    found = evaluate(model, integers.reshape(len(integers), -1, *model.input.type.shape) if net.cells else integers)
    wanted = evaluate_net(compressed, integers, lengths.numpy())
    assert np.array_equal(found.scores, wanted.scores)
    assert np.array_equal(found.states, wanted.states)
    assert any(node.name.endswith("_factor") for graph in model.graphs.values() for node in graph.nodes)
    weights = [sum(m.weight.numel() for each in named_matrices(n).values() for m in each) for n in (net, compressed)]
    assert weights[1] < weights[0]


def test_entries_name_layers_with_both_of_their_factors():
    net, _ = of("resnet2d")
    names = list(named_matrices(net))
    first, last = names[0], names[-1]
    entries = [LowRank(matrices=(first,), rank=2), LowRank(matrices=(last,), share=0.5), Quantize(), Ternary(matrices=(first,))]
    found = named_matrices(constrain(net, entries))
    assert list(found) == names
    assert [list(each.weight.shape) for each in found[first]] == [[2, 27], [4, 2]]
    assert [list(each.weight.shape) for each in found[last]] == [[2, 6], [4, 2]]
    assert all(isinstance(each.storage, TernaryStorage) for each in found[first])
    assert all(isinstance(each.storage, IntegerStorage) for each in found[last])
    assert all(len(found[name]) == 1 for name in names[1:-1])


def test_what_has_no_such_rank_is_refused():
    net, _ = of("resnet2d")
    name = next(iter(named_matrices(net)))
    for entry, message in (
        (LowRank(rank_w=2), "are for recurrent cells: name layers in matrices"),
        (LowRank(matrices=(name,), rank=9), rf"rank 9 is larger than {name} allows: use at most 4"),
        (LowRank(share=1.0), "changes nothing of this net"),
    ):
        with pytest.raises(InputError, match=message):
            constrain(net, [entry, Quantize()])
    depthwise = build_net(ModelSection(kind="dscnn1d", widths=(6,), blocks=1), (12, 3), CLASSES, torch.zeros(3), torch.ones(3))
    kernel = next(name for name, layer in depthwise.by_name.items() if layer.layer.depthwise)
    with pytest.raises(InputError, match=rf"{kernel} is a depthwise kernel or a random projection, which has no factors"):
        constrain(depthwise, [LowRank(matrices=(kernel,), rank=1), Quantize()])
    for wrong in ({"rank": 2}, {"matrices": ("a",), "rank": 2, "share": 0.5}, {"matrices": ("a",), "rank_w": 2}):
        with pytest.raises(ValueError, match="in low_rank"):
            LowRank(**wrong)
