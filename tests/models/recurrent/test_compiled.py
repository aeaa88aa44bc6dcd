"""The compiled loop: bit for bit the torch loop in fixed point, the same gradients, and a cache that only its owner writes."""

from __future__ import annotations

import copy
import itertools
import math
import subprocess
from itertools import product

import pytest
import torch
from torch.func import functional_call

from rescomp.compress import anneal, calibrate, constrain
from rescomp.errors import MissingToolError, RescompError, UnsupportedError
from rescomp.models import CELLS, FixedPointArithmetic, FloatArithmetic, build, use_loop
from rescomp.models.fake_quantize import grid
from rescomp.models.recurrent import compiled
from rescomp.models.recurrent.compiled import build as shared_objects
from rescomp.models.recurrent.compiled import recurrence
from rescomp.models.recurrent.compiled.recurrence import LoopVariant
from rescomp.recipe import ModelSection, Quantize, Sparse, Ternary
from rescomp.validate.c_program import WARNINGS

pytestmark = pytest.mark.usefixtures("compiler")

CONSTRAINTS = {
    "float": (),
    "ternary with arenas": (Ternary(),),
    "sparse int4": (Sparse(density=0.4), Quantize(bits=4, scale="power_of_two")),
}
SIZES = [(6, 5, 9), (1, 1, 1), (3, 7, 1), (17, 12, 5)]
"""(hidden, batch, steps)."""
CHANNELS = 4
ARITHMETICS = [
    arithmetic for name in ("table", "piecewise_linear") for arithmetic in (FloatArithmetic(name), FixedPointArithmetic(name, {}))
]


def net_of(kind, hidden=6, constraints=(), spread=6.0, dtype=torch.float64, **section):
    torch.manual_seed(3)
    net = build(ModelSection(kind=kind, hidden_size=hidden, **section), CHANNELS, 3)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(spread if parameter.dim() == 2 else 1).add_(0.1 * torch.randn_like(parameter))
    if constraints:
        net = constrain(net, constraints)
        calibrate(net, readings(20, 12).float(), torch.full((20,), 12), 10)
        anneal(net, 30, 60)
    return net.to(dtype)


def readings(batch, steps, dtype=torch.float64):
    x = torch.randn(batch, steps, CHANNELS, dtype=dtype, generator=torch.Generator().manual_seed(4))
    return torch.round(x * 1024) / 1024


def states_and_gradients(net, loop, x, lengths):
    """Every state, begun where another run ended, and the scores; and the gradients of a random weighting of all of them by x and every
    parameter."""
    net, x = copy.deepcopy(net), x.clone().requires_grad_()
    use_loop(net, loop)
    with torch.no_grad():
        begin = {name: state[:, -1] for name, state in net.states(x.flip(1), torch.full_like(lengths, x.shape[1])).items()}
    values = [*net.states(x, lengths, begin).values(), net(x, lengths)]
    generator = torch.Generator().manual_seed(5)
    loss = sum((value * torch.randn(value.shape, dtype=value.dtype, generator=generator)).sum() for value in values)
    return values, torch.autograd.grad(loss, [x, *net.parameters()])


@pytest.fixture(scope="module", autouse=True)
def _every_variant(compiler):
    """Compiled side by side, which halves the time."""
    cells = [build(ModelSection(kind=kind, hidden_size=1), 1, 2).cells[0] for kind in CELLS]
    compiler(LoopVariant.of(cell, arithmetic, torch.float64) for cell, arithmetic in product(cells, ARITHMETICS))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", CELLS)
def test_it_compiles_without_a_warning(kind, dtype):
    for arithmetic in ARITHMETICS:
        macros = LoopVariant.of(build(ModelSection(kind=kind, hidden_size=1), 1, 2).cells[0], arithmetic, dtype).macros()
        defines = [f"-D{name}={value}" for name, value in macros.items()]
        subprocess.run(["gcc", *shared_objects.FLAGS, *WARNINGS, *defines, "-fsyntax-only", recurrence.SOURCE], check=True, timeout=120)


