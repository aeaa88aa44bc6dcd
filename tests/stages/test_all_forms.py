"""Every form of the model on the whole bundled test set: weights x scales x non-linearity x rank, every witness, nothing differs.

Half of the sixteen, in which any three of the four meet in every combination.
"""

import shutil
from itertools import product

import pytest

from rescomp import stages
from rescomp.errors import InputError
from rescomp.graph.evaluate import evaluate
from rescomp.model_directory import ModelDirectory
from rescomp.recipe import load_recipe
from rescomp.stages.artefacts import read_model, read_vectors
from rescomp.targets.cores import CORES
from rescomp.validate.compare import compare, expected_count
from rescomp.validate.simavr import Simavr
from rescomp.validate.witness import Job

RANKS = {"full": (), "low rank": ("model.rank_w=6", "model.rank_u=10")}
FORMS = [
    ((rank, nonlinearity), weights, scale)
    for (i, rank), (j, nonlinearity), (k, weights), (m, scale) in product(
        *map(enumerate, (RANKS, ("table", "piecewise_linear"), ("ternary", "int8"), ("multiplier", "power_of_two")))
    )
    if (i + j + k + m) % 2 == 0
]
HIDDEN, CLASSES, SEQUENCES, STEPS = 32, 9, 370, 5687
EXPECTED = STEPS * HIDDEN + SEQUENCES * CLASSES


@pytest.fixture(scope="module")
def float_net(request, tmp_path_factory):
    """A float net after two epochs: exactness does not ask for accuracy."""
    rank, nonlinearity = request.param
    path = tmp_path_factory.mktemp("float") / "model"
    stages.train_model(load_recipe(None, [*RANKS[rank], f"model.nonlinearity={nonlinearity}", "train.epochs=2"]), path)
    return path


def on_the_test_set(result):
    """The entries of the test set, one a variant; nothing differs in any set."""
    assert not any(entry.mismatches for entry in result.witnesses)
    return [entry for entry in result.witnesses if entry.set == "test"]


@pytest.mark.parametrize(("float_net", "weights", "scale"), FORMS, indirect=["float_net"])
def test_all_witnesses_agree(float_net, weights, scale, tmp_path, capsys):
    path = shutil.copytree(float_net, tmp_path / "model")
    stages.quantize(path, weights=weights, overrides=[f"compress.0.scale={scale}", "quantize.epochs=1"])
    stages.export_model(path)
    result = stages.verify(path)
    assert {report.witness for report in result.witnesses} == {"onnxruntime", "tflite", "c", "torch"}
    assert [entry.compared for entry in on_the_test_set(result)] == [EXPECTED] * 9
    with capsys.disabled():
        print(f"\n{weights}, {scale}: {result.compared:,} values compared, 0 differ", end="")


@pytest.fixture(scope="module")
def default_model(tmp_path_factory):
    path = tmp_path_factory.mktemp("default") / "model"
    stages.train_model(load_recipe(None, ["train.epochs=2", "quantize.epochs=1"]), path)
    stages.quantize(path)
    stages.export_model(path, ["c"])
    return path


@pytest.mark.parametrize("name", [name for name, core in CORES.items() if core.family.witness == "qemu"])
def test_the_default_model_agrees_on_every_core_of_qemu(emulated, default_model, name):
    (entry,) = on_the_test_set(stages.verify(default_model, f"qemu:{emulated(name).name}"))
    assert entry.compared == EXPECTED


@pytest.mark.parametrize("name", [name for name, core in CORES.items() if core.family.witness == "simavr"])
def test_the_default_model_agrees_on_every_avr(emulated, default_model, name):
    """A few of the recordings: libsimavr takes its time."""
    directory = ModelDirectory.open(default_model)
    model = read_model(directory)
    vectors = read_vectors(directory, model)
    job = Job(model, default_model, vectors.x[::20], vectors.lengths[::20], emulated(name).name)
    (answer,) = Simavr().answers(job)
    result = compare(job, evaluate(model, job.x, job.lengths), answer.trajectory)
    assert (result.compared, result.mismatches) == (expected_count(job), 0)
    assert result.compared > 5000


def test_the_export_for_a_core_is_what_runs_there(emulated, default_model, tmp_path):
    emulated("cortex-m3")
    path = shutil.copytree(default_model, tmp_path / "model")
    stages.export_model(path, cores=["cortex-m3"])
    (entry,) = on_the_test_set(stages.verify(path, "qemu:cortex-m3", stress="off"))
    assert entry.variant == "cortex-m3 -O2, c-cortex-m3/"
    (path / "c-cortex-m3" / "japanese_vowels.h").write_text("#error")
    with pytest.raises(InputError, match="was changed after it was written"):
        stages.verify(path, "qemu:cortex-m3")
