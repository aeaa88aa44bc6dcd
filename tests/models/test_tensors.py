"""Files of tensors: their header is bounded before anything parses it."""

import json
import os

import pytest
import safetensors.torch
import torch

from rescomp.models import tensors
from rescomp.models.tensors import read_safetensors


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "net.safetensors"
    path.write_bytes(safetensors.torch.save({"a": torch.arange(6.0)}, {"k": "v"}))
    return path


def test_tensors_and_header_are_read(path):
    found, header = read_safetensors(path)
    assert found["a"].tolist() == [0, 1, 2, 3, 4, 5]
    assert header["__metadata__"] == {"k": "v"}


@pytest.mark.parametrize("size", [9 << 20, 90 << 20, 1 << 62])
def test_a_large_header_is_refused_before_it_is_parsed(path, size, monkeypatch):
    data = path.read_bytes()
    with path.open("wb") as file:
        file.write(size.to_bytes(8, "little") + data[8:])
        file.truncate(min(size, 100 << 20))
    monkeypatch.setattr(safetensors.torch, "load", None)
    with pytest.raises(safetensors.SafetensorError, match=f"its header has {size:,} bytes, and at most 8,388,608 are read"):
        read_safetensors(path)


@pytest.mark.parametrize("offsets", [[0, 10**12], [8, 4], [4, 28], [-1, 23]])
def test_offsets_that_hold_no_tensor_are_refused(path, offsets):
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header["a"]["data_offsets"] = offsets
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :])
    with pytest.raises(safetensors.SafetensorError):
        read_safetensors(path)


@pytest.mark.timeout(20)
def test_a_pipe_and_a_file_of_gigabytes_are_not_read(path, monkeypatch):
    monkeypatch.setattr(tensors, "MOST_BYTES", 50)
    with pytest.raises(OSError, match="more than 50 bytes"):
        read_safetensors(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(OSError, match="a pipe"):
        read_safetensors(path)
