"""Which files of a model directory each witness reads, as it says itself."""

import pytest

from rescomp.model_directory import ModelDirectory
from rescomp.validate.registry import WITNESSES, find_witness


@pytest.fixture
def read(tmp_path, random_fastgrnn):
    """A function (name[:argument]) -> what it reads of a directory with C for any core and for one."""
    import numpy as np

    for name in ("c/README.md", "c/tiny.c", "c/rescomp/a.h", "c-cortex-m4/tiny.h", "c-cortex-m4/LICENSE", "model.onnx", "recipe.toml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    model = random_fastgrnn(np.random.default_rng(0))

    def reads(witness):
        one, argument = find_witness(witness)
        return list(one.reads(ModelDirectory(tmp_path), model, argument))

    return reads


@pytest.mark.parametrize(
    ("witness", "names"),
    [
        ("onnxruntime", ["model.onnx", "model_sequence.onnx"]),
        ("tflite", ["model.tflite"]),
        ("tflite-micro", ["model.tflite"]),
        ("c", ["c/rescomp/a.h", "c/tiny.c"]),
        ("qemu", ["c/rescomp/a.h", "c/tiny.c"]),
        ("qemu:cortex-m4", ["c-cortex-m4/tiny.c", "c-cortex-m4/tiny.h"]),
        ("simavr", ["c/rescomp/a.h", "c/tiny.c"]),
        ("torch", ["quantized.safetensors", "recipe.toml"]),
        ("serial:COM1", []),
    ],
)
def test_a_witness_says_which_files_it_reads(read, witness, names):
    assert read(witness) == names


def test_every_witness_says_it(read):
    assert all(isinstance(read(f"{name}:COM1" if name == "serial" else name), list) for name in WITNESSES)
