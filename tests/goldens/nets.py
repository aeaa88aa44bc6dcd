"""Nets whose every number is drawn as an integer, so that their graphs are the same on every processor; what test_stored_graphs.py compares.

python tests/goldens/nets.py > tests/goldens/graphs.json          after a change of the contract, which CHANGELOG then names
"""

import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from rescomp.compress import anneal, calibrate, constrain
from rescomp.graph.decide import with_decision
from rescomp.graph.ir import IntegerModel
from rescomp.graph.serialize import digest
from rescomp.lowering.lower import lower
from rescomp.models import Net, build_net
from rescomp.recipe import load_recipe
from rescomp.stages.decision import decide_by, policy_by

FOLDER = Path(__file__).parent
CLASSES = ("a", "b", "c", "d", "e")
CELLS = ("fastrnn", "fastgrnn", "gru", "lstm", "mgu")
WEIGHTS = ("ternary", "int8", "int4")
WINDOW, IMAGE = (24, 3), (12, 12, 3)
_LAYERED = {
    "resnet1d": "model.kind=resnet1d model.widths=[6,8] model.blocks=1",
    "resnet2d": "model.kind=resnet2d model.widths=[4,6] model.blocks=1",
    "dscnn1d": "model.kind=dscnn1d model.widths=[8] model.blocks=2",
    "dscnn2d": "model.kind=dscnn2d model.widths=[6] model.blocks=1",
    "score1d": "model.kind=score1d model.widths=[6] model.blocks=2",
    "score2d": "model.kind=score2d model.widths=[5] model.blocks=1",
    "hourglass": "model.kind=hourglass model.widths=[16,8]",
}
_STREAMED = ("dscnn1d", "resnet1d", "score1d")
_STAGED = {
    "convolution, gru, dense": "{kind='convolution',width=6,kernel_size=5,stride=2},{kind='gru',hidden_size=5},{kind='dense',width=4}",
    "pool, fastgrnn, depthwise, lstm": "{kind='depthwise',stride=2,norm='none'},{kind='pool',size=2,function='average'},"
    "{kind='fastgrnn',hidden_size=6},{kind='depthwise',kernel_size=4},{kind='lstm',hidden_size=5,rank_u=2}",
    "fastrnn, convolution, gru": "{kind='fastrnn',hidden_size=6},{kind='convolution',width=5,activation='none'},{kind='gru',hidden_size=4}",
    "fastgrnn, gru, lstm": "{kind='fastgrnn',hidden_size=5},{kind='gru',hidden_size=4,rank_w=2},{kind='lstm',hidden_size=3}",
}
_BLOCKS = "model.readout=last_mean model.readout_steps=6"
_INT16, _DENSE_ENDS = "compress.0.activations=int16", "compress.0.first_and_last=dense"
RECIPES: dict[str, tuple[str, str]] = {
    **{f"{cell}, {weights}": (f"model.kind={cell} model.hidden_size=8", weights) for cell in CELLS for weights in WEIGHTS},
    **{
        f"{cell}, piecewise linear": (f"model.kind={cell} model.nonlinearity=piecewise_linear model.hidden_size=5", "int8")
        for cell in CELLS
    },
    **{f"{cell}, two layers": (f"model.kind={cell} model.layers=2 model.hidden_size=6", "int4") for cell in CELLS},
    **{f"{cell}, low rank": (f"model.kind={cell} model.rank_w=2 model.rank_u=3 model.hidden_size=9", "ternary") for cell in CELLS},
    "fastgrnn, three readings a step": ("model.readings=3 model.stride=2 model.hidden_size=7", "ternary"),
    "fastgrnn, one scale a matrix": ("model.hidden_size=12 compress.0.per=tensor", "ternary"),
    "fastgrnn, powers of two": ("model.hidden_size=8 compress.0.scale=power_of_two", "int8"),
    "fastgrnn, robust": ("model.hidden_size=8 model.normalization=robust", "int4"),
    **{f"{name}, {weights}": (recipe, weights) for name, recipe in _LAYERED.items() for weights in WEIGHTS},
    **{f"{name}, int16": (f"{recipe} {_INT16}", "int8") for name, recipe in _LAYERED.items()},
    **{f"{name}, streaming": (f"{_LAYERED[name]} model.streaming=true", "int8") for name in _STREAMED},
    "resnet1d, dense ends": (f"{_LAYERED['resnet1d']} {_DENSE_ENDS}", "ternary"),
    **{
        f"{cell}, sparse {weights}": (
            f'model.kind={cell} model.hidden_size=10 \'compress=[{{kind="sparse",density=0.25}},{{kind="quantize",bits={weights[3]}}}]\'',
            weights,
        )
        for cell in CELLS
        for weights in ("int8", "int4")
    },
    **{f"{name}, six bits": (_LAYERED[name], "int6") for name in ("resnet1d", "dscnn2d", "hourglass")},
    "fastgrnn, decides": ("model.hidden_size=6 decide.smoothing=3 decide.hold=2 decide.refractory=5", "ternary"),
    "lstm, decides by thresholds": ("model.kind=lstm model.hidden_size=5 decide.thresholds=0.5 decide.margin=0.25", "int8"),
    "dscnn1d, streaming, decides": (f"{_LAYERED['dscnn1d']} model.streaming=true decide.smoothing=0 decide.hold=3", "int8"),
    "gru, two states and gaps": ("model.kind=gru model.hidden_size=6 stream.window=12 stream.gap=2 stream.rail=3", "int4"),
    **{f"{name}, {weights}": (f'model.stages="[{stages}]"', weights) for name, stages in _STAGED.items() for weights in WEIGHTS},
    "gru, eight layers": ("model.kind=gru model.layers=8 model.hidden_size=3", "int8"),
    "convolution, gru, dense, last_mean": (f'model.stages="[{_STAGED["convolution, gru, dense"]}]" {_BLOCKS}', "int8"),
    **{
        f"fastgrnn, {readout}": (f"model.hidden_size=6 model.readout={readout} model.readout_steps=5", "int4")
        for readout in ("mean", "max")
    },
    "mgu, every": ("model.kind=mgu model.hidden_size=6 model.readout=every", "int8"),
    "hourglass, fixed projection": (f"{_LAYERED['hourglass']} model.fixed_projection=true", "int8"),
}
"""By name: the settings of a recipe, and its weights."""


