"""The convolutional nets: MLPerf Tiny's shapes and sizes, causality, and what does not fit."""

from __future__ import annotations

import pytest
import torch

from rescomp.errors import InputError
from rescomp.models import FeedForwardNet, NetShape, build_net, trace
from rescomp.models.layered.dscnn import dscnn
from rescomp.models.layered.resnet import resnet
from rescomp.recipe import ModelSection

BUILDERS = {"resnet": resnet, "dscnn": dscnn}


def net_of(kind: str, input_shape: tuple[int, ...], classes: int, **keys: object) -> FeedForwardNet:
    net = build_net(ModelSection(kind=kind, **keys), input_shape, classes)
    assert isinstance(net, FeedForwardNet)
    return net


def parameters(net: torch.nn.Module) -> int:
    return sum(value.numel() for value in net.parameters())


def shapes(net: FeedForwardNet) -> dict[str, tuple[int, int, int]]:
    """As planned, after a check that the values have them."""
    values = net.eval().values(torch.zeros(2, *net.plan.input_shape))
    for step in net.plan.steps:
        assert tuple(values[step.name].permute(0, 2, 3, 1).shape) == (2, *step.shape), step.name
    return {step.name: step.shape for step in net.plan.steps}


def test_resnet_8() -> None:
    net = net_of("resnet2d", (32, 32, 3), 10)
    assert parameters(net) == 77_946
    found = shapes(net)
    assert found == {
        "stem": (32, 32, 16),
        "stage1_block1_branch_conv1": (32, 32, 16),
        "stage1_block1_branch_conv2": (32, 32, 16),
        "stage1_block1_add": (32, 32, 16),
        "stage2_block1_shortcut": (16, 16, 32),
        "stage2_block1_branch_conv1": (16, 16, 32),
        "stage2_block1_branch_conv2": (16, 16, 32),
        "stage2_block1_add": (16, 16, 32),
        "stage3_block1_shortcut": (8, 8, 64),
        "stage3_block1_branch_conv1": (8, 8, 64),
        "stage3_block1_branch_conv2": (8, 8, 64),
        "stage3_block1_add": (8, 8, 64),
        "pool": (1, 1, 64),
        "classifier": (1, 1, 10),
    }
    plan = net.plan
    assert [step.name for step in plan.steps if not step.relu] == [
        name for name in found if name.endswith(("conv2", "shortcut", "pool", "classifier"))
    ]
    assert plan.step("stage2_block1_branch_conv1").padding == (0, 1, 0, 1), "TensorFlow's SAME"
    assert (plan.step("stage2_block1_shortcut").stride, plan.step("stage2_block1_shortcut").kernel_size) == ((2, 2), (1, 1))


def test_ds_cnn() -> None:
    net = net_of("dscnn2d", (49, 10, 1), 12, stem_kernel=(10, 4))
    rows = 64
    stem, block = 10 * 4 * rows, 9 * rows + rows * rows
    norms = 2 * rows * (1 + 2 * 4)
    assert parameters(net) == stem + 4 * block + norms + 12 * rows + 12 == 23_180
    found = shapes(net)
    assert list(found) == [
        "stem",
        *(f"stage1_block{n}_{part}" for n in (1, 2, 3, 4) for part in ("depthwise", "pointwise")),
        "pool",
        "classifier",
    ]
    assert {shape for name, shape in found.items() if name not in ("pool", "classifier")} == {(25, 5, 64)}
    assert net.plan.step("stem").padding == (4, 5, 1, 1), "TensorFlow's SAME for 49 x 10 and a stride of 2"
    assert [layer.depthwise for layer in net.plan.layers if "depthwise" in layer.name] == [True] * 4


def test_depth_and_widths() -> None:
    net = net_of("resnet1d", (16, 3), 5, widths=(4, 6), blocks=2, kernel_size=5)
    found = shapes(net)
    assert found["stage1_block2_add"] == (1, 16, 4)
    assert found["stage2_block2_add"] == (1, 8, 6)
    assert net.plan.step("stage2_block1_branch_conv1").kernel_size == (1, 5)
    assert "stage1_block1_shortcut" not in found
    assert "stage2_block2_shortcut" not in found


