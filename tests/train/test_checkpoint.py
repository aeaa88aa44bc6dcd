from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from rescomp.data import Split
from rescomp.errors import InputError
from rescomp.train import CheckpointFile, Schedule, fit, load_net, save_net
from rescomp.train.checkpoint import read_tensors, write_tensors


@pytest.fixture
def saved(make_net: Any, train_split: Split, schedule: Schedule, tmp_path: Path) -> Path:
    path = tmp_path / "c.safetensors"
    fit(make_net(), train_split, schedule, checkpoint=CheckpointFile(path))
    return path


def test_a_net_and_its_metadata_come_back(make_net: Any, tmp_path: Path) -> None:
    net, other = make_net(), make_net()
    with torch.no_grad():
        net.hidden.weight.mul_(3)
    save_net(net, tmp_path / "net.safetensors", {"seed": 1, "scales": [0.5, 2]})
    assert load_net(other, tmp_path / "net.safetensors") == {"schema": 1, "seed": 1, "scales": [0.5, 2]}
    assert all(torch.equal(left, right) for left, right in zip(net.state_dict().values(), other.state_dict().values(), strict=True))


def test_tied_weights_can_be_saved(tmp_path: Path) -> None:
    class Tied(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = self.second = torch.nn.Linear(2, 2)

    save_net(Tied(), tmp_path / "t")
    load_net(Tied(), tmp_path / "t")


def rewrite(path: Path, change: Any) -> None:
    tensors, metadata = read_tensors(path)
    change(tensors, metadata)
    write_tensors(path, tensors, metadata)


BROKEN = [
    (lambda t, m: t.pop("net.hidden.bias"), "lacks 'hidden.bias', so it is of another net: use the recipe it was made with, or train anew"),
    (lambda t, m: t.update({"net.gate": torch.zeros(1)}), "has an unknown 'gate', so it is of another net"),
    (lambda t, m: t.update({"net.hidden.bias": torch.zeros(9)}), "holds 'hidden.bias' as [9] float32 and the net has [6] float32"),
    (lambda t, m: t.update({"net.seen": torch.zeros(())}), "holds 'seen' as [] float32 and the net has [] int64"),
    (lambda t, m: t.pop("optimizer.hidden.bias.exp_avg"), "lacks part of the optimizer's state of 'hidden.bias': train anew"),
    (lambda t, m: t.update({"optimizer.hidden.bias.exp_avg": torch.zeros(2)}), "holds 'optimizer.hidden.bias.exp_avg' as [2] float32"),
    (lambda t, m: t.update({"optimizer.gate.step": torch.zeros(())}), "has an unknown 'gate.step'"),
    (lambda t, m: t.pop("random.torch"), "lacks 'torch'"),
    (
        lambda t, m: t.update({"random.cuda": torch.zeros(16, dtype=torch.uint8)}),
        "is of a training on a GPU, and this one is on the processor: go on where that one ran, or train anew",
    ),
    (lambda t, m: t.update({"random.batches": torch.zeros(3, dtype=torch.uint8)}), "holds a damaged random generator: train anew"),
    (lambda t, m: m.pop("epoch"), "is not a training checkpoint: train anew"),
    (lambda t, m: m.update(identity=None), "is not a training checkpoint"),
    (lambda t, m: m.update(epoch=-1), "is not a training checkpoint"),
    (lambda t, m: m.update(epoch=7, metrics=["{}"] * 7), "counts 7 epochs of 6"),
    (lambda t, m: m["metrics"].pop(), "does not hold the metrics of its 6 epochs: it is damaged or of an older rescomp, train anew"),
    (lambda t, m: m.pop("metrics"), "does not hold the metrics of its 6 epochs"),
    (lambda t, m: m.update(schema=2), "has schema 2, this rescomp reads 1: use the rescomp that wrote it"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN)
def test_another_or_a_damaged_checkpoint(
    saved: Path, make_net: Any, train_split: Split, schedule: Schedule, change: Any, message: str
) -> None:
    rewrite(saved, change)
    with pytest.raises(InputError) as caught:
        fit(make_net(), train_split, schedule, checkpoint=CheckpointFile(saved), resume=True)
    assert str(saved) in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize("kept", [0.0, 0.005, 0.5, 0.999])
def test_a_truncated_file(saved: Path, make_net: Any, kept: float) -> None:
    data = saved.read_bytes()
    saved.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(InputError, match=r"c\.safetensors is not a checkpoint of rescomp or is damaged \(.*\): train anew"):
        load_net(make_net(), saved)


def test_a_safetensors_file_of_another_program(make_net: Any, tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    for metadata in (None, {"format": "pt"}, {"rescomp": "[]"}, {"rescomp": "{"}):
        path.write_bytes(safetensors.torch.save({"weight": torch.zeros(1)}, metadata))
        with pytest.raises(InputError, match="is not a checkpoint of rescomp or is damaged"):
            load_net(make_net(), path)


def test_a_missing_file_and_a_directory(make_net: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no .*w\.safetensors: train first"):
        load_net(make_net(), tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=r"cannot read .* \(Is a directory\): check the path"):
        load_net(make_net(), tmp_path)


def test_no_pickle_and_one_metadata_entry(saved: Path) -> None:
    data = saved.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert list(header["__metadata__"]) == ["rescomp"]
    assert not any(name.startswith("optimizer.unused") for name in header)
