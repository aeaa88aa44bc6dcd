"""What exported files say of their graph is read back, and what says nothing is no surprise."""

import re

import numpy as np
import pytest

from rescomp.export import file_metadata
from rescomp.export.c import export_c
from rescomp.export.file_metadata import onnx_metadata, tflite_metadata
from rescomp.export.onnx import export_onnx
from rescomp.export.provenance import provenance, read_digest
from rescomp.export.tflite import export_tflite
from rescomp.graph.serialize import digest


@pytest.fixture
def model(random_fastgrnn):
    return random_fastgrnn(np.random.default_rng(1), weights="int8")


@pytest.fixture
def files(model):
    return {**export_onnx(model), **export_tflite(model), **export_c(model)}


def test_every_export_names_the_digest_of_the_graph(model, files):
    speaking = {name for name, data in files.items() if read_digest(name, data) is not None}
    assert speaking == {"model.onnx", "model_sequence.onnx", "model.tflite", f"{model.name}.h", f"{model.name}.c", "README.md"}
    assert {read_digest(name, files[name]) for name in speaking} == {digest(model)}


def test_the_metadata_are_what_was_written(model, files):
    assert onnx_metadata(files["model.onnx"]) == onnx_metadata(files["model_sequence.onnx"]) == dict(provenance(model))
    assert provenance(model).items() <= tflite_metadata(files["model.tflite"]).items()


@pytest.mark.parametrize("limit", ["MOST_TABLES", "MOST_TEXT", "MOST_FIELDS"])
def test_metadata_are_read_up_to_a_size(limit, files, monkeypatch):
    monkeypatch.setattr(file_metadata, limit, 3)
    with pytest.raises(ValueError, match="more than 3 "):
        tflite_metadata(files["model.tflite"])


def test_what_follows_an_onnx_file_is_no_part_of_it(files):
    with pytest.raises(ValueError, match="it ends within a number"):
        onnx_metadata(files["model.onnx"] + b"\xff")
    with pytest.raises(ValueError, match="a field reaches past the end"):
        onnx_metadata(files["model.onnx"] + b"\x72\x09")


@pytest.mark.parametrize("name", ["model.onnx", "model.tflite"])
def test_damaged_files_say_nothing_or_something_but_never_fail(files, name):
    rng, data = np.random.default_rng(3), files[name]
    for cut in range(0, len(data), 131):
        read_digest(name, data[:cut])
    for _ in range(300):
        damaged = bytearray(data)
        for place in rng.integers(0, len(data), 8):
            damaged[place] = rng.integers(0, 256)
        assert re.fullmatch("[0-9a-f]{64}", read_digest(name, bytes(damaged)) or "0" * 64)
    for nonsense in (b"", b"\xff" * 64, bytes(64), b"\x08" * 33):
        assert read_digest(name, nonsense) is None