@pytest.mark.parametrize(("layers", "rank"), [(1, None), (2, 2)])
@pytest.mark.parametrize("nonlinearity", ["table", "piecewise_linear"])
@pytest.mark.parametrize("constraints", CONSTRAINTS.values(), ids=CONSTRAINTS)
@pytest.mark.parametrize("kind", CELLS)
def test_equals_the_torch_loop(kind, constraints, nonlinearity, layers, rank):
    for (hidden, batch, steps), spread in zip(SIZES, (6.0, 40.0, 20.0, 3.0), strict=True):
        # Without saturation a real net of large weights is chaotic: its last bits grow from step to step.
        spread = spread if constraints else min(spread, 6.0)
        ranks = {"rank_w": min(rank, hidden), "rank_u": min(rank, hidden)} if rank else {}
        net = net_of(kind, hidden, constraints, spread, nonlinearity=nonlinearity, layers=layers, **ranks)
        x, lengths = readings(batch, steps), torch.randint(1, steps + 1, (batch,), generator=torch.Generator().manual_seed(6))
        values, gradients = states_and_gradients(net, "compiled", x, lengths)
        expected, expected_gradients = states_and_gradients(net, "torch", x, lengths)
        for value, other in zip(values, expected, strict=True):
            if constraints:
                assert torch.equal(value, other)
            torch.testing.assert_close(value, other, rtol=1e-11, atol=1e-12)
        for gradient, other in zip(gradients, expected_gradients, strict=True):
            torch.testing.assert_close(gradient, other, rtol=1e-10, atol=1e-12 * max(1.0, float(other.abs().max())))
        assert any(bool(gradient.any()) for gradient in gradients)


@pytest.mark.parametrize(("kind", "state"), [("fastgrnn", "h"), ("fastrnn", "h"), ("lstm", "c")])
def test_a_state_that_sums_up_stays_in_its_format_in_real_numbers_too(kind, state):
    net, x, lengths = net_of(kind, spread=0.1), torch.ones(2, 300, CHANNELS, dtype=torch.float64), torch.full((2,), 300)
    with torch.no_grad():
        for name, value in net.named_parameters():
            if name.endswith("bias") or name in ("cell.alpha", "cell.beta"):
                value.fill_(9)
    names, (_, _, largest) = list(net.state_formats), grid(net.state_formats[state])
    found = {loop: states_and_gradients(net, loop, x, lengths) for loop in ("torch", "compiled")}
    for values, _ in found.values():
        assert values[names.index(state)].max() == largest
    for value, other in zip(*map(itertools.chain.from_iterable, found.values()), strict=True):
        torch.testing.assert_close(value, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("rank", [None, 2])
@pytest.mark.parametrize("kind", CELLS)
def test_gradcheck_of_the_smooth_float_net(kind, rank):
    net = net_of(kind, spread=3.0, rank_w=rank, rank_u=rank, layers=2)
    use_loop(net, "compiled")
    x, lengths, names = readings(3, 5), torch.tensor([5, 1, 4]), [name for name, _ in net.named_parameters()]
    leaves = [value.detach().clone().requires_grad_() for value in net.parameters()]

    def scores(x, *values):
        return functional_call(net, dict(zip(names, values, strict=True)), (x, lengths))

    assert torch.autograd.gradcheck(scores, (x.requires_grad_(), *leaves), fast_mode=True)


@pytest.mark.parametrize("kind", ["fastgrnn", "lstm"])
@pytest.mark.parametrize("constraints", [(), (Ternary(),)], ids=["float", "ternary"])
def test_no_thread_changes_a_bit(kind, constraints):
    net = net_of(kind, 17, constraints)
    (cell,) = net.cells
    projected = torch.randn(6, 23, cell.gates * 17, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    variant, threads, results = LoopVariant.of(cell, net.arithmetic, torch.float64), torch.get_num_threads(), []
    leaves = [value for name, value in cell.named_parameters() if "factors" not in name]
    try:
        for count in (1, 2, 2, 5, 40):
            torch.set_num_threads(count)
            leaf = projected.clone().requires_grad_()
            states = recurrence._run(variant, cell, net.arithmetic, leaf)
            results.append([*states, *torch.autograd.grad(sum((state**2).sum() for state in states), [leaf, *leaves])])
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(value, other) for result in results[1:] for value, other in zip(result, results[0], strict=True))


@pytest.mark.parametrize("kind", CELLS)
def test_float32_is_as_near_to_float64_as_torch_is(kind):
    net, x, lengths = net_of(kind, 17, spread=3.0), readings(12, 20), torch.full((12,), 20)
    exact, errors = states_and_gradients(net, "torch", x, lengths), {}
    for loop in ("torch", "compiled"):
        found = states_and_gradients(net.float(), loop, x.float(), lengths)
        with torch.no_grad():
            errors[loop] = [
                max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(*pair, strict=True))
                for pair in zip(found, exact, strict=True)
            ]
    for ours, theirs in zip(errors["compiled"], errors["torch"], strict=True):
        assert ours < 3 * theirs + 1e-6


