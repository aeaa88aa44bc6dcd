"""What files declare beside what they compute: each declaration of a TFLite or ONNX file changed, and the witness refuses it."""

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import tflite

from rescomp.errors import InputError
from rescomp.export.onnx import export_onnx
from rescomp.export.tflite import export_tflite
from rescomp.validate.onnxruntime import OnnxruntimeWitness
from rescomp.validate.tflite import TfliteWitness
from rescomp.validate.witness import Job


@pytest.fixture(params=["fastgrnn", "gru", "mixed"])
def job(request, random_sequences, tmp_path):
    rng = np.random.default_rng(0)
    model = request.getfixturevalue(f"random_{request.param}")(rng)
    x, lengths = random_sequences(rng, model, count=6, longest=5)
    for name, data in {**export_onnx(model), **export_tflite(model)}.items():
        (tmp_path / name).write_bytes(data)
    return Job(model, tmp_path, x.astype(np.int16), lengths)


@pytest.fixture(scope="module")
def declarations():
    """Every scale, zero point, type of a CAST and metadata of a TFLite file: (what, offset, before, after)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
        import mutations_tflite

        yield lambda data: list(mutations_tflite.patches(data))
        sys.modules.pop("mutations_tflite")


def first(witness, job):
    return next(witness.answers(job)).trajectory


def test_a_tflite_file_is_refused_whose_declarations_are_not_the_model_s(job, declarations):
    path = job.directory / "model.tflite"
    data = path.read_bytes()
    first(TfliteWitness(), job)
    kinds = ("zero point", "metadata", "scale")
    unread = [each for each in declarations(data) if each.operator in kinds and (each.operator != "scale" or "bias" in each.site)]
    assert {each.operator for each in unread} >= {"zero point", "metadata"}
    for patch in unread[:: max(1, len(unread) // 12)]:
        path.write_bytes(data[: patch.offset] + patch.after + data[patch.offset + len(patch.after) :])
        with pytest.raises(InputError, match=r"does not declare this model|cannot run"):
            first(TfliteWitness(), job)


def test_a_tflite_file_is_refused_or_differs_with_any_other_scale(job, declarations):
    """Interpreters do not read the scales of what only picks, moves or limits numbers."""
    path = job.directory / "model.tflite"
    data = path.read_bytes()
    right = first(TfliteWitness(), job)
    unseen = []
    for patch in (each for each in declarations(data) if each.operator == "scale"):
        path.write_bytes(data[: patch.offset] + patch.after + data[patch.offset + len(patch.after) :])
        try:
            found = first(TfliteWitness(), job)
        except InputError:
            continue
        if np.array_equal(found.states, right.states) and np.array_equal(found.scores, right.scores):
            unseen.append(patch.site)
    assert unseen == []


def test_a_tflite_file_is_refused_that_cuts_or_puts_into_another_shape_than_it_declares(job, declarations):
    path = job.directory / "model.tflite"
    data = path.read_bytes()
    root = tflite.Model.GetRootAs(data)
    graph = root.Subgraphs(0)
    shapes = {graph.Tensors(operator.Inputs(operator.InputsLength() - 1)).Name().decode() for operator in shaping(root, graph)}
    patches = [each for each in declarations(data) if each.site.startswith(tuple(f"constant {name}[" for name in shapes))]
    assert shapes
    for patch in patches[:: max(1, len(patches) // 12)]:
        path.write_bytes(data[: patch.offset] + patch.after + data[patch.offset + len(patch.after) :])
        with pytest.raises(InputError, match=r"cut or put into"):
            first(TfliteWitness(), job)


def shaping(root, graph):
    """Operators that are given the shape of their output."""
    codes = (tflite.BuiltinOperator.SLICE, tflite.BuiltinOperator.RESHAPE)
    operators = map(graph.Operators, range(graph.OperatorsLength()))
    return [each for each in operators if root.OperatorCodes(each.OpcodeIndex()).BuiltinCode() in codes]


@pytest.mark.parametrize("name", ["rescomp.model", "rescomp.digest", "rescomp.contract", "rescomp.input"])
def test_an_onnx_file_is_refused_whose_metadata_is_not_the_model_s(job, name):
    for file in job.directory.glob("*.onnx"):
        proto = onnx.load(file)
        (entry,) = (entry for entry in proto.metadata_props if entry.key == name)
        entry.value += "0"
        onnx.save(proto, file)
    with pytest.raises(InputError, match=f"does not declare this model.*{name}"):
        list(OnnxruntimeWitness().answers(job))
