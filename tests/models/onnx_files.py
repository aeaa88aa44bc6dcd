"""Small float nets as ONNX files, in the forms that torch.onnx (`torch_`) and tf2onnx (`tf_`) write."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

RANDOM = np.random.default_rng(0)


def constant(name, *shape):
    return numpy_helper.from_array((RANDOM.standard_normal(shape) * 0.4).astype(np.float32), name)


def positive(name, *shape):
    return numpy_helper.from_array(RANDOM.uniform(0.5, 1.5, shape).astype(np.float32), name)


def whole(name, *numbers):
    return numpy_helper.from_array(np.array(numbers, np.int64), name)


def node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs.split(), [output], **attributes)


def file_of(nodes, constants, shape, classes=4, opset=17, batch="N"):
    read = helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *shape])
    given = helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, [batch, classes])
    graph = helper.make_graph(nodes, "net", [read], [given], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def torch_har_cnn(**more):
    """Two convolutions over time, batch normalisation, a pool, a dense layer, Softmax."""
    nodes = [
        node("Conv", "x w1 b1", "a", kernel_shape=[5], pads=[2, 2], strides=[2]),
        node("BatchNormalization", "a g be m v", "n"),
        node("Relu", "n", "r"),
        node("Conv", "r w2", "q", pads=[2, 0]),
        node("Relu", "q", "q2"),
        node("MaxPool", "q2", "p", kernel_shape=[2], strides=[2]),
        node("Flatten", "p", "f"),
        node("Gemm", "f w3 b3", "s", transB=1),
        node("Softmax", "s", "y"),
    ]
    ones = [constant(name, 8) for name in ("b1", "g", "be", "m")]
    kernels = [constant("w1", 8, 3, 5), constant("w2", 8, 8, 3), constant("w3", 4, 64), constant("b3", 4)]
    return file_of(nodes, [*ones, positive("v", 8), *kernels], (3, 32), **more), (32, 3)


def torch_residual():
    """A depthwise and a pointwise convolution beside a shortcut, the mean over time."""
    nodes = [
        node("Conv", "x w1 b1", "a", pads=[1, 1], kernel_shape=[3]),
        node("Relu", "a", "r"),
        node("Conv", "r w2 b1", "d", group=8, auto_pad=b"SAME_UPPER", kernel_shape=[4]),
        node("Conv", "d w3 b1", "e"),
        node("Add", "e r", "s"),
        node("Relu", "s", "t"),
        node("GlobalAveragePool", "t", "p"),
        node("Squeeze", "p axes", "q"),
        node("Gemm", "q w4 b4", "y"),
    ]
    kernels = [constant("w1", 8, 3, 3), constant("w2", 8, 1, 4), constant("w3", 8, 8, 1), constant("w4", 8, 4)]
    return file_of(nodes, [*kernels, constant("b1", 8), constant("b4", 4), whole("axes", 2)], (3, 20)), (20, 3)


def torch_images():
    nodes = [
        node("Pad", "x pads", "z"),
        node("Conv", "z w1 b1", "a", strides=[2, 2]),
        node("Relu", "a", "r"),
        node("AveragePool", "r", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Reshape", "p shape", "f"),
        node("Gemm", "f w2 b2", "y", transB=1, alpha=0.5, beta=2.0),
    ]
    constants = [constant("w1", 6, 2, 3, 3), constant("b1", 6), constant("w2", 4, 6 * 3 * 2), constant("b2", 4)]
    return file_of(nodes, [*constants, whole("pads", 0, 0, 1, 0, 0, 0, 0, 1), whole("shape", -1, 36)], (2, 12, 8), batch=1), (12, 8, 2)


def tf_cnn():
    """Channels last: Conv1D as a convolution over [batch, channels, 1, time] with transposes around, biases as additions, Flatten."""
    nodes = [
        node("Unsqueeze", "x one", "u"),
        node("Transpose", "u", "t", perm=[0, 3, 1, 2]),
        node("Conv", "t w1", "a", kernel_shape=[1, 5], strides=[1, 2], auto_pad=b"SAME_UPPER"),
        node("Add", "a b1", "ab"),
        node("Squeeze", "ab two", "s"),
        node("Transpose", "s", "last", perm=[0, 2, 1]),
        node("Relu", "last", "r"),
        node("Reshape", "r shape", "f"),
        node("MatMul", "f w2", "d"),
        node("Add", "d b2", "e"),
        node("Softmax", "e", "y"),
    ]
    constants = [constant("w1", 8, 3, 1, 5), constant("b1", 1, 8, 1, 1), constant("w2", 8 * 8, 4), constant("b2", 4)]
    return file_of(nodes, [*constants, whole("one", 1), whole("two", 2), whole("shape", -1, 64)], (16, 3), opset=13), (16, 3)


def tf_mean():
    """A dense layer at every step, the mean over time, a multiplication by a number."""
    nodes = [
        node("MatMul", "x w1", "a"),
        node("Add", "b1 a", "ab"),
        node("Relu", "ab", "r"),
        node("ReduceMean", "r", "m", axes=[1], keepdims=0),
        node("MatMul", "m w2", "d"),
        node("Mul", "d half", "y"),
    ]
    half = numpy_helper.from_array(np.float32(0.5), "half")
    return file_of(nodes, [constant("w1", 3, 8), constant("b1", 8), constant("w2", 8, 4), half], (16, 3)), (16, 3)


def mlp():
    nodes = [
        node("Gemm", "x w1 b1", "a", transB=1),
        node("Relu", "a", "r"),
        node("Gemm", "r w2 b2", "y", transB=1),
    ]
    return file_of(nodes, [constant("w1", 16, 12), constant("b1", 16), constant("w2", 4, 16), constant("b2", 4)], (12,)), (12, 1)


NETS = {made.__name__: made for made in (torch_har_cnn, torch_residual, torch_images, tf_cnn, tf_mean, mlp)}