def elementwise(function, x):
    """The C's sigmoid or tanh of x [n]: what one step of FastGRNN or FastRNN gives with the right constants."""
    cell = build(ModelSection(kind={"sigmoid": "fastgrnn", "tanh": "fastrnn"}[function], hidden_size=1), 1, 2).cells[0]
    # sigmoid: ((0 - -1 z) tanh(x + 1000) + z 0); tanh: 1 tanh(x) + 0 0
    constants = {"sigmoid": [0.0, 1000.0, -1.0, 0.0], "tanh": [0.0, 1.0, 0.0]}[function]
    loop = recurrence._Loop(LoopVariant.of(cell, FloatArithmetic("table"), x.dtype), None, 1, False)
    read = recurrence._Read(x.reshape(1, -1, 1), torch.tensor(constants, dtype=x.dtype), [torch.zeros(1, 1, dtype=x.dtype)])
    states, _ = loop.forward(read)
    return states[0].flatten()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("function", ["sigmoid", "tanh"])
def test_nonlinearities_are_accurate(function, dtype):
    magnitudes = torch.cat([torch.linspace(0, 40, 20011, dtype=dtype), torch.logspace(-30, 1.5, 9001, dtype=dtype)])
    x = torch.cat([magnitudes, -magnitudes])
    exact = getattr(torch, function)(x.double())
    ulps = (elementwise(function, x).double() - exact).abs() / (exact.abs() * torch.finfo(dtype).eps)
    ulps[exact == 0] = elementwise(function, x)[exact == 0].double().abs()
    assert ulps.max() < (3 if dtype == torch.float32 else 4)  # torch's own float64 is one of them off


@pytest.mark.parametrize(("function", "low"), [("sigmoid", 0.0), ("tanh", -1.0)])
def test_nonlinearities_of_extreme_values(function, low):
    x = torch.tensor([-math.inf, -1e30, -200.0, 200.0, 1e30, math.inf])
    torch.testing.assert_close(elementwise(function, x), torch.tensor([low] * 3 + [1.0] * 3), rtol=0, atol=1e-30)
    assert elementwise(function, torch.tensor([math.nan])).isnan().all()


@pytest.mark.parametrize("nonlinearity", ["table", "piecewise_linear"])
@pytest.mark.parametrize("constraints", [(), (Ternary(),)], ids=["float", "ternary"])
@pytest.mark.parametrize("kind", CELLS)
def test_a_nan_stays_in_its_sequence_and_is_not_lost(kind, constraints, nonlinearity):
    net, x, lengths = net_of(kind, 6, constraints, nonlinearity=nonlinearity), readings(7, 4), torch.full((7,), 4)
    use_loop(net, "compiled")
    before = net(x, lengths)
    x[3, 1] = math.nan
    after = net(x, lengths)
    assert after[3].isnan().all()
    others = torch.arange(7) != 3
    assert torch.equal(after[others], before[others])


def test_gradients_come_twice_from_one_forward_pass():
    net, x, lengths = net_of("fastgrnn", 6, (Ternary(),)), readings(7, 4), torch.full((7,), 4)
    use_loop(net, "compiled")
    loss = net(x, lengths).sum()
    first, second = (torch.autograd.grad(loss, list(net.parameters()), retain_graph=True) for _ in range(2))
    assert all(torch.equal(value, other) for value, other in zip(first, second, strict=True))


def test_calibration_sees_what_it_sees_in_torch():
    formats = {}
    for loop in ("torch", "compiled"):
        net = constrain(net_of("gru", rank_u=2, rank_w=2, layers=2, dtype=torch.float32), (Ternary(),))
        use_loop(net, loop)
        formats[loop] = calibrate(net, readings(9, 7).float(), torch.full((9,), 7), 10)
    assert formats["compiled"] == formats["torch"]


def test_every_kind_of_cell_is_compiled_and_others_are_refused():
    assert all(vars(cell)["compiled_as"] == kind.upper() for kind, cell in CELLS.items())

    class Other(CELLS["gru"]):
        """It may compute anything."""

    net = net_of("gru")
    net.cell.__class__ = Other
    with pytest.raises(UnsupportedError, match=r"no compiled loop for Other with FloatArithmetic: set train.loop = torch"):
        use_loop(net, "compiled")


