"""Depthwise-separable nets (Zhang et al. 2017, "Hello Edge"; MLPerf Tiny's keyword spotting), as plain torch modules."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from .convolutions import NetShape, classifier, conv_norm, stage_sizes


def dscnn(shape: NetShape) -> nn.Module:
    """A strided stem, blocks of a depthwise and a 1x1 convolution, a global average pool and a dense layer.

    With an input of 49 x 10 x 1, widths (64,), four blocks, a stem of (10, 4) and a stem stride of 2 this is MLPerf Tiny's DS-CNN, but
    for the biases that batch normalisation cancels. Raises InputError when an axis cannot be divided so often.
    """
    width = shape.widths[0]
    layers = OrderedDict(conv_norm(shape, "stem", shape.channels, width, shape.stem_stride, shape.stem_kernel))
    layers["stem_relu"] = nn.ReLU()
    for name, inputs, outputs, stride in stage_sizes(shape, width):
        layers[name] = _separable(shape, inputs, outputs, stride)
    return nn.Sequential(OrderedDict([*layers.items(), *classifier(shape)]))


def _separable(shape: NetShape, inputs: int, outputs: int, stride: int) -> nn.Module:
    return nn.Sequential(
        OrderedDict(
            [
                *conv_norm(shape, "depthwise", inputs, inputs, stride, groups=inputs),
                ("depthwise_relu", nn.ReLU()),
                *conv_norm(shape, "pointwise", inputs, outputs, 1, 1),
                ("pointwise_relu", nn.ReLU()),
            ]
        )
    )
