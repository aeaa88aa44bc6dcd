"""Sparse layers: which entries are kept, entry by entry, by kernels or channels, and the same integers in the graph as in the net."""

from itertools import product

import numpy as np
import pytest
import torch

from rescomp.compress import SparseSupport, anneal, calibrate, constrain, largest_magnitudes, named_matrices
from rescomp.compress.regrow import RegrowingSupport
from rescomp.errors import InputError
from rescomp.export.c import translate
from rescomp.graph.evaluate import evaluate
from rescomp.graph.weights import Zeros
from rescomp.lowering.lower import lower
from rescomp.models import build_net
from rescomp.recipe import LowRank, ModelSection, Quantize, Sparse, Ternary
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
    "score1d": ({"kind": "score1d", "widths": (8,), "blocks": 3}, (12, 3)),
    "dscnn1d": ({"kind": "dscnn1d", "widths": (6,), "blocks": 1}, (12, 3)),
    "stages": ({"kind": "stages", "stages": STAGES}, (3,)),
}
GRANULARITIES = ("weight", "kernel", "channel")


def of(name):
    """(a net with random normalisations, its samples' shape)"""
    torch.manual_seed(0)
    section, shape = NETS[name]
    net = build_net(ModelSection.model_validate(section), shape, CLASSES, torch.zeros(3), torch.ones(3))
    for module in net.layer_modules:
        for layer in module.by_name.values():
            if layer.norm is not None:
                layer.norm.running_mean.normal_(0, 0.5)
                layer.norm.running_var.uniform_(0.5, 2)
    return net.eval(), shape if len(shape) > 1 else (12, 3)


def layers_of(net):
    """Patterns that name its layers, where an entry for all would be for the matrices of cells."""
    cells = ("W", "U", "classifier")
    return tuple(name for name in named_matrices(net) if name not in cells) if net.cells else None


def thinned(name, granularity, storage, density=0.4):
    """(a net under constraints whose supports are fixed, integer readings, lengths)"""
    net, shape = of(name)
    net = constrain(net, [Sparse(density=density, granularity=granularity, matrices=layers_of(net)), storage]).eval()
    x = np.floor(np.random.default_rng(0).normal(size=(30, *shape)) * 2.0**BITS + 0.5).clip(-32768, 32767).astype(np.int16)
    lengths = np.full(30, shape[0])
    if net.cells:
        x, lengths = x.reshape(30, -1, 6), lengths // 2
    anneal(net, 1, 1)
    calibrate(net, torch.from_numpy(x).float() * 2.0**-BITS, torch.from_numpy(lengths), BITS)
    return net, x, lengths


STORAGES = {
    "int8": Quantize(),
    "int4": Quantize(bits=4),
    "int8 values": Quantize(bits=6, scale="power_of_two", activations="int8"),
}


@pytest.mark.parametrize(
    ("name", "granularity", "storage"), [case for case in product(NETS, GRANULARITIES, STORAGES) if case[::2] != ("stages", "int8 values")]
)
def test_the_graph_of_a_sparse_net_computes_what_the_net_does(name, granularity, storage):
    net, x, lengths = thinned(name, granularity, STORAGES[storage])
    model = lower(net, "thin")
    found = evaluate(model, x.reshape(len(x), -1, *model.input.type.shape) if net.cells else x)
    wanted = evaluate_net(net, x, lengths)
    assert np.array_equal(found.scores, wanted.scores)
    assert np.array_equal(found.states, wanted.states)
    kinds = {weight.kind for graph in model.graphs.values() for node in graph.nodes for weight in node.op.matrices}
    assert {"weight": "sparse", "kernel": "sparse_kernels", "channel": "sparse_rows"}[granularity] in kinds
    dense = lower(thinned(name, granularity, STORAGES[storage], density=1.0)[0], "thin")
    assert translate(model).constant_bytes < translate(dense).constant_bytes


def test_units_are_kept_by_the_sums_of_their_magnitudes():
    weight = torch.tensor([[[1.0, -3.0], [2.0, 0.0]], [[0.0, -1.0], [0.0, 1.5]]]).reshape(2, 4)  # [rows, positions, channels]
    kernels = largest_magnitudes(weight, 0.5, Zeros("kernel", 2))
    assert kernels.tolist() == [[True, True, True, True], [False] * 4]  # sums 3, 3, 0, 2.5
    assert largest_magnitudes(weight, 0.75, Zeros("kernel", 2))[1].tolist() == [False, True, False, True]
    assert largest_magnitudes(torch.ones(2, 4), 0.25, Zeros("kernel", 2))[0].tolist() == [True, False, True, False]
    assert largest_magnitudes(weight, 0.5, Zeros("channel", 2)).tolist() == [[True] * 4, [False] * 4]
    assert largest_magnitudes(weight, 1e-9, Zeros("channel", 2)).sum() == 4
    assert torch.equal(largest_magnitudes(weight, 0.5, Zeros("kernel", 1)), largest_magnitudes(weight, 0.5))