def test_arrays_that_the_c_cannot_read_are_refused():
    net = net_of("gru")
    loop = recurrence._Loop(LoopVariant.of(net.cell, net.arithmetic, torch.float64), None, 6, False)
    constants, factors = torch.zeros(24, dtype=torch.float64), [matrix.detach() for matrix in net.cell.recurrent.matrices()]
    for projected in (torch.zeros(2, 3, 18), torch.zeros(3, 2, 18, dtype=torch.float64).transpose(0, 1)):
        with pytest.raises(ValueError, match=r"a contiguous torch.float64 on the CPU is wanted"):
            loop.forward(recurrence._Read(projected, constants, factors))
    for width, factor in ((17, factors[0]), (18, factors[0][:, 1:])):
        with pytest.raises(ValueError, match="not those of 6 units"):
            loop.forward(recurrence._Read(torch.zeros(2, 3, width, dtype=torch.float64), constants, [factor]))


@pytest.fixture
def source(tmp_path):
    """A small C file, and an empty cache."""
    path = tmp_path / "answer.c"
    path.write_text("int answer(void);\nint answer(void)\n{\n    return ANSWER;\n}\n")
    return path


@pytest.fixture
def cache_home(tmp_path, monkeypatch):
    home = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    shared_objects._folder.cache_clear()
    yield home
    shared_objects._folder.cache_clear()


def kept(home):
    return sorted((home / "rescomp" / "compiled").glob("*"))


def put(path, mode):
    """Another file in the place of one that this process may have loaded."""
    path.unlink()
    path.write_bytes(b"no shared object")
    path.chmod(mode)


def test_a_shared_object_is_compiled_once_for_its_macros_and_source(source, cache_home, monkeypatch):
    assert shared_objects.load(source, {"ANSWER": "42"}).answer() == 42
    (path,) = kept(cache_home)
    assert path.stat().st_mode & 0o777 == path.parent.stat().st_mode & 0o777 == 0o700
    with monkeypatch.context() as patch:
        patch.setattr(shared_objects, "_compile", None)
        assert shared_objects.load(source, {"ANSWER": "42"}).answer() == 42
    assert shared_objects.load(source, {"ANSWER": "43"}).answer() == 43
    source.write_text(source.read_text().replace("ANSWER", "ANSWER + 1"))
    assert shared_objects.load(source, {"ANSWER": "43"}).answer() == 44
    assert len(kept(cache_home)) == 3


def test_what_others_may_write_is_not_loaded(source, cache_home):
    shared_objects.load(source, {"ANSWER": "42"})
    (path,) = kept(cache_home)
    put(path, 0o722)
    assert shared_objects.load(source, {"ANSWER": "42"}).answer() == 42
    assert path.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("spoil", ["open", "above", "file", "link"])
def test_a_cache_that_cannot_be_trusted_is_left_alone(source, cache_home, spoil, tmp_path):
    folder = cache_home / "rescomp" / "compiled"
    folder.parent.mkdir(parents=True)
    if spoil == "file":
        folder.write_text("not a folder")
    elif spoil == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.mkdir(mode=0o700)
        (folder if spoil == "open" else cache_home).chmod(0o777)
    assert shared_objects.load(source, {"ANSWER": "42"}).answer() == 42
    assert shared_objects._folder() != folder
    assert spoil == "file" or kept(cache_home) == []


def test_a_broken_shared_object_says_what_to_do(source, cache_home, monkeypatch):
    monkeypatch.setattr(shared_objects, "_compile", lambda source, defines, path: path.write_bytes(b"no shared object"))
    with pytest.raises(RescompError, match=r"does not load .*: delete it"):
        shared_objects.load(source, {"ANSWER": "42"})


def test_a_compiler_that_refuses_is_quoted(source, cache_home):
    with pytest.raises(RescompError, match=r"cc refuses the compiled loop \(.*error: .*nonsense.*\): .*set train.loop = torch"):
        shared_objects.load(source, {"ANSWER": "nonsense"})
    assert kept(cache_home) == []


def test_a_missing_compiler_names_its_package(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingToolError, match=r"apt-get install gcc libc6-dev; or set train.loop = torch"):
        compiled.compiler_version()


def test_the_compilers_version():
    name, version = compiled.compiler_version().split(" ", 1)
    assert name in shared_objects.COMPILERS
    assert version[0].isdigit()