def graph_of(name: str) -> IntegerModel:
    """The integer model of a recipe of RECIPES."""
    settings, weights = RECIPES[name]
    recipe = load_recipe(None, shlex.split(settings), weights=weights)
    draw = np.random.default_rng(sum(name.encode()))
    shape = IMAGE if recipe.model.kind.endswith("2d") else WINDOW
    channels = shape[-1]
    torch.manual_seed(0)
    spread = torch.tensor([1.0, 2.0, 0.5])
    net = build_net(
        recipe.model, (channels,) if recipe.model.is_recurrent else shape, len(CLASSES), torch.tensor([0.5, -1.0, 0.25]), spread
    )
    net = constrain(net, recipe.compress).double()
    _draw_parameters(net, draw)
    anneal(net, 1, 1)
    if net.cells:
        _draw_formats(net, draw)
    else:
        _calibrate(net, shape, draw)
    model = lower(net.eval(), "golden", CLASSES, streaming=recipe.model.streaming)
    decision = None if recipe.decide is None else decide_by(recipe.decide, model.output.type)
    return replace(with_decision(model, decision), policy=policy_by(recipe.stream))


@torch.no_grad()
def _draw_parameters(net: Net, draw: np.random.Generator) -> None:
    """Each entry k / 64 with |k| < 64; variances of batch normalisation are powers of four, its gains of two."""
    for name, parameter in net.named_parameters():
        drawn = draw.integers(-63, 64, tuple(parameter.shape)) / 64
        if name.endswith("norm.weight"):
            drawn = 2.0 ** draw.integers(-1, 1, tuple(parameter.shape))
        parameter.copy_(torch.as_tensor(drawn))
    for name, buffer in net.named_buffers():
        if name.endswith("running_var"):
            buffer.copy_(torch.as_tensor(4.0 ** draw.integers(-1, 2, tuple(buffer.shape))))
        elif name.endswith("running_mean"):
            buffer.copy_(torch.as_tensor(draw.integers(-63, 64, tuple(buffer.shape)) / 64))


def _draw_formats(net: Net, draw: np.random.Generator) -> None:
    arithmetic = net.fixed
    bits = {
        name: int(draw.integers(9, 13))
        for name in ("normalize", "input_factor", "recurrent_factor", "input_factor_2", "recurrent_factor_2")
    }
    arithmetic.set_input(10, 4)
    for name, chosen in {**bits, "scores": 9}.items():
        if name in arithmetic.values:
            arithmetic.set_bits(name, chosen)
    for name in (each for each in arithmetic.values if each not in (*bits, "scores")):
        arithmetic.set_bits(name, int(draw.integers(9, 13)))


def _calibrate(net: Net, shape: tuple[int, ...], draw: np.random.Generator) -> None:
    """On readings of few bits: with weights of few bits every sum is exact in float64."""
    calibrate(net, torch.as_tensor(draw.integers(-63, 64, (16, *shape)) / 32), torch.full((16,), shape[0]), 10)


def main() -> None:
    json.dump({name: digest(graph_of(name)) for name in RECIPES}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
