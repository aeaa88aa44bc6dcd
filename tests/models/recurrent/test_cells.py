"""GRU and LSTM are torch's, FastRNN and MGU their formulas, and cells can be stacked."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rescomp.errors import InputError, UnsupportedError
from rescomp.models import CELLS, CellShape, FastGrnnCell, GruCell, RecurrentNet, TimedLayers, build
from rescomp.recipe import ModelSection

INPUTS, HIDDEN, CLASSES = 4, 6, 3


def net_of(kind, layers=1, **section):
    torch.manual_seed(0)
    net = build(ModelSection(kind=kind, layers=layers, hidden_size=HIDDEN, **section), INPUTS, CLASSES).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return net


def sequences():
    return torch.randn(5, 8, INPUTS, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def torch_net(net, kind):
    """torch.nn.GRU or torch.nn.LSTM with the net's weights; torch's second bias holds what ours keeps apart."""
    cells = net.cells
    module = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[kind](INPUTS, HIDDEN, len(cells), batch_first=True).double()
    values = {}
    for i, cell in enumerate(cells):
        second = torch.zeros_like(cell.bias)
        if kind == "gru":
            second[2 * HIDDEN :] = cell.recurrent_bias
        weights = [cell.input.matrices()[0], cell.recurrent.matrices()[0], cell.bias, second]
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        values |= {f"{name}_l{i}": value for name, value in zip(names, weights, strict=True)}
    module.load_state_dict(values)
    return module


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_equals_torch(kind, layers):
    net, x = net_of(kind, layers), sequences()
    expected, last = torch_net(net, kind)(x)
    states = net.states(x, torch.full((5,), 8))
    assert list(states) == [f"{name}{suffix}" for suffix in ("", "_2")[:layers] for name in ("h", "c")[: 2 if kind == "lstm" else 1]]
    torch.testing.assert_close(states[f"h{net.cells[-1].suffix}"], expected, rtol=1e-12, atol=1e-13)  # the same sums in another order
    if kind == "lstm":
        torch.testing.assert_close(states[f"c{net.cells[-1].suffix}"][:, -1], last[1][-1], rtol=1e-12, atol=1e-13)


def test_mgu_is_the_written_formula():
    net, x, h = net_of("mgu"), sequences(), torch.zeros(5, HIDDEN, dtype=torch.float64)
    cell = net.cells[0]
    of_gate, of_candidate = (cell.input.matrices()[0] @ x[..., None]).squeeze(-1).add(cell.bias).split(HIDDEN, dim=-1)
    states = net.states(x, torch.full((5,), 8))["h"]
    for step in range(8):
        gate, candidate = (h @ cell.recurrent.matrices()[0].T).split(HIDDEN, dim=-1)
        f = torch.sigmoid(of_gate[:, step] + gate)
        h = (1 - f) * torch.tanh(of_candidate[:, step] + f * candidate) + f * h
        torch.testing.assert_close(states[:, step], h, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_gradients_equal_torch(kind, layers):
    net, x = net_of(kind, layers), sequences().requires_grad_()
    states, (theirs, _) = net.states(x, torch.full((5,), 8))[f"h{net.cells[-1].suffix}"], torch_net(net, kind)(x)
    weighting = torch.randn_like(theirs)
    (ours,) = torch.autograd.grad((states * weighting).sum(), x)
    (expected,) = torch.autograd.grad((theirs * weighting).sum(), x)
    torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("nonlinearity", ["table", "piecewise_linear"])
@pytest.mark.parametrize("layers", [1, 2])
def test_fastrnn_is_the_papers(layers, nonlinearity):
    net, x = net_of("fastrnn", layers, nonlinearity=nonlinearity), sequences()
    states = net.states(x, torch.full((5,), 8))
    sequence = x[3].numpy()
    for cell in net.cells:
        w, u = (projection.matrices()[0].detach().numpy() for projection in (cell.input, cell.recurrent))
        alpha, beta = (1 / (1 + np.exp(-parameter.item())) for parameter in (cell.alpha, cell.beta))
        h, following = np.zeros(HIDDEN), []
        for reading in sequence:
            p = w @ reading + u @ h + cell.bias.detach().numpy()
            h = alpha * (np.tanh(p) if nonlinearity == "table" else np.clip(p, -1, 1)) + beta * h
            following.append(h)
        sequence = np.array(following)
        np.testing.assert_allclose(states[f"h{cell.suffix}"][3].detach(), sequence, atol=1e-12)


@pytest.mark.parametrize("kind", CELLS)
def test_low_rank_is_the_product_of_its_factors(kind):
    net, full, x, lengths = net_of(kind, 2, rank_w=2, rank_u=3), net_of(kind, 2), sequences(), torch.tensor([8, 1, 3, 8, 5])
    with torch.no_grad():
        for cell, other in zip(net.cells, full.cells, strict=True):
            for projection, whole in ((cell.input, other.input), (cell.recurrent, other.recurrent)):
                first, second = projection.matrices()
                whole.factors[0].weight.copy_(second @ first)
        values = {name: value for name, value in net.state_dict().items() if "factors" not in name}
        full.load_state_dict(values, strict=False)
    torch.testing.assert_close(net(x, lengths), full(x, lengths), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", CELLS)
def test_padding_changes_nothing(kind):
    net, x, lengths = net_of(kind, 2), sequences(), torch.tensor([8, 2, 4, 1, 7])
    padded = x.clone()
    padded[1, 2:] = 5.0
    assert torch.equal(net(x, lengths), net(padded, lengths))
    for name, state in net.states(padded, lengths).items():
        assert state.shape == (5, 8, HIDDEN), name
        assert not state[1, 2:].any()


def test_initial_values():
    nets = {kind: build(ModelSection(kind=kind, hidden_size=5), INPUTS, CLASSES).cells[0] for kind in CELLS}
    assert (nets["fastrnn"].alpha.item(), nets["fastrnn"].beta.item()) == (-3.0, 3.0)
    assert nets["fastrnn"].bias.tolist() == [1.0] * 5
    assert nets["lstm"].bias.tolist() == [0.0] * 5 + [1.0] * 5 + [0.0] * 10
    assert not nets["gru"].bias.any()


def test_a_second_layer_reads_the_first_and_leaves_its_names():
    one, two = (net_of("lstm", layers) for layers in (1, 2))
    assert set(one.state_dict()) < set(two.state_dict())
    assert [projection.names for projection in (two.cells[1].input, two.cells[1].recurrent)] == [
        ("input_product_2",),
        ("recurrent_product_2",),
    ]
    assert tuple(two.cells[1].input.factors[0].weight.shape) == (4 * HIDDEN, HIDDEN)


def test_a_window_reads_frames():
    net = build(ModelSection(kind="gru", hidden_size=5, readings=3), 2, CLASSES, torch.tensor([1.0, 2.0]), torch.tensor([3.0, 0.0]))
    assert net.mean.tolist() == [1.0, 2.0] * 3
    assert net.std.tolist() == [3.0, 1.0] * 3
    assert net(torch.randn(2, 4, 6), torch.tensor([4, 2])).shape == (2, CLASSES)


def test_a_rank_too_large_is_refused():
    with pytest.raises(InputError, match="use at most 4"):
        build(ModelSection(kind="gru", hidden_size=9, rank_w=5), INPUTS, CLASSES)


def test_one_cell_cannot_stand_twice_in_a_net():
    tied = GruCell(CellShape(INPUTS, INPUTS))
    with pytest.raises(UnsupportedError, match=r"^part 1 is one GruCell given twice: make another module for each part$"):
        RecurrentNet([tied, tied], CLASSES, torch.zeros(INPUTS), torch.ones(INPUTS))


def test_two_parts_cannot_share_a_parameter():
    shared, cell = torch.nn.Linear(HIDDEN, HIDDEN), GruCell(CellShape(HIDDEN, HIDDEN))
    layers = [torch.nn.Sequential(torch.nn.Flatten(), shared), torch.nn.Sequential(shared, torch.nn.ReLU())]
    with pytest.raises(UnsupportedError, match=r"^'1\.weight' of part 0 \(Sequential\) is '0\.weight' of part 2 \(Sequential\), too: give"):
        RecurrentNet([layers[0], cell, layers[1]], CLASSES, torch.zeros(HIDDEN), torch.ones(HIDDEN))
    other = GruCell(CellShape(HIDDEN, HIDDEN, suffix="_2"))
    other.recurrent = cell.recurrent
    with pytest.raises(UnsupportedError, match=r"'recurrent\.factors\.0\.weight' of part 0 \(GruCell\) is"):
        RecurrentNet([cell, other], CLASSES, torch.zeros(HIDDEN), torch.ones(HIDDEN))


def test_one_module_cannot_be_read_for_two_parts():
    shared, cell = torch.nn.Sequential(torch.nn.Conv1d(HIDDEN, HIDDEN, 1)), GruCell(CellShape(HIDDEN, HIDDEN))
    first, second = (TimedLayers.of(shared, (1, HIDDEN), f"layers{place}_") for place in (1, 2))
    other = GruCell(CellShape(HIDDEN, HIDDEN, suffix="_2"))
    for layers in (second, shared):
        with pytest.raises(UnsupportedError, match=r"^'0\.weight' of part 0 \(TimedLayers\) is '0\.weight' of part 2 \(.*\), too: give"):
            RecurrentNet([first, cell, layers, other], CLASSES, torch.zeros(HIDDEN), torch.ones(HIDDEN))


@pytest.mark.parametrize("suffix", ["_next", "2", "_2.a", "", "_9"])
def test_suffixes_that_could_give_two_values_one_name_are_refused(suffix):
    cells = [GruCell(CellShape(INPUTS, HIDDEN)), GruCell(CellShape(HIDDEN, HIDDEN, suffix=suffix))]
    with pytest.raises(InputError, match="give each CellShape its own, nothing or '_2'"):
        RecurrentNet(cells, CLASSES, torch.zeros(INPUTS), torch.ones(INPUTS))


def test_a_ninth_cell_is_refused_in_one_sentence():
    cells = [GruCell(CellShape(INPUTS, HIDDEN)), *(GruCell(CellShape(HIDDEN, HIDDEN, suffix=f"_{place}")) for place in range(2, 10))]
    with pytest.raises(InputError, match=r"^the net stacks 9 cells: it has at most 8, make the others larger instead$"):
        RecurrentNet(cells, CLASSES, torch.zeros(INPUTS), torch.ones(INPUTS))


@pytest.mark.parametrize(
    ("cells", "spread", "error", "message"),
    [
        ([], INPUTS, InputError, r"0 cells, mean \[4\], std \[4\]: a recurrent net takes cells"),
        ([GruCell(CellShape(INPUTS, HIDDEN))], 1, InputError, r"1 cell, mean \[4\], std \[1\]"),
        ([FastGrnnCell(CellShape(5, HIDDEN))], INPUTS, InputError, "a FastGrnnCell reads 5 entries, and the input has 4"),
        (
            [FastGrnnCell(CellShape(INPUTS, HIDDEN)), GruCell(CellShape(7, HIDDEN, suffix="_2"))],
            INPUTS,
            InputError,
            "a GruCell reads 7 entries, and the FastGrnnCell before it has 6",
        ),
        ([torch.nn.GRUCell(INPUTS, HIDDEN)], INPUTS, UnsupportedError, "a GRUCell is no cell of a RecurrentNet: use .*GruCell"),
    ],
)
def test_cells_that_do_not_fit_are_refused(cells, spread, error, message):
    with pytest.raises(error, match=message):
        RecurrentNet(cells, CLASSES, torch.zeros(INPUTS), torch.ones(spread))
