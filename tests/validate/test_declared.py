"""What files declare beside what they compute: each declaration of a TFLite or ONNX file changed, and the witness refuses it."""

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

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

        yield lambda data: [each for each in mutations_tflite.patches(data) if each.operator in ("zero point", "metadata", "scale")]
        sys.modules.pop("mutations_tflite")


def first(witness, job):
    return next(witness.answers(job)).trace


def test_a_tflite_file_is_refused_whose_declarations_are_not_the_model_s(job, declarations):
    path = job.directory / "model.tflite"
    data = path.read_bytes()
    first(TfliteWitness(), job)
    unread = [each for each in declarations(data) if each.operator != "scale" or "bias" in each.site]
    assert {each.operator for each in unread} >= {"zero point", "metadata"}
    for patch in unread[:: max(1, len(unread) // 12)]:
        path.write_bytes(data[: patch.offset] + patch.after + data[patch.offset + len(patch.after) :])
        with pytest.raises(InputError, match=r"does not declare this model|cannot run"):
            first(TfliteWitness(), job)


@pytest.mark.parametrize("name", ["rescomp.model", "rescomp.digest", "rescomp.contract", "rescomp.input"])
def test_an_onnx_file_is_refused_whose_metadata_is_not_the_model_s(job, name):
    for file in job.directory.glob("*.onnx"):
        proto = onnx.load(file)
        (entry,) = (entry for entry in proto.metadata_props if entry.key == name)
        entry.value += "0"
        onnx.save(proto, file)
    with pytest.raises(InputError, match=f"does not declare this model.*{name}"):
        list(OnnxruntimeWitness().answers(job))