def test_without_normalisation_branches_begin_at_zero() -> None:
    """SkipInit: every block passes its input on, and its scale learns."""
    net = net_of("resnet1d", (8, 3), 4, widths=(4,), norm="none").eval()
    assert not net.has_norm
    values = net.values(torch.randn(3, 8, 3))
    assert torch.equal(values["stage1_block1_add"], values["stem"])
    values[net.plan.output].sum().backward()
    scale = net.parameters_of("stage1_block1_branch_conv2").scale
    assert scale is not None
    assert scale.grad is not None
    assert scale.grad != 0


CAUSAL = [("resnet", 8, {}), ("resnet", 8, {"blocks": 2, "kernel_size": 4}), ("dscnn", 8, {"stem_stride": 2, "stem_kernel": (5,)})]


@pytest.mark.parametrize(("kind", "time", "keys"), CAUSAL, ids=str)
def test_a_causal_net_sees_no_later_readings(kind: str, time: int, keys: dict[str, object]) -> None:
    """Whatever stands from reading t on, no row that is complete before t changes."""
    torch.manual_seed(0)
    shape = NetShape((time, 2), 3, (3, 4), causal=True, **keys)  # type: ignore[arg-type]
    net = FeedForwardNet.of(trace(BUILDERS[kind](shape), shape.input_shape, shape.classes)).eval()
    x = torch.randn(4, time, 2)
    before = net.values(x)
    maps = [step for step in net.plan.steps if step.shape[1] > 1]
    assert {step.shape[1] for step in maps} >= {time // shape.decimation}
    for cut in range(1, time):
        changed = x.clone()
        changed[:, cut:] = torch.randn(4, time - cut, 2) * 9
        after = net.values(changed)
        for step in maps:
            rows = cut * step.shape[1] // time
            assert torch.equal(before[step.name][..., :rows], after[step.name][..., :rows]), (step.name, cut)
        assert not torch.equal(before["stem"], after["stem"])


def test_a_net_that_is_not_causal_looks_ahead() -> None:
    torch.manual_seed(0)
    shape = NetShape((8, 2), 3, (3,))
    net = FeedForwardNet.of(trace(resnet(shape), shape.input_shape, shape.classes)).eval()
    x = torch.randn(4, 8, 2)
    changed = x.clone()
    changed[:, 5:] += 1
    assert not torch.equal(net.values(x)["stem"][..., :5], net.values(changed)["stem"][..., :5])


@pytest.mark.parametrize(
    ("kind", "input_shape", "keys", "message"),
    [
        ("resnet1d", (12, 3), {"widths": (4, 4, 4, 4)}, r"layer stage4_block1 halves time, and 3 positions of \(12, 3\) are left there"),
        ("resnet1d", (12, 3), {"widths": (4, 4, 4, 4)}, r"choose a time that is a multiple of 8, or fewer stages in model\.widths"),
        ("resnet2d", (32, 6, 3), {}, r"layer stage3_block1 halves width, and 3 positions"),
        ("dscnn1d", (13, 3), {"widths": (4, 4)}, r"layer stage2_block1 halves time, and 7 positions of \(13, 3\)"),
        (
            "resnet2d",
            (8, 3),
            {},
            r"model\.kind resnet2d reads samples of \(height, width, channels\), and the data's are \(time, channels\)",
        ),
        ("dscnn1d", (8, 8, 3), {}, r"model\.kind dscnn1d reads samples of \(time, channels\)"),
        ("dscnn1d", (8, 3), {"stem_kernel": (3, 3)}, r"a kernel of \(3, 3\) does not fit a net of 1 axes"),
    ],
)
def test_what_does_not_fit(kind: str, input_shape: tuple[int, ...], keys: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        net_of(kind, input_shape, 4, **keys)


def test_training_with_few_channels_and_strided_1x1_kernels() -> None:
    """oneDNN's strided 1x1 kernels write past their memory for fewer than eight channels: the process would die here, or soon after."""
    torch.manual_seed(0)
    net = net_of("resnet2d", (8, 8, 3), 4, widths=(4, 6))
    for _ in range(30):
        net(torch.randn(40, 8, 8, 3)).square().sum().backward()
    assert all(bool(value.grad.isfinite().all()) for value in net.parameters() if value.grad is not None)