@pytest.mark.parametrize("regrow", [0.0, 0.3])
@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_a_support_of_whole_units_holds_so_many_at_its_end(granularity, regrow):
    torch.manual_seed(1)
    weight = torch.nn.Parameter(torch.randn(8, 9 * 5))
    entry = Sparse(granularity=granularity, regrow=regrow, project_every=2)
    support = (RegrowingSupport if regrow else SparseSupport).of(weight, 0.25, entry, 9)
    seen = set()
    for step in range(21):
        weight.grad = torch.randn_like(weight)
        support.anneal(weight, step, 20)
        with torch.no_grad():
            weight.sub_(0.1 * weight.grad)
        mask = support.mask.reshape(8, 9, 5)
        seen.add(mask.numpy().tobytes())
        if granularity != "weight":
            assert torch.equal(mask, mask[:, :1].expand_as(mask))
        if granularity == "channel":
            assert torch.equal(mask, mask[:, :, :1].expand_as(mask))
    assert support.mask.sum() == {"weight": 90, "kernel": 90, "channel": 90}[granularity]
    assert len(seen) > (3 if regrow else 1)


def test_an_entry_is_for_what_it_names_and_without_cells_for_every_layer():
    net, _ = of("resnet2d")
    names = list(named_matrices(net))
    found = constrain(net, [Sparse(density=0.5), Sparse(density=0.1, matrices=(names[1], names[-1])), Quantize()])
    densities = [matrix.support.density for (matrix,) in named_matrices(found).values()]
    assert densities == [0.5, 0.1, *[0.5] * (len(names) - 3), 0.1]
    channels = named_matrices(constrain(net, [Sparse(granularity="channel"), Quantize()]))
    assert [matrix.is_sparse for (matrix,) in channels.values()] == [True] * (len(names) - 1) + [False], "classes are no channels"
    separable, _ = of("dscnn1d")
    kept = [name for name, layer in separable.by_name.items() if layer.layer.depthwise]
    assert kept
    found = named_matrices(constrain(separable, [Sparse(), Quantize()]))
    assert [name for name, (matrix,) in found.items() if not matrix.is_sparse] == kept
    with_cell, _ = of("stages")
    found = named_matrices(constrain(with_cell, [Sparse(), Quantize()]))
    assert [name for name, (matrix,) in found.items() if matrix.is_sparse] == ["W", "U"]
    found = named_matrices(constrain(with_cell, [Sparse(matrices=("classifier", "U")), Quantize()]))
    assert [name for name, (matrix,) in found.items() if matrix.is_sparse] == ["U", "classifier"]


def test_both_factors_of_a_low_rank_are_thinned():
    net, _ = of("resnet2d")
    name = list(named_matrices(net))[1]
    entries = [LowRank(matrices=(name,), rank=3), Sparse(granularity="kernel", density=0.5, matrices=(name,)), Quantize()]
    first, second = named_matrices(constrain(net, entries))[name]
    assert first.support.zeros == Zeros("kernel", 9)
    assert second.support.zeros == Zeros("kernel", 1)


def test_what_cannot_be_thinned_is_refused():
    net, _ = of("resnet2d")
    separable, _ = of("dscnn1d")
    with_cell, _ = of("stages")
    scores = list(named_matrices(net))[-1]
    kernel = next(name for name, layer in separable.by_name.items() if layer.layer.depthwise)
    for made, entries, message in (
        (net, [Sparse(density_w=0.2)], "density_w and density_u of sparse in compress are for recurrent cells: set density"),
        (
            net,
            [Sparse(granularity="channel", matrices=(scores,))],
            f"density 0.3 by channel of {scores} in compress changes nothing of this net: depthwise",
        ),
        (separable, [Sparse(matrices=(kernel,))], "changes nothing of this net: depthwise kernels and random projections stay as they are"),
        (with_cell, [Sparse(granularity="kernel")], 'granularity = "kernel" of sparse in compress is for layers, and W has no kernels'),
        (with_cell, [Sparse(granularity="channel", matrices=("*",))], "is for layers, and W has no kernels or channels"),
        (net, [Sparse(matrices=("nothing*",))], "matches none of this net's matrices"),
        (net, [Ternary(matrices=(scores,)), Sparse()], "cannot be sparse and ternary"),
    ):
        with pytest.raises(InputError) as refused:
            constrain(made, [*entries, Quantize()])
        assert message in str(refused.value)
