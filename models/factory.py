"""The factory: a net from the recipe's model section."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from ..errors import InputError, counted
from ..recipe import Loop, ModelSection, readings_of
from .base import Net
from .layered.convolutions import NetShape
from .layered.dscnn import dscnn
from .layered.feed_forward import FeedForwardNet
from .layered.hourglass import hourglass
from .layered.resnet import resnet
from .layered.score import score
from .layered.trace import trace
from .own_net import call_own_function
from .recurrent.net import RecurrentNet
from .recurrent.readout import Readout
from .recurrent.recurrence import run_layer
from .staged import staged_module, staged_parts
from .tensors import read_safetensors

NETS: Mapping[str, Callable[[NetShape], nn.Module]] = {"resnet": resnet, "dscnn": dscnn, "score": score, "hourglass": hourglass}
"""The kinds without state, by name less 1d or 2d. A kind without either reads both windows and images, as one long vector."""
WIDTHS: Mapping[str, tuple[int, ...]] = {
    "resnet1d": (16, 32),
    "resnet2d": (16, 32, 64),
    "dscnn1d": (64,),
    "dscnn2d": (64,),
    "score1d": (32,),
    "score2d": (32,),
    "hourglass": (128, 16),
}
"""model.widths where it is unset."""
SIXTEENTHS = 16
"""Of its widths by default, in which the size of a net is told."""
_AXES = {2: "(time, channels)", 3: "(height, width, channels)"}


def build_net(
    section: ModelSection,
    input_shape: tuple[int, ...],
    classes: int,
    mean: Tensor | None = None,
    std: Tensor | None = None,
    folder: Path | None = None,
) -> Net:
    """A fresh float net, its weights drawn from torch's global generator (or its owner's).

    input_shape: (channels,) of a reading for a recurrent net, which reads `section.readings` readings a step; (time, channels)
    or (height, width, channels) for a net without state. mean, std: float [channels], centre and spread of the training data's readings
    (None: 0 and 1, as for a net whose checkpoint is loaded next). folder: where an own net's module is looked for, last of all.
    Raises InputError where the sizes do not fit each other, UnsupportedError for a layer of an own net that cannot be exported.
    """
    if section.is_recurrent:
        return build(section, input_shape[-1], classes, mean, std)
    module = _module(section, input_shape, classes, folder)
    net: Net
    if isinstance(module, RecurrentNet):
        net = module
        _normalize(section, net, input_shape[-1], mean, std)
    else:
        net = FeedForwardNet.of(trace(module, input_shape, classes), mean, std)
    net.saturates = section.normalization == "robust"
    return net


def _normalize(section: ModelSection, net: RecurrentNet, channels: int, mean: Tensor | None, std: Tensor | None) -> None:
    """Of an own net, which reads `section.readings` readings a step. `none` leaves it the normalisation that its weights came with."""
    read = net.readings or section.readings
    if len(net.mean) != read * channels:
        readings = f"{counted(read, 'reading')} of {counted(channels, 'channel')}"
        raise InputError(f"{section.kind} gave a net whose input has {len(net.mean)} entries, and the data's steps have {readings}")
    if section.normalization == "none":
        return
    if mean is not None and std is not None:
        set_normalization(net, mean, std)


def set_normalization(net: Net, mean: Tensor, std: Tensor) -> None:
    """Centre and spread of the channels, float [channels], of every reading that the net sees at once; a spread of 0 counts as 1."""
    readings = len(net.mean) // len(mean)
    net.mean.copy_(mean.repeat(readings))
    net.std.copy_(torch.where(std == 0, torch.ones_like(std), std).repeat(readings))


def decimation(section: ModelSection) -> int:
    """What the time of a net without state must be a multiple of."""
    if section.program:
        return readings_of(section.program)
    return 1 if section.is_own or _axes(section.kind) is None else _shape(section, (1, 1), 1).decimation


def build(section: ModelSection, channels: int, classes: int, mean: Tensor | None = None, std: Tensor | None = None) -> RecurrentNet:
    """The same of a net with cells, whose readings have `channels` channels."""
    parts, readings = staged_parts(section, channels, classes), section.readings_a_step
    mean = torch.zeros(channels) if mean is None else mean
    std = torch.ones(channels) if std is None else std
    readout = Readout.of(section)
    net = RecurrentNet(parts, classes, mean.repeat(readings), std.repeat(readings), section.nonlinearity, readout, readings)
    net.saturates = section.normalization == "robust"
    return net


def widths_of(section: ModelSection) -> tuple[int, ...]:
    """model.widths of a net without state, by default where it is unset."""
    return section.widths or WIDTHS[section.kind]


def scaled_widths(kind: str, sixteenths: int) -> tuple[int, ...]:
    """So many sixteenths of the widths that a kind has by default, at least 1."""
    return tuple(max(1, width * sixteenths // SIXTEENTHS) for width in WIDTHS[kind])


def _module(section: ModelSection, input_shape: tuple[int, ...], classes: int, folder: Path | None) -> nn.Module:
    """The torch module of a net without state."""
    if section.is_own:
        return _own_module(section, input_shape, classes, folder)
    if section.stages:
        return staged_module(section, input_shape, classes)
    if _axes(section.kind) not in (None, len(input_shape) - 1):
        wanted, given = _AXES[1 + (_axes(section.kind) or 0)], _AXES[len(input_shape)]
        raise InputError(f"model.kind {section.kind} reads samples of {wanted}, and the data's are {given}")
    return NETS[_family(section.kind)](_shape(section, input_shape, classes))


def _family(kind: str) -> str:
    """The kind less 1d or 2d."""
    return kind.removesuffix("1d").removesuffix("2d")


def _axes(kind: str) -> int | None:
    """1 of a kind over time, 2 over images, None of one that reads both."""
    return None if kind in NETS else int(kind[-2])


def _shape(section: ModelSection, input_shape: tuple[int, ...], classes: int) -> NetShape:
    """The sizes that the recipe asks for."""
    family = _family(section.kind)
    return NetShape(
        input_shape,
        classes,
        widths_of(section),
        section.blocks or (1 if family == "resnet" else 4),
        section.kernel_size,
        section.stem_kernel or (),
        section.stem_stride or (2 if family == "dscnn" else 1),
        section.norm,
        section.streaming,
        section.dt,
        section.fixed_projection,
    )


def _own_module(section: ModelSection, input_shape: tuple[int, ...], classes: int, folder: Path | None) -> nn.Module:
    """What an ONNX file holds, or `package.module:function` gives for (input_shape, classes), with the weights of model.weights if any."""
    if section.is_onnx:
        return _onnx_module(section, input_shape, classes)
    module = call_own_function(section.kind, input_shape, classes, folder)
    if not isinstance(module, nn.Module):
        raise InputError(f"{section.kind} gave a {type(module).__name__}: it must give a torch.nn.Module")
    if section.weights is not None:
        _load_weights(module, Path(section.weights))
    origin = section.weights or f"what {section.kind} gave"
    refuse_unusable(module, origin, "it is no net that was trained to an end")
    return module


def _onnx_module(section: ModelSection, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """What the ONNX file holds. The packages that read it are imported here alone."""
    if section.weights is not None:
        raise InputError(f"{section.kind} holds its weights: leave model.weights out")
    from .onnx_net.read import read_onnx

    imported = read_onnx(Path(section.kind), input_shape)
    if imported.file.classes != classes:
        given = f"{section.kind} gives {counted(imported.file.classes, 'score')}"
        raise InputError(f"{given}, and the data have {counted(classes, 'class')}: give data of the classes that the net knows")
    return imported.module


def refuse_unusable(module: nn.Module, origin: str, remedy: str) -> None:
    """Raise InputError, naming the tensor, for one that is not finite, or a variance below 0: no integer can stand for it."""
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise InputError(f"{origin} holds a number in {name!r} that is not finite: {remedy}")
        if name.rpartition(".")[2] == "running_var" and bool((tensor < 0).any()):
            raise InputError(f"{origin} holds a negative variance in {name!r}: {remedy}")


def _load_weights(module: nn.Module, path: Path) -> None:
    """A state dict in safetensors. Raises InputError; pickled checkpoints are refused, since they run code."""
    try:
        module.load_state_dict(read_safetensors(path)[0])
    except OSError as error:
        raise InputError(f"cannot read model.weights {path}: {error.strerror}") from error
    except (safetensors.SafetensorError, ValueError) as error:
        raise InputError(f"{path} is no safetensors file ({error}): save it with safetensors.torch.save_file, never as a pickle") from error
    except RuntimeError as error:
        raise InputError(f"{path} is not of this net: {str(error).splitlines()[-1].strip()}") from error


def use_loop(net: Net, loop: Loop) -> None:
    """Choose what runs the loop over time of `net` as it is now, and compile it if that is needed.

    To be called again when the net's arithmetic changes. Raises MissingToolError without a compiler, UnsupportedError for what the C does
    not know, RescompError when the compiler fails.
    """
    if not isinstance(net, RecurrentNet):
        if loop == "compiled":
            raise InputError('train.loop = "compiled" is for recurrent cells: leave it out for a net without state')
        return
    if loop == "torch":
        net.run_layer = run_layer
        return
    from .recurrent import compiled

    for cell in net.cells:
        compiled.prepare(cell, net.arithmetic, net.bias.dtype)
    net.run_layer = compiled.run_layer
